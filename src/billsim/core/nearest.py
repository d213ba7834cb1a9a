"""The valid name that somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str:
    """The valid name that looks most like `name`, or '' when none does."""
    found = get_close_matches(name[:100], sorted(names), n=1, cutoff=0.5)
    return found[0] if found else ""
