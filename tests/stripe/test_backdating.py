"""Subscriptions that began before they were made: https://docs.stripe.com/billing/subscriptions/backdating.

Now is 1 March 2026. January has 31 days, February 28.
"""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Price, Recurring, StripeError, Subscription
from tests.stripe.bench import DAY_S, START_S, Bench

FEBRUARY_S, JANUARY_S, APRIL_S = START_S - 28 * DAY_S, START_S - 59 * DAY_S, START_S + 31 * DAY_S
CLASSIC = {"billing_mode": {"type": "classic"}}


def begin(bench: Bench, start_s: int, **params: Any) -> Subscription:
    bench.stripe.seed(Price(id="price_quarter", created=0, product="support", unit_amount=9000, recurring=Recurring("month", 3)))
    given = {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}], "backdate_start_date": start_s, **params}
    found: Subscription = bench.call("subscriptions.create", "sub_new", given, task="e/test/create")
    return found


def lines(bench: Bench) -> list[tuple[int, int, int]]:
    """Amounts, and from which day to which, counted from 1 March."""
    found = bench.book.invoices["in_new_1"].lines.data
    return [(line.amount, (line.period.start - START_S) // DAY_S, (line.period.end - START_S) // DAY_S) for line in found if line.period]


def days(subscription: Subscription) -> tuple[int, int]:
    item = subscription.items.data[0]
    return (item.current_period_start - START_S) // DAY_S, (item.current_period_end - START_S) // DAY_S


@pytest.mark.parametrize(("start_s", "share"), [(START_S - 14 * DAY_S, 1000), (START_S - 45 * DAY_S, 2903)])
def test_a_classic_one_is_billed_at_once(start_s: int, share: int) -> None:
    """From 15 February 14 of the 28 days up to 15 March; from 15 January 45 of the 31 up to 15 February: 2903.23."""
    bench = Bench(whole=True)
    made = begin(bench, start_s, **CLASSIC)
    assert lines(bench) == [(share, (start_s - START_S) // DAY_S, 0), (2000, 0, 31)]
    assert (made.start_date, made.created, made.billing_cycle_anchor, days(made)) == (start_s, START_S, START_S, (0, 31))
    assert made.status == "active" and bench.invoice("in_new_1").amount_paid == share + 2000


def test_a_classic_one_up_to_an_anchor() -> None:
    """From 1 February to 15 March: 42 of 28 days, which is one and a half."""
    bench = Bench(whole=True)
    made = begin(bench, FEBRUARY_S, billing_cycle_anchor=START_S + 14 * DAY_S, **CLASSIC)
    assert lines(bench) == [(3000, -28, 14)] and days(made) == (0, 14)
    bench.at(14 * DAY_S)
    assert bench.invoice("in_new_2").total == 2000


def test_a_flexible_one_is_billed_by_periods() -> None:
    """From 1 January: that month, February, and March, which has begun. Its anchor is where it began."""
    bench = Bench(whole=True)
    made = begin(bench, JANUARY_S)
    assert lines(bench) == [(2000, -59, -28), (2000, -28, 0), (2000, 0, 31)]
    assert (made.start_date, made.billing_cycle_anchor, days(made)) == (JANUARY_S, JANUARY_S, (0, 31))
    bench.at(31 * DAY_S)
    assert bench.invoice("in_new_2").total == 2000


def test_a_flexible_one_in_the_midst_of_a_period() -> None:
    """From 15 January: up to 15 February, and to 15 March; what is not used is given back from the bill that has it: 14 of 28 days."""
    bench = Bench(whole=True)
    made = begin(bench, START_S - 45 * DAY_S)
    assert lines(bench) == [(2000, -45, -14), (2000, -14, 14)] and days(made) == (-14, 14)
    bench.call("subscriptions.cancel", "sub_new", {"prorate": True}, task="e/test/end")
    assert [item.amount for item in bench.book.invoice_items.values()] == [-1000]


def test_a_flexible_one_up_to_an_anchor() -> None:
    """From 15 January, and from 15 March on: two whole periods. From the 22nd: 24 of the 31 days up to 15 February, 1548.39, and one."""
    anchor = {"billing_cycle_anchor": START_S + 14 * DAY_S}
    bench = Bench(whole=True)
    begin(bench, START_S - 45 * DAY_S, **anchor)
    assert lines(bench) == [(2000, -45, -14), (2000, -14, 14)]
    bench = Bench(whole=True)
    begin(bench, START_S - 38 * DAY_S, **anchor)
    assert lines(bench) == [(1548, -38, -14), (2000, -14, 14)]


def test_each_item_by_its_own_interval() -> None:
    """A quarter that began on 1 January goes on up to 1 April."""
    bench = Bench(whole=True)
    begin(bench, JANUARY_S, items=[{"price": "price_pro_monthly"}, {"price": "price_quarter"}])
    assert lines(bench) == [(2000, -59, -28), (2000, -28, 0), (2000, 0, 31), (9000, -59, 31)]
    bench.at(31 * DAY_S)
    assert [line.amount for line in bench.invoice("in_new_2").lines.data] == [2000, 9000]


@pytest.mark.parametrize(("start_s", "mode", "billed"), [
    (START_S - 14 * DAY_S, CLASSIC, [(2000, 0, 31)]),
    (FEBRUARY_S, {}, [(2000, 0, 31)]),
    (START_S - 14 * DAY_S, {}, None),
])  # fmt: skip
def test_without_prorations_nothing_that_has_gone_by_is_billed(start_s: int, mode: dict[str, Any], billed: Any) -> None:
    bench = Bench(whole=True)
    made = begin(bench, start_s, proration_behavior="none", **mode)
    assert made.start_date == start_s and made.status == "active"
    if billed is not None:
        assert lines(bench) == billed
    else:
        assert made.latest_invoice is None and days(made) == (-14, 14)
        bench.at(14 * DAY_S)
        assert bench.invoice("in_new_1").total == 2000


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"backdate_start_date": START_S + 1}, "parameter_invalid"),
        ({"trial_period_days": 3}, "not_simulated"),
        ({"cancel_at": START_S + DAY_S}, "not_simulated"),
        ({"backdate_start_date": START_S - 252 * 31 * DAY_S}, "parameter_invalid"),
    ],
)
def test_what_is_refused(params: dict[str, Any], code: str) -> None:
    with pytest.raises(StripeError) as refused:
        begin(Bench(whole=True), FEBRUARY_S, **params)
    assert refused.value.code == code


