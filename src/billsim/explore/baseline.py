"""A baseline: what is known to go wrong already, so that only what is new is a failure.

Either the object that a campaign printed (`--json`), or a list of signatures: JSON, or one a line. An object also knows what else went wrong with the
accounts of a signature, and so sees what is new beside something known; a list knows an account by its gravest signature alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from billsim.scenario.errors import InputError

_MOST_BYTES = 64 * 1024 * 1024
_KINDS = ("finding/", "drift/")


class Baseline(NamedTuple):
    """`known`: the signatures that are grouped by. `beside`: whatever else was seen with them; None where that is not told."""

    known: frozenset[str] = frozenset()
    beside: frozenset[str] | None = None

    def new(self, signatures: Sequence[str]) -> str:
        """The gravest of an account's signatures that is not known, or '' where the account's fault is: `signatures` has the gravest first."""
        if self.beside is None:
            return "" if signatures[0] in self.known else signatures[0]
        return next((each for each in signatures if each not in self.known and each not in self.beside), "")


NOTHING_KNOWN = Baseline()


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises InputError."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"is too large for a baseline: {size} bytes", str(path), key="--baseline")
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise InputError(f"cannot be read: {failure.strerror}", str(path), key="--baseline") from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", str(path), key="--baseline") from None
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, str(path))
    return _of_lines(text, str(path))


def _of_json(text: str, source: str) -> Baseline:
    try:
        data: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as failure:
        raise InputError(f"is not JSON: {failure}", source, key="--baseline") from None
    if isinstance(data, list):
        return Baseline(frozenset(_signature(each, source) for each in data))
    try:
        known = frozenset(str(each["signature"]) for each in data["distinct"])
        return Baseline(known, frozenset(str(beside) for each in data["distinct"] for beside in each["also"]))
    except (KeyError, TypeError):
        raise InputError("is not what `billsim fuzz --json` prints, nor a list of signatures", source, key="--baseline") from None


def _of_lines(text: str, source: str) -> Baseline:
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1)]
    return Baseline(frozenset(_signature(line, source, number) for number, line in lines if line))


def _signature(found: Any, source: str, line: int = 0) -> str:
    if isinstance(found, str) and found.startswith(_KINDS):
        return found
    raise InputError(f"{msgspec.json.encode(found).decode()[:100]} is no signature, such as drift/<code>/<cause>/<shape>", source, line, "--baseline")
