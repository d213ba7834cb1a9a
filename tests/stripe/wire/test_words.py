"""Refusals in Stripe's own words, and the parameter that each is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client

NO_REDIRECTS = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}


@pytest.fixture(scope="module")
def account() -> dict[str, Any]:
    """A client, and some of what an account has."""
    v1 = client(Sandbox(seed=5, start=datetime(2026, 7, 1, tzinfo=UTC))).v1
    monthly = {"currency": "usd", "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
    price = v1.prices.create({**monthly, "unit_amount": 2000}).id
    ada = v1.customers.create({"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}})
    method = ada.invoice_settings.default_payment_method
    subscription = v1.subscriptions.create({"customer": ada.id, "items": [{"price": price}]})
    held = {"amount": 900, "currency": "usd", "customer": ada.id, "payment_method": method, "confirm": True, "capture_method": "manual"}
    ended = v1.subscriptions.create({"customer": ada.id, "items": [{"price": v1.prices.create({**monthly, "unit_amount": 100}).id}]})
    v1.subscriptions.cancel(ended.id)
    return {
        "v1": v1, "price": price, "ada": ada.id, "bob": v1.customers.create({}).id, "method": method, "subscription": subscription.id,
        "item": subscription["items"].data[0].id, "paid": subscription.latest_invoice, "ended": ended.id,
        "done": v1.payment_intents.create({**held, **NO_REDIRECTS, "capture_method": "automatic"}),
        "held": v1.payment_intents.create({**held, **NO_REDIRECTS}), "plain": v1.payment_intents.create({"amount": 500, "currency": "usd"}).id,
        "set_up": v1.setup_intents.create({"customer": ada.id, "payment_method": method, "confirm": True, **NO_REDIRECTS}).id,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "status", "code", "param", "message"),
    [
        (lambda v1, a: v1.invoices.retrieve("in_x"), 404, "resource_missing", "invoice", "No such invoice: 'in_x'"),
        (lambda v1, a: v1.invoices.pay("in_x"), 404, "resource_missing", "id", "No such invoice: 'in_x'"),
        (lambda v1, a: v1.payment_intents.confirm("pi_x"), 404, "resource_missing", "intent", "No such payment_intent: 'pi_x'"),
        (lambda v1, a: v1.setup_intents.retrieve("seti_x"), 404, "resource_missing", "intent", "No such setupintent: 'seti_x'"),
        (lambda v1, a: v1.prices.retrieve("price_x"), 404, "resource_missing", "price", "No such price: 'price_x'"),
        (lambda v1, a: v1.charges.list({"starting_after": "ch_x"}), 400, "resource_missing", "starting_after", "No such charge: 'ch_x'"),
        (lambda v1, a: v1.subscriptions.cancel(a["ended"]), 404, "resource_missing", "id", "No such subscription: 'ended'"),
        (
            lambda v1, a: v1.subscriptions.update(a["ended"], {"description": "x"}), 400, "invalid_canceled_subscription_fields", "description",
            "A canceled subscription can only update its cancellation_details and metadata.",
        ),
        (
            lambda v1, a: v1.customers.update(a["bob"], {"invoice_settings": {"default_payment_method": a["method"]}}), 400, "resource_missing",
            "invoice_settings[default_payment_method]",
            "The customer does not have a payment method with the ID method. The payment method must be attached to the customer.",
        ),
        (
            lambda v1, a: v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": a["bob"], "payment_method": a["method"]}),
            400, None, "payment_method",
            "The PaymentMethod method does not belong to the Customer you supplied bob. Please use this PaymentMethod with the Customer that it "
            "belongs to instead.",
        ),
        (
            lambda v1, a: v1.subscription_items.create({"subscription": a["subscription"], "price": a["price"]}), 400, None, "plan",
            "A new item with Price price can't be added to this Subscription because an existing Subscription Item item is already using that Price. "
            "If you want to update the existing item (e.g., to adjust the quantity), pass the existing Subscription Item's `id` in your update "
            "request: https://stripe.com/docs/api/subscriptions/update#update_subscription-items-id",
        ),
        (
            lambda v1, a: v1.subscription_items.update(a["item"], {"quantity": -1}), 400, "parameter_invalid_integer", "quantity",
            "This value must be greater than or equal to 0.",
        ),
        (lambda v1, a: v1.invoices.pay(a["paid"]), 400, None, None, "Invoice is already paid"),
        (lambda v1, a: v1.invoices.void_invoice(a["paid"]), 400, None, None, "Invoices with `paid` payments cannot be voided."),
        (
            lambda v1, a: v1.invoices.update(a["paid"], {"description": "x"}), 400, "invoice_not_editable", "description",
            "Finalized invoices can't be updated in this way",
        ),
        (
            lambda v1, a: v1.invoices.create({"customer": a["ada"], "days_until_due": 5}), 400, None, "days_until_due",
            "You can only specify 'due_date' or 'days_until_due' if invoice collection method is 'send_invoice'.",
        ),
        (
            lambda v1, a: v1.subscriptions.update(a["subscription"], {"collection_method": "send_invoice"}), 400, None, "days_until_due",
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due'.",
        ),
        (
            lambda v1, a: v1.payment_intents.create({"amount": 500, "currency": "usd", "payment_method_types": ["card"]}), 400,
            "payment_method_types_no_longer_supported", "payment_method_types",
            "`payment_method_types` is no longer supported by this version of the API. Use `allowed_payment_method_types`, or what is switched on in "
            "your Dashboard.",
        ),
        (
            lambda v1, a: v1.refunds.create({}), 400, None, None,
            "One of the following params should be provided for this request: payment_intent or charge.",
        ),
        (
            lambda v1, a: v1.refunds.create({"payment_intent": a["plain"]}), 400, None, None,
            "This PaymentIntent (plain) does not have a successful charge to refund.",
        ),
        (
            lambda v1, a: v1.refunds.create({"charge": a["held"].latest_charge}), 400, None, None,
            "This uncaptured Charge was created by a PaymentIntent (held). You must cancel the PaymentIntent to reverse the authorization instead of "
            "refunding the Charge directly. For more information, see https://stripe.com/docs/payments/place-a-hold-on-a-payment-method",
        ),
        (
            lambda v1, a: v1.setup_intents.cancel(a["set_up"]), 400, "setup_intent_unexpected_state", None,
            "You cannot cancel this SetupIntent because it has a status of succeeded. Only a SetupIntent with one of the following statuses may be "
            "canceled: `requires_payment_method`, `requires_confirmation`, or `requires_action`.",
        ),
        (
            lambda v1, a: v1.customers.create({"metadata": {"k" * 41: "v"}}), 400, None, "metadata",
            f"Metadata keys can have up to 40 characters, but you passed in a key that is 41 characters. Invalid key: {'k' * 41}",
        ),
        (
            lambda v1, a: v1.payment_methods.create({"type": "card", "card": {**CARD, "exp_month": 13}}), 402, "invalid_expiry_month", "exp_month",
            "Your card's expiration month is invalid.",
        ),
        (
            lambda v1, a: v1.payment_methods.create({"type": "card", "card": {**CARD, "exp_month": 12, "exp_year": 2025}}), 402,
            "invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.",
        ),
        (
            lambda v1, a: v1.payment_methods.create({"type": "card", "card": {**CARD, "exp_month": 6, "exp_year": 2026}}), 402,
            "invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.",
        ),
        (
            lambda v1, a: v1.payment_methods.create({"type": "card", "card": {"token": "tok_1CrmBHAcmh4Y1Je6f8WpYmOV"}}), 400, "resource_missing",
            "card[token]", "No such token: 'tok_1CrmBHAcmh4Y1Je6f8WpYmOV'",
        ),
        (
            lambda v1, a: v1.payment_methods.create({"type": "card", "card": {"token": "tok_card_createDispute"}}), 400, None,
            "card[token]", "There is a part of the token that is not valid: 'card'.",
        ),
        (
            lambda v1, a: v1.payment_intents.confirm(a["plain"], {"payment_method": a["method"]}), 400, "parameter_missing", "source",
            "The `payment_method` parameter supplied method belongs to the Customer ada. Please include the Customer in the `customer` parameter on "
            "the PaymentIntent.",
        ),
        (
            lambda v1, a: v1.setup_intents.create({"payment_method": a["method"]}), 400, None, "payment_method",
            "The payment method supplied (method) belongs to the Customer ada. Please include the Customer in the `customer` parameter on the "
            "SetupIntent.",
        ),
        (
            lambda v1, a: v1.payment_intents.capture(a["held"].id, {"amount_to_capture": 901}), 400, "amount_too_large", None,
            "The payment could not be captured because the requested capture amount is greater than the amount you can capture for this charge. "
            "Contact us via https://support.stripe.com/contact/ for help.",
        ),
        (
            lambda v1, a: v1.payment_intents.capture(a["done"].id), 400, "payment_intent_unexpected_state", None,
            "This PaymentIntent could not be captured because it has already been captured.",
        ),
        (
            lambda v1, a: v1.refunds.create({"charge": a["done"].latest_charge, "amount": 4000}), 400, None, "amount",
            "Refund amount ($40.00) is greater than charge amount ($9.00)",
        ),
        (lambda v1, a: v1.refunds.create({"charge": "ch_x"}), 404, "resource_missing", "id", "No such charge: 'ch_x'"),
        (
            lambda v1, a: v1.subscriptions.create({"customer": "cus_x", "items": [{"price": a["price"]}]}), 404, "resource_missing", "customer",
            "No such customer: 'cus_x'",
        ),
        (lambda v1, a: v1.customers.retrieve(a["ada"], {"expand": ["nothing.deep"]}), 400, None, None, "This property cannot be expanded (nothing)."),
    ],
)  # fmt: skip
def test_what_is_said(
    account: dict[str, Any], ask: Callable[[Any, dict[str, Any]], Any], status: int, code: str | None, param: str | None, message: str
) -> None:
    with pytest.raises(stripe.StripeError) as refused:
        ask(account["v1"], account)
    told = refused.value.error.to_dict()  # type: ignore[union-attr]
    said = told["message"]
    for name, thing in account.items():
        said = said.replace(thing if isinstance(thing, str) else getattr(thing, "id", "\0"), name)
    assert (refused.value.http_status, told.get("code"), told.get("param"), said) == (status, code, param, message)


def test_a_currency_is_one_that_there_is_in_small_letters(account: dict[str, Any]) -> None:
    v1, drawn_up = account["v1"], {"price_data": {"currency": "eru", "product": "p", "recurring": {"interval": "day"}}}
    assert v1.invoice_items.create({"customer": account["bob"], "amount": 5, "currency": "USD"}).currency == "usd"
    for ask, param in (
        (lambda: v1.payment_intents.create({"amount": 500, "currency": "eru"}), "currency"),
        (lambda: v1.subscriptions.create({"customer": "c", "items": [drawn_up]}), "items[0][price_data][currency]"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: eru") as refused:
            ask()
        assert refused.value.param == param


def test_what_a_payment_may_be_made_with(account: dict[str, Any]) -> None:
    """Of the kinds of payment method that are allowed, those that cannot pay in its currency are left out."""
    intent = account["v1"].payment_intents.create({"amount": 500, "currency": "usd", "allowed_payment_method_types": ["card", "sepa_debit"]})
    assert (intent.allowed_payment_method_types, intent.payment_method_types) == (["card", "sepa_debit"], ["card"])
    with pytest.raises(stripe.InvalidRequestError):
        account["v1"].payment_intents.create({"amount": 500, "currency": "usd", "allowed_payment_method_types": ["sepa_debit"]})


def test_a_bank_that_asks_in_vain_has_charged_nothing(account: dict[str, Any]) -> None:
    asks = {"amount": 500, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True, "off_session": True}
    with pytest.raises(stripe.CardError) as refused:
        account["v1"].payment_intents.create({**asks, **NO_REDIRECTS})
    told = refused.value.error.to_dict()  # type: ignore[union-attr]
    assert (told["code"], told["decline_code"], told.get("charge")) == ("authentication_required", "authentication_required", None)
    assert (told["payment_intent"]["status"], told["payment_intent"]["latest_charge"]) == ("requires_payment_method", None)
