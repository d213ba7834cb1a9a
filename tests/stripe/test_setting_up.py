"""Subscriptions that ask for nothing at first, and what will pay them: https://docs.stripe.com/billing/subscriptions/deferred-payment."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Price, Subscription
from tests.stripe.bench import DAY_S, LOST, Bench

# Test numbers of https://docs.stripe.com/testing: one pays, one asks for a confirmation until it is set up.
GOOD, ASKS = "4242424242424242", "4000002500003155"
TRIAL = {"trial_period_days": 10}
SAVES = {"payment_settings": {"save_default_payment_method": "on_subscription"}}
CREATED, UPDATED = "customer.subscription.created", "customer.subscription.updated"


def with_card(bench: Bench, number: str, name: str = "pm_other") -> str:
    card = {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    bench.call("payment_methods.create", name, card, task=f"e/test/{name}")
    bench.call("payment_methods.attach", name, {"customer": "cus_ada"}, task=f"e/test/{name}/attach")
    return name


def begin(bench: Bench, **params: Any) -> Subscription:
    bench.stripe.seed(Price(id="price_free_monthly", created=0, product="zone_plan", unit_amount=0))
    given = {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}], **params}
    bench.types()
    found: Subscription = bench.call("subscriptions.create", "sub_new", given, task="e/test/create")
    return found


def status(bench: Bench, subscription: Subscription) -> str:
    return str(bench.book.setup_intents[subscription.says("pending_setup_intent")].status)


def without_a_card() -> Bench:
    bench = Bench(whole=True)
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": ""}}, task="e/test/pm")
    return bench


def test_a_card_that_needs_nothing_is_set_up_at_once() -> None:
    bench = Bench(whole=True)
    made = begin(bench, **TRIAL)
    assert (made.status, made.says("pending_setup_intent")) == ("trialing", None)
    assert bench.types()[:3] == ["setup_intent.created", "setup_intent.succeeded", CREATED]


def test_without_a_card_it_waits_for_one() -> None:
    bench = without_a_card()
    made = begin(bench, **TRIAL)
    assert status(bench, made) == "requires_payment_method"
    assert [type for type in bench.types() if type.startswith("setup_intent")] == ["setup_intent.created"]


@pytest.mark.parametrize("params", [{"items": [{"price": "price_free_monthly"}]}, TRIAL])
def test_a_card_that_asks_waits_for_its_customer(params: dict[str, Any]) -> None:
    bench = Bench(whole=True)
    made = begin(bench, default_payment_method=with_card(bench, ASKS), **params, **SAVES)
    assert status(bench, made) == "requires_action" and made.status in ("active", "trialing")
    bench.types()
    bench.stripe.confirm_setup(made.says("pending_setup_intent"), "w/bank/1")
    assert bench.book.subscriptions["sub_new"].says("pending_setup_intent") is None
    assert bench.types() == ["setup_intent.succeeded", UPDATED]
    # Set up for later, it pays off session.
    bench.days(42)
    assert [invoice.status for invoice in bench.book.invoices.values() if invoice.subscription == "sub_new"][:2] == ["paid", "paid"]


def test_a_card_that_is_no_good_waits_for_another() -> None:
    bench = Bench(whole=True)
    bench.stripe.behave("pm_ada", LOST)
    made = begin(bench, **TRIAL)
    assert status(bench, made) == "requires_payment_method"
    assert bench.types()[:3] == ["setup_intent.created", "setup_intent.setup_failed", CREATED]


def test_with_default_incomplete_it_is_left_to_the_customer() -> None:
    bench = Bench(whole=True)
    made = begin(bench, payment_behavior="default_incomplete", **TRIAL)
    assert status(bench, made) == "requires_confirmation"
    bench.call("setup_intents.confirm", made.says("pending_setup_intent"), task="e/test/confirm")
    assert bench.book.subscriptions["sub_new"].says("pending_setup_intent") is None


def test_another_card_is_tried_instead() -> None:
    bench = Bench(whole=True)
    made = begin(bench, default_payment_method=with_card(bench, ASKS), **TRIAL)
    changed = bench.call("subscriptions.update", "sub_new", {"default_payment_method": with_card(bench, GOOD, "pm_third")}, task="e/test/other")
    assert (changed.says("pending_setup_intent"), changed.default_payment_method) == (None, "pm_third")
    assert bench.book.setup_intents[made.says("pending_setup_intent")].payment_method == "pm_third"


def test_what_was_set_up_becomes_its_own_where_it_is_told_so() -> None:
    assert begin(Bench(whole=True), **TRIAL, **SAVES).default_payment_method == "pm_ada"
    assert begin(Bench(whole=True), **TRIAL).default_payment_method is None


def test_what_pays_becomes_its_own_where_it_is_told_so() -> None:
    bench = Bench(whole=True)
    assert begin(bench, **SAVES).default_payment_method == "pm_ada"
    assert begin(Bench(whole=True)).default_payment_method is None


@pytest.mark.parametrize("params", [{}, {"off_session": True, **TRIAL}, {"collection_method": "send_invoice", "days_until_due": 30, **TRIAL}])
def test_where_nothing_is_set_up(params: dict[str, Any]) -> None:
    bench = Bench(whole=True)
    assert begin(bench, **params).says("pending_setup_intent") is None
    assert not bench.book.setup_intents


def test_worlds_set_nothing_up() -> None:
    bench = Bench()
    begin(bench, **TRIAL)
    bench.at(DAY_S)
    assert not bench.book.setup_intents
