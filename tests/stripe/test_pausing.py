"""Trials that end with nothing to pay by, paused subscriptions and how they go on, and pauses of collection alone."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import InvoiceSettings, StripeError
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, START_S, Bench

PRO = [{"price": "price_pro_monthly"}]


def trying(then: str, **settings: Any) -> Bench:
    """Ada has nothing to pay by, and tries a second subscription for ten days."""
    bench = Bench(**settings)
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": ""}}, task="e/test/pm")
    assert bench.book.customer is not None and bench.book.customer.invoice_settings == InvoiceSettings()
    trial = {"trial_period_days": 10, "trial_settings": {"end_behavior": {"missing_payment_method": then}}}
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **trial}, task="e/test/create")
    bench.types()
    bench.at(10 * DAY_S)
    return bench


def new(bench: Bench) -> Any:
    return bench.book.subscriptions["sub_new"]


def test_without_a_method_a_trial_may_end_it() -> None:
    bench = trying("cancel")
    assert (new(bench).status, new(bench).ended_at) == ("canceled", START_S + 10 * DAY_S)
    assert bench.types()[-1] == "customer.subscription.deleted"


def test_by_default_a_trial_ends_with_an_invoice() -> None:
    bench = trying("create_invoice")
    assert (new(bench).status, bench.book.invoices["in_new_2"].status) == ("active", "draft")


def test_with_a_method_a_trial_ends_as_always() -> None:
    bench = Bench()
    trial = {"trial_period_days": 10, "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **trial})
    bench.at(10 * DAY_S)
    assert new(bench).status == "active"


def paused() -> Bench:
    bench = trying("pause")
    assert new(bench).status == "paused"
    assert new(bench).says("status_details")["paused"]["subscription"] == {"type": "trial_end_without_payment_method"}
    assert bench.types()[-2:] == ["customer.subscription.updated", "customer.subscription.paused"]
    bench.days(60)
    assert list(bench.book.invoices) == ["in_new_1"], "nothing is billed while it is paused"
    bench.types()
    return bench


def with_a_method(bench: Bench) -> Bench:
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_ada"}}, task="e/test/pm2")
    bench.types()
    return bench


def test_a_paused_one_is_resumed_with_a_new_period() -> None:
    bench = with_a_method(paused())
    resumed = bench.call("subscriptions.resume", "sub_new")
    now = START_S + 60 * DAY_S
    assert (resumed.status, resumed.billing_cycle_anchor, resumed.says("status_details")) == ("active", now, None)
    # 30 April to 30 May.
    assert (resumed.items.data[0].current_period_start, resumed.items.data[0].current_period_end) == (now, now + 30 * DAY_S)
    invoice = bench.book.invoices[resumed.latest_invoice]
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 2000, "subscription_update")
    types = bench.types()
    assert types[:3] == ["customer.subscription.updated", "customer.subscription.resumed", "invoice.created"]
    assert types[-1] == "invoice.payment_succeeded"


def test_an_attempt_that_fails_resumes_it_all_the_same() -> None:
    bench = with_a_method(paused())
    bench.stripe.behave("pm_ada", BROKE)
    resumed = bench.call("subscriptions.resume", "sub_new")
    assert (resumed.status, bench.book.invoices[resumed.latest_invoice].status) == ("past_due", "open")


def test_it_may_wait_for_the_money_23_hours() -> None:
    bench = with_a_method(paused())
    waiting = bench.call("subscriptions.resume", "sub_new", {"payment_behavior": "resume_on_payment_success"})
    invoice = waiting.latest_invoice
    assert (waiting.status, bench.book.invoices[invoice].status, bench.types()[-1]) == ("paused", "open", "payment_intent.created")
    with pytest.raises(StripeError, match="being resumed"):
        bench.call("subscriptions.resume", "sub_new", task="e/test/again")
    bench.call("invoices.pay", invoice, task="e/test/pay")
    assert new(bench).status == "active"
    assert "customer.subscription.resumed" in bench.types()


def test_nobody_pays_and_it_stays_paused() -> None:
    bench = with_a_method(paused())
    invoice = bench.call("subscriptions.resume", "sub_new", {"payment_behavior": "resume_on_payment_success"}).latest_invoice
    bench.at(60 * DAY_S + 23 * HOUR_S - 1)
    assert bench.book.invoices[invoice].status == "open"
    bench.at(60 * DAY_S + 23 * HOUR_S)
    assert (bench.book.invoices[invoice].status, new(bench).status) == ("void", "paused")
    assert bench.call("subscriptions.resume", "sub_new", task="e/test/again").status == "active"


def test_it_may_go_on_in_the_period_that_its_anchor_says() -> None:
    """The trial ended on 11 March: 30 April lies 19 days into 11 April to 11 May, so that 11 of 30 days are left."""
    bench = with_a_method(paused())
    resumed = bench.call("subscriptions.resume", "sub_new", {"billing_cycle_anchor": {"type": "unchanged"}})
    assert (resumed.status, resumed.billing_cycle_anchor) == ("active", START_S + 10 * DAY_S)
    assert resumed.items.data[0].current_period_end == START_S + 71 * DAY_S
    # 2000 * 11 / 30 = 733.33
    assert [(item.amount, item.invoice) for item in bench.book.invoice_items.values()] == [(733, None)]
    assert list(bench.book.invoices) == ["in_new_1"]


def test_only_what_is_paused_is_resumed_and_only_with_a_method() -> None:
    with pytest.raises(StripeError, match="status of `paused`; sub_ada is `active`"):
        Bench().call("subscriptions.resume", "sub_ada")
    with pytest.raises(StripeError, match="no attached payment source"):
        paused().call("subscriptions.resume", "sub_new")
    with pytest.raises(StripeError, match="must be one of now, unchanged") as refused:
        paused().call("subscriptions.resume", "sub_new", {"billing_cycle_anchor": {"type": "later"}})
    assert refused.value.param == "billing_cycle_anchor[type]"


# -- collection alone


def collecting(behavior: str, **more: Any) -> Bench:
    bench = Bench()
    bench.stripe.resume()
    changed = bench.call("subscriptions.update", "sub_ada", {"pause_collection": {"behavior": behavior, **more}})
    assert changed.says("pause_collection") == {"behavior": behavior, "resumes_at": more.get("resumes_at")}
    assert bench.event("customer.subscription.updated").data.previous_attributes == {"pause_collection": None}
    bench.types()
    bench.at(DAY_S + 5 * HOUR_S)
    return bench


@pytest.mark.parametrize(
    ("behavior", "status", "told"),
    [
        ("keep_as_draft", "draft", []),
        ("void", "void", ["invoice.finalized", "invoice.voided"]),
        ("mark_uncollectible", "uncollectible", ["invoice.finalized", "invoice.marked_uncollectible"]),
    ],
)
def test_a_renewal_while_collection_is_paused(behavior: str, status: str, told: list[str]) -> None:
    bench = collecting(behavior)
    invoice = bench.invoice()
    assert (invoice.status, invoice.auto_advance, invoice.attempted, invoice.payments) == (status, False, False, ())
    assert bench.subscription.status == "active"
    assert bench.types() == ["invoice.created", "customer.subscription.updated", *told]
    assert not bench.book.charges


def test_collection_goes_on_by_itself_and_drafts_stay() -> None:
    bench = collecting("keep_as_draft", resumes_at=START_S + 10 * DAY_S)
    bench.at(10 * DAY_S - 1)
    assert bench.subscription.says("pause_collection") is not None
    bench.types()
    bench.at(10 * DAY_S)
    assert bench.subscription.says("pause_collection") is None and bench.types() == ["customer.subscription.updated"]
    assert bench.invoice().status == "draft"
    bench.at(33 * DAY_S)
    assert bench.invoice("in_ada_2").status == "paid"


def test_collection_goes_on_by_request() -> None:
    bench = collecting("void")
    assert bench.call("subscriptions.update", "sub_ada", {"pause_collection": ""}, task="e/test/on").says("pause_collection") is None
    bench.at(33 * DAY_S)
    assert bench.invoice("in_ada_2").status == "paid"


def test_a_pause_that_has_ended_before_it_began_is_refused() -> None:
    with pytest.raises(StripeError) as refused:
        Bench().call("subscriptions.update", "sub_ada", {"pause_collection": {"behavior": "void", "resumes_at": START_S}})
    assert refused.value.param == "pause_collection[resumes_at]"
