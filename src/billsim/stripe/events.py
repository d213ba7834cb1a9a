"""What an event says of a change: `previous_attributes`, and the short kind in its name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import asdict

_PLAIN = frozenset({int, str, bool, type(None)})


@cache
def short_kind(type: str) -> str:
    """The last part of an event type: what an event's name says beside the object's id."""
    return type.rpartition(".")[2]


def previous_attributes(old: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What fields of `old` were where `values` differ: nested objects only with their changed keys, lists whole, a new metadata key as None.

    What is kept is told by its own names.
    """
    previous: dict[str, Any] = {}
    for field, after in values.items():
        before = getattr(old, field)
        if before is after or before == after:
            continue
        if type(before) in _PLAIN:
            previous[field] = before
        elif field == "kept":
            previous |= _previous({} if before is msgspec.UNSET else before, {} if after is msgspec.UNSET else after)
        else:
            previous[field] = _previous(before, after)
    return previous


def _previous(before: Any, after: Any) -> Any:
    if type(before) is tuple:
        return msgspec.to_builtins(before)
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        return previous_attributes(before, asdict(after))
    if isinstance(before, dict) and isinstance(after, dict):
        return {key: before.get(key) for key in (*before, *(k for k in after if k not in before)) if before.get(key) != after.get(key)}
    return msgspec.to_builtins(before)
