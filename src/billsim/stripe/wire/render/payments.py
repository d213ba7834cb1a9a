"""Payment intents and setup intents."""

from __future__ import annotations

from typing import Any

from billsim.stripe.objects import PaymentError, PaymentIntent, SetupIntent
from billsim.stripe.wire.render import methods
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import book_of, client_secret, doc_url, letters, method_of, shipping

_TIP: Rendered = {"tip": {}}
# What each kind of payment method may be told, and was not.
_PAYMENT_OPTIONS: dict[str, Rendered] = {
    "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"},
    "link": {"persistent_token": None},
    "paypal": {"preferred_locale": None, "reference": None},
    "us_bank_account": {"verification_method": "automatic"},
}
# The kinds of payment method that the account has switched on, and the one currency that some pay in.
_ACCOUNT_TAKES = {"card": "", "link": "", "paypal": "", "sepa_debit": "eur", "us_bank_account": "usd"}
_SETUP_OPTIONS: dict[str, Rendered] = {
    "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"},
    "link": {"persistent_token": None},
    "paypal": {"billing_agreement_id": None},
    "us_bank_account": {"verification_method": "automatic"},
}


def payment_intent(thing: PaymentIntent, view: View) -> Rendered:
    """https://docs.stripe.com/api/payment_intents/object"""
    says, types = thing.says, _types(thing, view)
    return {
        "id": thing.id,
        "object": "payment_intent",
        "allowed_payment_method_types": says("payment_method_types"),
        "amount": thing.amount,
        "amount_capturable": thing.amount if thing.status == "requires_capture" else 0,
        "amount_details": _TIP,
        "amount_received": thing.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": says("automatic_payment_methods"),
        "canceled_at": thing.canceled_at,
        "cancellation_reason": says("cancellation_reason"),
        "capture_method": says("capture_method") or "automatic",
        "client_secret": client_secret(thing.id),
        "confirmation_method": says("confirmation_method") or "automatic",
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "description": says("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": payment_error(thing.last_payment_error, thing, view),
        "latest_charge": thing.latest_charge,
        "livemode": view.livemode,
        "managed_payments": None,
        "metadata": thing.metadata,
        "next_action": next_action(thing, view),
        "on_behalf_of": None,
        "payment_method": thing.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": _options(_PAYMENT_OPTIONS, types, says("payment_method_options")),
        "payment_method_types": types,
        "payment_record": None,
        "processing": None,
        "receipt_email": says("receipt_email"),
        "review": None,
        "setup_future_usage": says("setup_future_usage"),
        "shipping": shipping(says("shipping")),
        "source": None,
        "statement_descriptor": says("statement_descriptor"),
        "statement_descriptor_suffix": says("statement_descriptor_suffix"),
        "status": thing.status,
        "transfer_data": None,
        "transfer_group": says("transfer_group"),
    }


def setup_intent(thing: SetupIntent, view: View) -> Rendered:
    """https://docs.stripe.com/api/setup_intents/object"""
    says, types = thing.says, _types(thing, view)
    return {
        "id": thing.id,
        "object": "setup_intent",
        "allowed_payment_method_types": says("payment_method_types"),
        "application": None,
        "automatic_payment_methods": says("automatic_payment_methods"),
        "cancellation_reason": thing.cancellation_reason,
        "client_secret": client_secret(thing.id),
        "created": thing.created,
        "customer": thing.customer,
        "customer_account": None,
        "description": says("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": payment_error(thing.last_setup_error, thing, view),
        "latest_attempt": says("latest_attempt"),
        "livemode": view.livemode,
        "managed_payments": None,
        "mandate": thing.mandate,
        "metadata": thing.metadata,
        "next_action": next_action(thing, view),
        "on_behalf_of": None,
        "payment_method": thing.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": _options(_SETUP_OPTIONS, types, says("payment_method_options")),
        "payment_method_types": types,
        "single_use_mandate": None,
        "status": thing.status,
        "usage": thing.usage,
    }


def _types(thing: PaymentIntent | SetupIntent, view: View) -> list[str]:
    """The kinds of payment method that it takes: what can pay in its currency, of those that it allows or of all of the account's; else its own."""
    allowed = thing.says("payment_method_types")
    if allowed or thing.says("automatic_payment_methods"):
        currency = thing.currency if isinstance(thing, PaymentIntent) else ""
        return [kind for kind in allowed or _ACCOUNT_TAKES if _pays_in(kind, currency)]
    method = method_of(view, thing.customer, thing.payment_method)
    return [method.type if method is not None else "card"]


def _pays_in(kind: str, currency: str) -> bool:
    only = _ACCOUNT_TAKES.get(kind)
    return not (only and currency) or only == currency


def _options(usual: dict[str, Rendered], types: list[str], given: Any) -> Rendered:
    """What each kind of payment method was told, beside what is usual."""
    if not given:
        return {kind: usual.get(kind, {}) for kind in types}
    return {kind: {**usual.get(kind, {}), **(given.get(kind) or {})} for kind in (*types, *(kind for kind in given if kind not in types))}


def payment_error(error: PaymentError | None, thing: PaymentIntent | SetupIntent, view: View) -> Rendered | None:
    """Why the latest try failed, with the payment method that did. What does not apply is not there."""
    if error is None:
        return None
    charge = thing.latest_charge if isinstance(thing, PaymentIntent) else None
    rendered: Rendered = {"charge": charge} if charge else {}
    rendered["code"] = error.code
    if error.decline_code:
        rendered["decline_code"] = error.decline_code
    rendered |= {"doc_url": doc_url(error.code), "message": error.message}
    tried = book_of(view, thing.customer).charges.get(charge or "")
    method = method_of(view, thing.customer, tried.payment_method if tried is not None else thing.payment_method)
    if method is not None:
        rendered["payment_method"] = methods.payment_method(method, view)
        rendered["payment_method_type"] = method.type
    rendered["type"] = error.type
    return rendered


def next_action(thing: PaymentIntent | SetupIntent, view: View) -> Rendered | None:
    """What the customer has to do, with the hash that `type` names."""
    told = thing.next_action
    if told is None or len(told) > 1:
        return told
    kind = told["type"]
    url = f"https://hooks.stripe.com/3d_secure_2/hosted?source={letters(thing.id, 24)}"
    if kind == "redirect_to_url":
        return {kind: {"return_url": thing.says("return_url"), "url": url}, "type": kind}
    return {kind: {"stripe_js": url, "type": "three_d_secure_redirect"}, "type": kind}
