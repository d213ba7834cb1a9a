"""The road from Stripe to the endpoints: events arrive in the order in which they happened, unless faults hold some up, double or lose them.

What a fault does to an event depends on the seed and on the event, not on when somebody asks. Delays are told in simulated time: what is late goes
when the clock of its customer has come so far, and what waits to be overtaken when it has been. A clock that stands still would keep them for
ever, so `flush` lets everything go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from billsim.pipe.overtaking import is_overtaken
from billsim.pipe.weather import Journey, Weather
from billsim.serving.webhooks import RETRY_S, Parcel
from billsim.stripe.objects import Emitted
from billsim.stripe.sandbox import Delivery

_ATTEMPTS = len(RETRY_S) + 1


class _OnTheRoad(NamedTuple):
    """Copies of a delivery, and when they arrive: at an instant of its clock, or, while it waits for what overtakes it, at the latest then."""

    due_ms: int
    number: int
    delivery: Delivery
    journey: Journey
    parcels: tuple[Parcel, ...]
    waits: bool


class Road:
    """Carries deliveries under some weather (None: nothing befalls them). `now_ms` tells the time of a clock, '' for the account's own."""

    def __init__(self, weather: Weather | None, now_ms: Callable[[str], int]) -> None:
        self._weather = weather
        self._now_ms = now_ms
        self._road: list[_OnTheRoad] = []
        self._count = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is held up."""
        return not self._road

    def take(self, deliveries: Iterable[Delivery]) -> list[Parcel]:
        """Send these on their way; what arrives by now, in the order of its arrival."""
        for delivery in deliveries:
            self._set_out(delivery)
        return self._arrive([each for each in self._road if each.due_ms <= self._now_ms(each.delivery.clock)])

    def flush(self) -> list[Parcel]:
        """Everything that is held up, in the order of its arrival."""
        return self._arrive(list(self._road))

    def _set_out(self, delivery: Delivery) -> None:
        journey = self._weather.leaves(delivery.emitted) if self._weather is not None else Journey(delivery.emitted)
        self._count += 1
        waits = bool(journey.waits_for)
        due_ms = delivery.emitted.at_ms + (journey.at_most_ms if waits else journey.after_ms)
        if not waits:
            self._overtake(delivery, due_ms)
        self._road.append(_OnTheRoad(due_ms, self._count, delivery, journey, tuple(self._copies(delivery, journey)), waits))

    def _overtake(self, delivery: Delivery, due_ms: int) -> None:
        """Let go what waited for this event, right behind it."""
        for place, each in enumerate(self._road):
            same = each.waits and each.delivery.emitted.customer == delivery.emitted.customer and each.delivery.endpoint == delivery.endpoint
            if same and is_overtaken(each.journey, delivery.emitted):
                self._road[place] = each._replace(waits=False, due_ms=due_ms + 1)

    def _copies(self, delivery: Delivery, journey: Journey) -> Iterable[Parcel]:
        """The event as it is sent, once or more often: as it is, and as twins with ids of their own."""
        emitted = journey.emitted
        body = delivery.body if emitted is delivery.emitted else _changed(delivery.body, created=emitted.event.created)
        yield self._parcel(delivery, emitted, delivery.event, body)
        if self._weather is not None:
            for _ in range(self._weather.copies(emitted)):
                yield self._parcel(delivery, emitted, delivery.event, body)
        for copy in range(2, journey.twins + 2):
            event = f"{delivery.event}d{copy}"
            twin = replace(emitted, name=f"{emitted.name}/d{copy}")
            yield self._parcel(delivery, twin, event, _changed(body, id=event))

    def _parcel(self, delivery: Delivery, emitted: Emitted, event: str, body: bytes) -> Parcel:
        weather = self._weather
        attempts = range(1, _ATTEMPTS + 1) if weather is not None else ()
        lost = frozenset(attempt for attempt in attempts if weather is not None and weather.refuses(emitted, attempt, delivery.emitted.at_ms))
        return Parcel(event, delivery.type, body, delivery.url, delivery.secret, lost)

    def _arrive(self, here: list[_OnTheRoad]) -> list[Parcel]:
        left = {each.number for each in here}
        self._road = [each for each in self._road if each.number not in left]
        return [parcel for each in sorted(here, key=lambda each: each[:2]) for parcel in each.parcels]


def _changed(body: bytes, **fields: object) -> bytes:
    """The body of an event with other values in some of its fields."""
    return msgspec.json.encode({**msgspec.json.decode(body), **fields})
