"""A world that ends waits for nothing beyond its end; and a period of months is the same whichever second of the day it begins."""

from __future__ import annotations

from datetime import datetime

import pytest

from billsim.core.time import DAY_S, add_months
from billsim.stripe.objects import Recurring
from billsim.stripe.periods import period_end
from tests.stripe.bench import START_S, Bench

RENEWAL_S = START_S + DAY_S


def s(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp())


def test_nothing_beyond_the_horizon_is_waited_for() -> None:
    bench = Bench()
    bench.stripe.resume(RENEWAL_S * 1000 - 1)
    assert bench.kernel.next_at() is None


def test_the_horizon_itself_is_reached() -> None:
    bench = Bench()
    bench.stripe.resume(RENEWAL_S * 1000)
    bench.days(2)
    assert list(bench.book.invoices) == ["in_ada_1"] and bench.invoice().status == "draft"
    assert bench.kernel.next_at() is None


def test_up_to_the_horizon_the_same_happens_as_without_one() -> None:
    def told(horizon_ms: int) -> list[tuple[str, int]]:
        bench = Bench()
        bench.stripe.resume(horizon_ms)
        bench.days(40)
        return [(emitted.name, emitted.at_ms) for emitted in bench.outbox.events]

    horizon_ms = (START_S + 10 * DAY_S) * 1000
    whole = told(1 << 62)
    assert told(horizon_ms) == [event for event in whole if event[1] <= horizon_ms] and len(told(horizon_ms)) < len(whole)


def test_a_customer_who_sleeps_is_made_when_their_renewal_is_due() -> None:
    """The same events, at the same instants, as where the customer was there all along; and none of a renewal beyond the horizon."""

    def told(*, asleep: bool) -> list[tuple[str, int]]:
        bench = Bench()
        if asleep:
            ada, asked = bench.stripe.books.pop("cus_ada"), []
            bench.stripe._backend._homes.clear()

            def wake(id: str) -> None:
                asked.append(id)
                if len(asked) == 1:
                    bench.stripe.take(ada)

            bench.stripe.asleep(wake)
            bench.stripe.expect("sub_ada", RENEWAL_S * 1000)
            bench.stripe.expect("sub_bob", (START_S + 50 * DAY_S) * 1000)
        bench.stripe.resume((START_S + 20 * DAY_S) * 1000)
        assert bench.kernel.next_at() == RENEWAL_S * 1000 and (asleep is (bench.stripe.books == {}))
        bench.days(40)
        return [(emitted.name, emitted.at_ms) for emitted in bench.outbox.events]

    assert told(asleep=True) == told(asleep=False) != []


@pytest.mark.parametrize(
    ("start", "anchor", "recurring", "end"),
    [
        ("2026-01-31T23:59:59+00:00", "2026-01-31T23:59:59+00:00", Recurring(), "2026-02-28T23:59:59+00:00"),
        ("2026-02-28T00:00:00+00:00", "2026-01-31T00:00:00+00:00", Recurring(), "2026-03-31T00:00:00+00:00"),
        ("2026-02-28T07:30:00+00:00", "2026-02-28T07:30:00+00:00", Recurring(), "2026-03-28T07:30:00+00:00"),
        ("2024-02-29T12:00:01+00:00", "2024-02-29T12:00:01+00:00", Recurring("year"), "2025-02-28T12:00:01+00:00"),
        ("2027-02-28T12:00:01+00:00", "2024-02-29T12:00:01+00:00", Recurring("year"), "2028-02-29T12:00:01+00:00"),
        ("2026-11-30T01:00:00+00:00", "2026-11-30T01:00:00+00:00", Recurring("month", 3), "2027-02-28T01:00:00+00:00"),
    ],
)
def test_a_period_of_months_keeps_the_anchors_day_and_the_time_of_day(start: str, anchor: str, recurring: Recurring, end: str) -> None:
    assert period_end(recurring, s(start), s(anchor)) == s(end)


@pytest.mark.parametrize("second", [0, 1, DAY_S // 2, DAY_S - 1])
def test_it_is_add_months_whatever_the_second(second: int) -> None:
    day = s("2026-05-31T00:00:00+00:00")
    assert period_end(Recurring(), day + second, day + second) == add_months(day + second, 1, 31)
