"""What befalls events between Stripe and an endpoint: order, delays, overtaking, twins, losses."""

from __future__ import annotations

import msgspec
import pytest

from billsim.core.choices import Seeded
from billsim.faults.base import Dial
from billsim.faults.catalogue import weather_of
from billsim.serving.road import Road
from billsim.stripe.objects import Customer, Emitted, Event, EventData
from billsim.stripe.sandbox import Delivery

START = 1_800_000_000_000
MINUTE = 60_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ms = START

    def __call__(self, clock: str) -> int:
        assert clock == ""
        return self.now_ms


def delivery(number: int, at_ms: int = START, customer: str = "cus_ada", name: str = "Ada") -> Delivery:
    thing = Customer(id=customer, created=START // 1000, name=name)
    event = Event(id=f"evt_{number}", created=at_ms // 1000, data=EventData(thing), type="customer.updated")
    emitted = Emitted(event, f"{customer}.updated.{number}", "w", customer, at_ms)
    body = msgspec.json.encode({"id": event.id, "created": event.created, "type": event.type})
    return Delivery("we_1", "http://127.0.0.1:1/", "whsec_example", event.id, event.type, body, emitted)


def road(clock: Clock, **dials: Dial) -> Road:
    return Road(weather_of(dials, Seeded(1), lambda customer: (customer,)), clock)


def always(**more: int) -> Dial:
    return Dial(ppm=1_000_000, **more)


def test_without_faults_everything_arrives_at_once_in_its_order() -> None:
    clear = Road(None, Clock())
    assert [parcel.event for parcel in clear.take([delivery(3), delivery(1), delivery(2)])] == ["evt_3", "evt_1", "evt_2"]
    assert clear.empty


def test_what_is_late_arrives_when_its_clock_has_come_so_far() -> None:
    clock = Clock()
    held = road(clock, late=always(minutes=10))
    assert held.take([delivery(1)]) == []
    clock.now_ms += 10 * MINUTE
    assert [parcel.event for parcel in held.take([])] == ["evt_1"]
    assert held.take([]) == []


def test_what_is_late_is_overtaken_by_what_happens_meanwhile() -> None:
    clock = Clock()
    held = road(clock, late=Dial(ppm=500_000, minutes=10))
    batch = [delivery(number, START + number) for number in range(40)]
    clock.now_ms += 40
    at_once = [parcel.event for parcel in held.take(batch)]
    late = [parcel.event for parcel in held.flush()]
    assert sorted([*at_once, *late]) == sorted(each.event for each in batch)
    assert at_once and late and at_once == [each.event for each in batch if each.event in at_once]


def test_a_clock_that_stands_keeps_nothing_for_ever() -> None:
    held = road(Clock(), late=always(minutes=10))
    held.take([delivery(1), delivery(2)])
    assert not held.empty
    assert sorted(parcel.event for parcel in held.flush()) == ["evt_1", "evt_2"]
    assert held.empty


def test_out_of_order_means_right_behind_the_customers_next_event() -> None:
    """Every event waits for the next that does not itself wait; here the second is out of the fault's scope, being of another type."""
    clock = Clock()
    held = road(clock, out_of_order=Dial(ppm=1_000_000, events=("customer.updated",)))
    other = delivery(2)
    paid = other.emitted.event.__class__(id="evt_2", created=START // 1000, data=other.emitted.event.data, type="invoice.paid")
    other = other._replace(emitted=Emitted(paid, "in_1.paid", "w", "cus_ada", START), type="invoice.paid")
    stranger = delivery(3, customer="cus_bob")
    assert held.take([delivery(1)]) == []
    assert held.take([stranger]) == [], "another customer's event overtakes nobody, and waits as well"
    assert [parcel.event for parcel in held.take([other])] == ["evt_2"]
    clock.now_ms += 1
    assert [parcel.event for parcel in held.take([])] == ["evt_1"]
    clock.now_ms += 60 * MINUTE
    assert [parcel.event for parcel in held.take([])] == ["evt_3"], "at the latest after an hour"


def test_a_twin_has_an_id_of_its_own_and_says_the_same() -> None:
    first, second = road(Clock(), twin=always()).take([delivery(1)])
    told, again = msgspec.json.decode(first.body), msgspec.json.decode(second.body)
    assert (told.pop("id"), again.pop("id")) == ("evt_1", "evt_1d2") == (first.event, second.event)
    assert told == again


def test_a_duplicate_is_the_same_event() -> None:
    first, second = road(Clock(), duplicate=always()).take([delivery(1)])
    assert first == second


def test_same_second_tells_the_stamp_of_the_event_before() -> None:
    clock = Clock()
    held = road(clock, same_second=always())
    clock.now_ms += 2_000
    first, second = held.take([delivery(1), delivery(2, START + 2_000)])
    assert msgspec.json.decode(first.body)["created"] == msgspec.json.decode(second.body)["created"] == START // 1000


@pytest.mark.parametrize(("ppm", "lost"), [(0, frozenset()), (1_000_000, frozenset({1, 2, 3, 4}))])
def test_which_attempts_are_lost_is_known_when_it_sets_out(ppm: int, lost: frozenset[int]) -> None:
    (parcel,) = road(Clock(), lost=Dial(ppm=ppm)).take([delivery(1)])
    assert parcel.lost == lost


def test_the_same_seed_brings_the_same_order_whenever_it_is_asked_for() -> None:
    def arrivals(together: bool) -> list[str]:
        clock = Clock()
        held = road(clock, late=Dial(ppm=400_000, minutes=5), twin=Dial(ppm=300_000), out_of_order=Dial(ppm=300_000))
        batch = [delivery(number, START + number * MINUTE) for number in range(60)]
        clock.now_ms = START + 100 * 60 * MINUTE
        if together:
            return [parcel.event for parcel in held.take(batch)]
        got: list[str] = []
        for each in batch:
            clock.now_ms = each.emitted.at_ms
            got += [parcel.event for parcel in held.take([each])]
        clock.now_ms = START + 100 * 60 * MINUTE
        return got + [parcel.event for parcel in held.take([])]

    assert arrivals(together=True) == arrivals(together=False)
