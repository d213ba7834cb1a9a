"""What may befall an event on its way, as the pipe meets it. Who decides that it does is the world's business."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from billsim.core.at_least_once import Parcel
from billsim.stripe.objects import Emitted

NEXT_EVENT, CHANGED_OBJECT = "next_event", "changed_object"


class Journey(NamedTuple):
    """How an event leaves Stripe.

    `after_ms`: later than it should. `twins`: as so many Event objects more. `waits_for`: not before the customer's next event has been sent
    (`next_event`), or the object that it tells of has changed again (`changed_object`); and then, or at the latest after `at_most_ms`, it goes.
    """

    emitted: Emitted
    after_ms: int = 0
    twins: int = 0
    waits_for: str = ""
    at_most_ms: int = 0


class Weather(Protocol):
    """The faults that a pipe is exposed to."""

    def leaves(self, emitted: Emitted) -> Journey:
        """How an event leaves Stripe."""
        ...

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        """Whether Stripe gets no 2xx for the `post`-th POST of an event (from 1), which arrives at `now_ms`."""
        ...

    def copies(self, emitted: Emitted) -> int:
        """How often Pub/Sub delivers the event besides."""
        ...

    def fails(self, parcel: Parcel) -> bool:
        """Whether what receives a delivery falls over it, whatever is in it."""
        ...
