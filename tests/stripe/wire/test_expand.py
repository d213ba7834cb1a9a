"""`expand`: what may be asked for, in Stripe's words where it may not, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client
from billsim.stripe.wire import expand


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("subscription", "customer"),
        ("subscription", "latest_invoice"),
        ("subscription", "latest_invoice.payments"),
        ("subscription", "latest_invoice.confirmation_secret"),
        ("subscription", "latest_invoice.customer.default_source"),
        ("subscription", "items.data.price.product"),
        ("subscription", "pending_setup_intent.payment_method"),
        ("subscription", "schedule"),
        ("invoice", "lines.data.discounts"),
        ("invoice", "payments.data.payment.payment_intent"),
        ("invoice", "parent.subscription_details.subscription"),
        ("customer", "default_source.customer"),
        ("customer", "subscriptions.data.latest_invoice"),
        ("customer", "invoice_settings.default_payment_method"),
        ("charge", "refunds"),
        ("charge", "balance_transaction"),
    ],
)
def test_what_may_be_expanded(kind: str, path: str) -> None:
    expand.check([path], kind, lists=False)


@pytest.mark.parametrize(
    ("kind", "lists", "path", "message"),
    [
        ("customer", False, "metadata", "This property cannot be expanded (metadata)."),
        ("customer", False, "nothing", "This property cannot be expanded (nothing)."),
        ("customer", False, "", "This property cannot be expanded ()."),
        ("customer", False, "email.x", "This property cannot be expanded (email)."),
        ("subscription", False, "latest_invoice.nothing", "This property cannot be expanded (latest_invoice.nothing)."),
        ("subscription", True, "customer", "This property cannot be expanded (customer). You may want to try expanding 'data.customer' instead."),
        ("subscription", True, "nothing", "This property cannot be expanded (nothing). You may want to try expanding 'data.nothing' instead."),
        ("subscription", False, "data.customer", "This property cannot be expanded (data)."),
        (
            "invoice",
            True,
            "data.payments.data.payment.charge",
            "You cannot expand more than 4 levels of a property. Property: data.payments.data.payment.charge",
        ),
    ],
)
def test_what_may_not(kind: str, lists: bool, path: str, message: str) -> None:
    with pytest.raises(StripeError) as refused:
        expand.check([path], kind, lists)
    assert (refused.value.status, refused.value.code, refused.value.message) == (400, "", message)


def test_what_is_whole_already_may_be_named_too() -> None:
    expand.check(["address", "invoice_settings"], "customer", lists=False)
    expand.check(["data"], "customer", lists=True)


@pytest.fixture(scope="module")
def paid() -> tuple[Any, Any]:
    """A client, and a subscription that was paid for."""
    stripe = client(Sandbox(seed=3))
    price = stripe.v1.prices.create({"currency": "usd", "unit_amount": 2000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}})
    ada = stripe.v1.customers.create({"email": "ada@example.com", "payment_method": "pm_card_visa"})
    method = stripe.v1.customers.payment_methods.list(ada.id).data[0]
    return stripe, stripe.v1.subscriptions.create({"customer": ada.id, "items": [{"price": price.id}], "default_payment_method": method.id})


def test_an_id_becomes_its_object(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    assert isinstance(subscription.customer, str)
    whole = stripe.v1.subscriptions.retrieve(subscription.id, {"expand": ["customer", "latest_invoice", "default_payment_method"]})
    assert whole.customer.email == "ada@example.com"
    assert whole.latest_invoice.status == "paid"
    assert whole.default_payment_method.card.last4 == "4242"


def test_paths_go_on_through_objects_lists_and_hashes(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    paths = ["latest_invoice.payments", "items.data.price.product", "latest_invoice.parent.subscription_details.subscription"]
    whole = stripe.v1.subscriptions.retrieve(subscription.id, {"expand": paths})
    assert whole["items"].data[0].price.product.name == "Pro"
    assert whole.latest_invoice.payments.data[0].payment.payment_intent.startswith("pi_")
    assert whole.latest_invoice.parent.subscription_details.subscription.id == subscription.id


def test_what_is_left_out_is_there_when_it_is_asked_for(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    customer = stripe.v1.customers.retrieve(subscription.customer)
    assert "subscriptions" not in customer
    whole = stripe.v1.customers.retrieve(subscription.customer, {"expand": ["subscriptions.data.latest_invoice"]})
    assert whole.subscriptions.data[0].latest_invoice.id == subscription.latest_invoice


def test_in_a_list_each_is_expanded(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    invoices = stripe.v1.invoices.list({"subscription": subscription.id, "expand": ["data.customer"]})
    assert [invoice.customer.email for invoice in invoices.data] == ["ada@example.com"]


def test_an_answer_to_a_change_is_expanded_too(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    changed = stripe.v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}, "expand": ["customer"]})
    assert changed.customer.email == "ada@example.com"


def test_expanding_changes_nothing(paid: tuple[Any, Any]) -> None:
    stripe, subscription = paid
    before = stripe.v1.subscriptions.retrieve(subscription.id).to_dict()
    stripe.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice.parent.subscription_details.subscription", "customer"]})
    assert stripe.v1.subscriptions.retrieve(subscription.id).to_dict() == before


def test_a_deleted_customer_is_a_stub() -> None:
    stripe = client(Sandbox())
    ada = stripe.v1.customers.create({})
    intent = stripe.v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": ada.id})
    stripe.v1.customers.delete(ada.id)
    gone = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["customer"]}).customer
    assert (gone.id, gone.object, gone.deleted) == (ada.id, "customer", True)


def test_what_has_no_more_than_a_name_keeps_it() -> None:
    given = {"payment_method": "pm_card_visa", "confirm": True, "return_url": "https://example.com", "expand": ["latest_attempt", "payment_method"]}
    made = client(Sandbox(seed=3)).v1.setup_intents.create(given)
    assert (made.latest_attempt[:7], made.payment_method.object) == ("setatt_", "payment_method")
