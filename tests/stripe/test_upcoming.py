"""What is told ahead: renewals and due dates."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import DAY_S, START_S, Bench

UPCOMING, SOON = "invoice.upcoming", "invoice.will_be_due"
PRO = [{"price": "price_pro_monthly"}]


def begin(bench: Bench, **params: Any) -> None:
    """From 1 March to 1 April."""
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **params}, task="e/test/create")
    bench.types()


def test_a_renewal_is_told_of_a_week_ahead() -> None:
    bench = Bench(whole=True)
    begin(bench)
    bench.call("invoice_items.create", "", {"customer": "cus_ada", "subscription": "sub_new", "amount": 300, "currency": "usd"}, task="e/test/ii")
    bench.at(24 * DAY_S - 1)
    assert UPCOMING not in bench.types()
    bench.at(24 * DAY_S)
    told = bench.event(UPCOMING)
    assert bench.types() == [UPCOMING] and told.created == START_S + 24 * DAY_S
    invoice = told.data.object
    assert ([line.amount for line in invoice.lines.data], invoice.amount_due, invoice.billing_reason) == ([2000, 300], 2300, "upcoming")
    assert invoice.id not in bench.book.invoices
    bench.at(31 * DAY_S)
    assert UPCOMING not in bench.types() and bench.invoice("in_new_2").total == 2300
    bench.at(31 * DAY_S + 23 * DAY_S)
    assert bench.types().count(UPCOMING) == 1


@pytest.mark.parametrize(
    "params", [{"cancel_at_period_end": True}, {"cancel_at": START_S + 30 * DAY_S}, {"collection_method": "send_invoice", "days_until_due": 3}]
)
def test_there_is_none_to_tell_of(params: dict[str, Any]) -> None:
    bench = Bench(whole=True)
    begin(bench, **params)
    bench.at(30 * DAY_S)
    assert UPCOMING not in bench.types()


def test_how_long_ahead_is_a_setting() -> None:
    bench = Bench(StripeSettings(upcoming_days=3), whole=True)
    begin(bench)
    bench.at(28 * DAY_S)
    assert UPCOMING in bench.types()
    bench = Bench(StripeSettings(upcoming_days=0), whole=True)
    begin(bench)
    bench.at(31 * DAY_S)
    assert UPCOMING not in bench.types()


def test_with_the_end_of_a_trial() -> None:
    """Both are told of three days ahead."""
    bench = Bench(StripeSettings(upcoming_days=3), whole=True)
    begin(bench, trial_period_days=10)
    bench.at(7 * DAY_S)
    assert bench.types() == ["customer.subscription.trial_will_end", UPCOMING]
    bench.at(10 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "active"


def test_a_due_date_is_told_of_where_an_automation_does() -> None:
    bench = Bench(StripeSettings(will_be_due_days=2), whole=True)
    begin(bench, collection_method="send_invoice", days_until_due=10)
    bench.call("invoices.finalize_invoice", "in_new_1", task="e/test/open")
    bench.types()
    bench.at(8 * DAY_S)
    assert bench.types() == [SOON]
    bench.at(10 * DAY_S)
    assert bench.types()[0] == "invoice.overdue"


def test_worlds_are_told_nothing() -> None:
    bench = Bench(StripeSettings(will_be_due_days=2))
    begin(bench, collection_method="send_invoice", days_until_due=10)
    bench.at(31 * DAY_S)
    assert not {UPCOMING, SOON} & set(bench.types())
