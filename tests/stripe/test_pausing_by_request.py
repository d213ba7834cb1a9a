"""Subscriptions that are paused by request (https://docs.stripe.com/billing/subscriptions/pause), and go on again."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError, Subscription
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, START_S, Bench

PRO = [{"price": "price_pro_monthly"}]
# March has 31 days: half of it.
HALF_S = 31 * DAY_S // 2


def halfway(**params: Any) -> Bench:
    """Ada pays 20.00 for March; half of it has passed."""
    bench = Bench(whole=True)
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **params}, task="e/test/create")
    bench.at(HALF_S)
    bench.types()
    return bench


def pause(bench: Bench, **params: Any) -> Subscription:
    found: Subscription = bench.call("subscriptions.pause", "sub_new", params, task="e/test/pause")
    return found


def pending(bench: Bench) -> list[int]:
    return [item.amount for item in bench.book.invoice_items.values() if item.invoice is None]


def test_unused_time_waits_for_the_next_invoice() -> None:
    bench = halfway()
    paused = pause(bench)
    assert paused.status == "paused"
    why = {"type": "subscription", "subscription": {"type": "pause_requested"}, "transitioned_at": START_S + HALF_S}
    assert paused.says("status_details") == {"paused": why}
    assert pending(bench) == [-1000]
    assert bench.types() == ["invoiceitem.created", "customer.subscription.updated", "customer.subscription.paused"]


def test_nothing_is_billed_until_it_goes_on_and_the_credit_counts_then() -> None:
    bench = halfway()
    pause(bench)
    bench.days(70)
    assert [id for id in bench.book.invoices if id.startswith("in_new")] == ["in_new_1"]
    resumed = bench.call("subscriptions.resume", "sub_new", {}, task="e/test/resume")
    assert (resumed.status, resumed.says("status_details"), resumed.billing_cycle_anchor) == ("active", None, START_S + 70 * DAY_S)
    invoice = bench.invoice(resumed.latest_invoice)
    assert (sorted(line.amount for line in invoice.lines.data), invoice.total, invoice.status) == ([-1000, 2000], 1000, "paid")
    assert bench.types()[-1] in ("customer.subscription.resumed", "invoice.payment_succeeded")


@pytest.mark.parametrize(("since", "amounts"), [("none", []), ("now", [-1000]), ("item_current_period_start", [-2000])])
def test_from_when_unused_time_is_given_back(since: str, amounts: list[int]) -> None:
    bench = halfway()
    pause(bench, bill_for={"unused_time_from": {"type": since}, "outstanding_usage_through": {"type": "now"}}, type="subscription")
    assert pending(bench) == amounts


def test_it_may_be_settled_by_an_invoice_of_its_own() -> None:
    bench = halfway()
    paused = pause(bench, invoicing_behavior="invoice")
    invoice = bench.invoice(paused.latest_invoice)
    assert (invoice.total, invoice.status, invoice.billing_reason) == (-1000, "paid", "subscription_update")
    assert (pending(bench), bench.call("customers.retrieve", "cus_ada").balance) == ([], -1000)
    assert paused.status == "paused"
    told = bench.types()
    assert told.index("customer.subscription.paused") < told.index("invoice.created") < told.index("invoice.finalized")


def test_what_is_owed_on_that_invoice_is_collected() -> None:
    bench = halfway()
    bench.call("invoice_items.create", "", {"customer": "cus_ada", "amount": 1500, "currency": "usd"}, task="e/test/item")
    invoice = bench.invoice(pause(bench, invoicing_behavior="invoice").latest_invoice)
    assert (invoice.total, invoice.status, invoice.amount_paid) == (500, "paid", 500)
    assert bench.book.subscriptions["sub_new"].status == "paused"


def test_without_anything_to_settle_there_is_no_invoice() -> None:
    bench = halfway()
    paused = pause(bench, invoicing_behavior="invoice", bill_for={"unused_time_from": {"type": "none"}})
    assert (paused.status, paused.latest_invoice) == ("paused", "in_new_1")


def test_what_was_billed_before_is_collected_as_ever_and_decides_nothing() -> None:
    bench = halfway()
    bench.stripe.behave("pm_ada", BROKE)
    bench.at(31 * DAY_S)
    assert bench.invoice("in_new_2").status == "draft"
    pause(bench, bill_for={"unused_time_from": {"type": "none"}})
    bench.at(31 * DAY_S + 2 * HOUR_S)
    assert bench.invoice("in_new_2").attempt_count == 1
    assert bench.book.subscriptions["sub_new"].status == "paused"


@pytest.mark.parametrize(
    "made",
    [
        {"billing_mode": {"type": "classic"}},
        {"trial_period_days": 60},
        {"collection_method": "send_invoice", "days_until_due": 7},
    ],
)
def test_what_cannot_be_paused(made: dict[str, Any]) -> None:
    bench = halfway(**made)
    with pytest.raises(StripeError) as refused:
        pause(bench)
    assert (refused.value.status, refused.value.code) == (400, "parameter_invalid")
    assert bench.types() == []


def test_it_is_paused_once_and_not_while_its_collection_is() -> None:
    bench = halfway()
    pause(bench)
    with pytest.raises(StripeError, match="paused"):
        pause(bench)
    bench = halfway()
    bench.call("subscriptions.update", "sub_new", {"pause_collection": {"behavior": "void"}}, task="e/test/collection")
    with pytest.raises(StripeError, match="collection"):
        pause(bench)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"type": "all"}, "type"),
        ({"invoicing_behavior": "later"}, "invoicing_behavior"),
        ({"bill_for": {"unused_time_from": {"type": "then"}}}, "bill_for[unused_time_from][type]"),
        ({"bill_for": {"unused_time_from": {"at": 1}}}, "bill_for[unused_time_from][at]"),
        ({"bill_for": {"outstanding_usage_through": {"type": "then"}}}, "bill_for[outstanding_usage_through][type]"),
    ],
)
def test_what_is_asked_for_is_checked(params: dict[str, Any], param: str) -> None:
    with pytest.raises(StripeError) as refused:
        pause(halfway(), **params)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_giving_up_on_what_was_billed_before_leaves_it_paused() -> None:
    bench = Bench(StripeSettings(final_subscription="mark_unpaid"), whole=True)
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO}, task="e/test/create")
    bench.stripe.behave("pm_ada", BROKE)
    bench.at(31 * DAY_S)
    pause(bench, bill_for={"unused_time_from": {"type": "none"}})
    bench.days(90)
    assert (bench.invoice("in_new_2").next_payment_attempt, bench.invoice("in_new_2").status) == (None, "open")
    assert bench.book.subscriptions["sub_new"].status == "paused"
