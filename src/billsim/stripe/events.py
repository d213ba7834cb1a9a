"""How an event is made of a change: its envelope, and what `previous_attributes` says."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec.structs import astuple

from billsim.stripe.objects import Emitted, Event, EventData, EventRequest

# What Stripe does by itself has no request.
NO_REQUEST = EventRequest()
_PLAIN = (int, str)


@cache
def short_kind(type: str) -> str:
    """The last part of an event type: what an event's name says beside the object's id."""
    return type.rpartition(".")[2]


def emitted(type: str, thing: Any, old: Any, name: str, origin: str, at_ms: int, request: EventRequest) -> Emitted:
    """The event that says what became of `thing`; `old` is what it was before, where the type tells it (`*.updated`)."""
    data = EventData(thing, None if old is None else previous_attributes(old, thing))
    event = Event(id=f"evt_{name}", created=at_ms // 1000, data=data, livemode=thing.livemode, request=request, type=type)
    return Emitted(event, name, origin, thing.id if thing.object == "customer" else thing.customer or "", at_ms)


def previous_attributes(old: Any, new: Any) -> dict[str, Any]:
    """The old values of what has changed: nested objects only with their changed keys, lists whole, a metadata key that is new as None."""
    values = zip(old.__struct_fields__, astuple(old), astuple(new), strict=True)
    return {
        field: before if before is None or isinstance(before, _PLAIN) else _previous(before, after)
        for field, before, after in values
        if before is not after and before != after
    }


def _previous(before: Any, after: Any) -> Any:
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        return previous_attributes(before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        return {key: before.get(key) for key in (*before, *(k for k in after if k not in before)) if before.get(key) != after.get(key)}
    return msgspec.to_builtins(before)
