"""When a subscription ends, how it is collected, trials that begin late, and why it was canceled."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.stripe.api import Stripe
from billsim.stripe.objects import Price, StripeError
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import DAY_S, HOUR_S, START_S, Bench

# Ada's period: 2 February to 2 March, 28 days, of which one is left.


def test_it_ends_in_a_later_period_which_is_billed_for_its_share() -> None:
    """The period from 2 March has 31 days; it ends after 15 of them: 2000 * 15 / 31 = 967.74."""
    bench = Bench()
    bench.stripe.resume()
    ends = START_S + 16 * DAY_S
    changed = bench.call("subscriptions.update", "sub_ada", {"cancel_at": ends})
    assert (changed.says("cancel_at"), changed.canceled_at, changed.status) == (ends, START_S, "active")
    assert changed.items.data[0].current_period_end == START_S + DAY_S and not bench.book.invoice_items
    bench.at(DAY_S + HOUR_S)
    assert (bench.invoice().total, bench.subscription.items.data[0].current_period_end) == (968, ends)
    bench.at(16 * DAY_S - 1)
    assert bench.subscription.status == "active"
    bench.at(16 * DAY_S)
    assert (bench.subscription.status, bench.subscription.ended_at) == ("canceled", ends)


def fresh() -> Bench:
    """A subscription of its own, from 1 March to 1 April: 31 days."""
    bench = Bench()
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}]}, task="e/test/create")
    bench.types()
    return bench


def test_it_ends_in_the_present_period_and_the_rest_is_given_back() -> None:
    """10 of 31 days are used: 2000 * 21 / 31 = 1354.84 are given back; once that is undone they are charged."""
    bench = fresh()
    ends = START_S + 10 * DAY_S
    changed = bench.call("subscriptions.update", "sub_new", {"cancel_at": ends}, task="e/test/1")
    (item,) = bench.book.invoice_items.values()
    assert (item.amount, item.period.start, item.period.end) == (-1355, ends, START_S + 31 * DAY_S)
    assert changed.items.data[0].current_period_end == ends
    again = bench.call("subscriptions.update", "sub_new", {"cancel_at": ""}, task="e/test/2")
    assert (again.says("cancel_at"), again.canceled_at, again.items.data[0].current_period_end) == (None, None, START_S + 31 * DAY_S)
    assert [each.amount for each in bench.book.invoice_items.values()] == [-1355, 1355]


def test_it_ends_on_time() -> None:
    bench = fresh()
    bench.call("subscriptions.update", "sub_new", {"cancel_at": START_S + 10 * DAY_S, "proration_behavior": "none"}, task="e/test/1")
    assert not bench.book.invoice_items
    bench.at(10 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "canceled"


def test_it_ends_with_the_period() -> None:
    bench = fresh()
    changed = bench.call("subscriptions.update", "sub_new", {"cancel_at": "min_period_end"}, task="e/test/1")
    assert changed.says("cancel_at") == START_S + 31 * DAY_S and not bench.book.invoice_items
    bench.at(31 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "canceled"


def test_a_change_in_a_period_that_is_cut_short_counts_the_whole_one() -> None:
    """Until 16 March; on 11 March 5 of the whole 31 days are left: 2000 * 5 / 31 = 322.58 back, 4000 * 5 / 31 = 645.16 for two."""
    bench = fresh()
    bench.call("subscriptions.update", "sub_new", {"cancel_at": START_S + 15 * DAY_S, "proration_behavior": "none"}, task="e/test/1")
    bench.at(10 * DAY_S)
    bench.call("subscriptions.update", "sub_new", {"items": [{"id": "si_new", "quantity": 2}]}, task="e/test/2")
    assert [item.amount for item in bench.book.invoice_items.values()] == [-323, 645]


def test_why_it_was_canceled() -> None:
    bench = fresh()
    canceled = bench.call("subscriptions.cancel", "sub_new", {"cancellation_details": {"comment": "dear", "feedback": "too_expensive"}})
    details = {"comment": "dear", "feedback": "too_expensive", "feedback_option": None, "reason": "cancellation_requested"}
    assert canceled.says("cancellation_details") == details
    with pytest.raises(StripeError, match="must be one of customer_service"):
        bench.call("subscriptions.cancel", "sub_ada", {"cancellation_details": {"feedback": "bored"}})


def test_a_whole_account_keeps_why_and_what_lines_were_priced_by() -> None:
    bench = Bench()
    bench.stripe = Stripe(bench.kernel, Seeded(1), StripeSettings(), bench.outbox, whole=True)
    bench.seed_ada()
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}]}, task="e/test/create")
    (line,) = bench.book.invoices["in_new_1"].lines.data
    assert line.says("pricing") == {
        "price_details": {"price": "price_pro_monthly", "product": "zone_plan"},
        "type": "price_details",
        "unit_amount_decimal": "2000",
    }
    assert line.parent.subscription_item_details.subscription_item == "si_new"
    assert bench.call("subscriptions.cancel", "sub_new").says("cancellation_details")["reason"] == "cancellation_requested"


def test_from_automatic_to_sent_and_back() -> None:
    bench = Bench()
    bench.stripe.resume()
    sent = bench.call("subscriptions.update", "sub_ada", {"collection_method": "send_invoice", "days_until_due": 7}, task="e/test/1")
    assert (sent.collection_method, sent.days_until_due) == ("send_invoice", 7)
    bench.at(DAY_S + HOUR_S)
    assert (bench.invoice().status, bench.invoice().due_date, bench.book.charges) == ("open", START_S + 8 * DAY_S + HOUR_S, {})
    back = bench.call("subscriptions.update", "sub_ada", {"collection_method": "charge_automatically"}, task="e/test/2")
    assert (back.collection_method, back.days_until_due) == ("charge_automatically", None)
    with pytest.raises(StripeError, match="You can only specify 'days_until_due'"):
        bench.call("subscriptions.update", "sub_ada", {"days_until_due": 3}, task="e/test/3")


def test_a_trial_may_begin_late() -> None:
    """All that is left of the period is given back, into the customer's balance; the next one begins as the trial ends."""
    bench = fresh()
    bench.at(10 * DAY_S)
    ends = START_S + 20 * DAY_S
    trying = bench.call("subscriptions.update", "sub_new", {"trial_end": ends}, task="e/test/1")
    assert (trying.status, trying.trial_start, trying.trial_end, trying.billing_cycle_anchor) == ("trialing", START_S + 10 * DAY_S, ends, ends)
    invoice = bench.book.invoices[trying.latest_invoice]
    # 2000 * 21 / 31 = 1354.84
    assert ([line.amount for line in invoice.lines.data], invoice.total, invoice.status) == ([0, -1355], -1355, "paid")
    assert bench.book.customer is not None and bench.book.customer.balance == -1355
    bench.at(20 * DAY_S + HOUR_S)
    renewal = bench.book.invoices[bench.book.subscriptions["sub_new"].latest_invoice or ""]
    assert (renewal.total, renewal.amount_due, renewal.status) == (2000, 645, "paid")


def test_what_is_added_to_the_next_invoice() -> None:
    bench = Bench()
    bench.stripe.seed(Price(id="price_setup", created=0, product="setup", unit_amount=500, type="one_time", recurring=None))
    bench.stripe.resume()
    bench.call("subscriptions.update", "sub_ada", {"add_invoice_items": [{"price": "price_setup"}]}, task="e/test/1")
    assert [item.invoice for item in bench.book.invoice_items.values()] == [None]
    bench.at(DAY_S + HOUR_S)
    assert (bench.invoice().total, bench.invoice().status) == (2500, "paid")


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({}, 1),
        ({"status": "all"}, 2),
        ({"status": "ended"}, 1),
        ({"price": "price_pro_monthly"}, 1),
        ({"price": "price_none"}, 0),
        ({"collection_method": "send_invoice"}, 0),
        ({"current_period_end": {"lte": START_S + DAY_S}}, 1),
        ({"current_period_end": {"gt": START_S + DAY_S}, "status": "all"}, 1),
        ({"created": {"gte": START_S}, "status": "all"}, 1),
    ],
)
def test_lists(params: dict[str, Any], count: int) -> None:
    bench = fresh()
    bench.call("subscriptions.cancel", "sub_new", task="e/test/cancel")
    assert len(bench.call("subscriptions.list", "", params).data) == count
