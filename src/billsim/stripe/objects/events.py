"""Events, as they are sent."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from billsim.stripe.objects.base import API_VERSION


class EventRequest(msgspec.Struct, frozen=True, gc=False):
    """The API request that caused an event; both null for what Stripe does by itself."""

    id: str | None = None
    idempotency_key: str | None = None


class EventData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`object` is a snapshot as of the event's creation; `previous_attributes` only stands in `*.updated`."""

    object: Any
    previous_attributes: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/events/object"""

    id: str
    object: Literal["event"] = "event"
    api_version: str | None = API_VERSION
    created: int
    data: EventData
    livemode: bool = True
    pending_webhooks: int = 1
    request: EventRequest | None = EventRequest()
    type: str


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """An event beside what the simulation knows of it: its name (the path of its causes), `w` or `e`, its customer ('' for none), and when it was
    emitted.
    """

    event: Event
    name: str
    origin: str
    customer: str
    at_ms: int
