"""What customers pay with: payment methods, cards and sources of the older kind, and the leave to debit."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.stripe.objects import Card, LegacyCard, Mandate, PaymentMethod, Source
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import NO_ADDRESS, address, billing_details, book_of, client_secret, letters, method_of

_CHECKS: Rendered = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
_THREE_D_SECURE: Rendered = {"supported": True}
_ONLINE: Rendered = {"ip_address": "127.0.0.1", "user_agent": "billsim"}
# What Stripe says of a payment method whose kind has fields, where its maker gave none.
_OF_TYPE: dict[str, Rendered] = {
    "link": {"email": None, "persistent_token": None},
    "paypal": {"country": "DE", "payer_email": None, "payer_id": None},
    "sepa_debit": {"bank_code": "37040044", "branch_code": "", "country": "DE", "generated_from": {"charge": None, "setup_attempt": None}},
    "us_bank_account": {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    },
}
# What tells one account at a bank from another.
_HAVE_LAST4 = {"sepa_debit": "3000", "us_bank_account": "6789"}


def payment_method(thing: PaymentMethod, view: View) -> Rendered:
    """https://docs.stripe.com/api/payment_methods/object. Only the hash that `type` names is there."""
    return {
        "id": thing.id,
        "object": "payment_method",
        "allow_redisplay": thing.says("allow_redisplay") or "unspecified",
        "billing_details": billing_details(thing.says("billing_details")),
        thing.type: type_details(thing),
        "created": thing.created,
        "customer": thing.customer,
        "customer_account": None,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "type": thing.type,
    }


def type_details(thing: PaymentMethod) -> Rendered:
    """What a payment method says of itself under the name of its type."""
    if thing.type == "card":
        return card_details(thing.card or Card())
    given = thing.says(thing.type) or {}
    details = {**_OF_TYPE.get(thing.type, {}), **given}
    if thing.type in _HAVE_LAST4:
        details.setdefault("fingerprint", letters(f"{thing.type}/{thing.id}", 16))
        details.setdefault("last4", _HAVE_LAST4[thing.type])
    return details


def card_details(card: Card) -> Rendered:
    """The card of a payment method."""
    details = _details(card)
    return {
        "brand": card.brand,
        "checks": {**_CHECKS, **details.get("checks", {})},
        "country": details.get("country", "US"),
        "display_brand": card.brand,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": fingerprint(card),
        "funding": details.get("funding", "credit"),
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": _THREE_D_SECURE,
        "wallet": None,
    }


def fingerprint(card: Card) -> str:
    """The same for the same card, whoever's it is."""
    return str(_details(card).get("fingerprint") or letters(f"{card.brand}/{card.last4}", 16))


def _details(card: Card) -> dict[str, Any]:
    return {} if card.details is msgspec.UNSET else card.details


# The older objects write brands out.
_WRITTEN_OUT = {"amex": "American Express", "diners": "Diners Club", "discover": "Discover", "jcb": "JCB", "mastercard": "MasterCard"}
_WRITTEN_OUT |= {"unionpay": "UnionPay", "visa": "Visa"}
_ADDRESS = ("address_city", "address_country", "address_line1", "address_line2", "address_state", "address_zip")


def legacy_card(thing: LegacyCard, view: View) -> Rendered:
    """https://docs.stripe.com/api/cards/object"""
    card, says = thing.card, thing.says
    checks = {**_CHECKS, **_details(card).get("checks", {})}
    return {
        "id": thing.id,
        "object": "card",
        "account": None,
        **{field: says(field) for field in _ADDRESS},
        "address_line1_check": checks["address_line1_check"],
        "address_zip_check": checks["address_postal_code_check"],
        "allow_redisplay": says("allow_redisplay") or "unspecified",
        "available_payout_methods": None,
        "brand": _WRITTEN_OUT.get(card.brand, "Unknown"),
        "country": _details(card).get("country", "US"),
        "currency": None,
        "customer": thing.customer,
        "cvc_check": checks["cvc_check"],
        "default_for_currency": None,
        "dynamic_last4": None,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": fingerprint(card),
        "funding": _details(card).get("funding", "credit"),
        "last4": card.last4,
        "metadata": thing.metadata,
        "name": says("name"),
        "regulated_status": "unregulated",
        "status": None,
        "tokenization_method": None,
    }


_OWNER = ("email", "name", "phone")


def source(thing: Source, view: View) -> Rendered:
    """https://docs.stripe.com/api/sources/object. Only the hash that `type` names is there."""
    given: Any = thing.says("owner") or {}
    told = {"address": address(given.get("address")) or NO_ADDRESS, **{field: given.get(field) for field in _OWNER}}
    rendered = {
        "id": thing.id,
        "object": "source",
        "allow_redisplay": thing.says("allow_redisplay"),
        "amount": thing.amount,
        thing.type: _source_card(thing.card or Card()) if thing.type == "card" else thing.says(thing.type) or {},
        "client_secret": f"src_client_secret_{client_secret(thing.id)[-24:]}",
        "created": thing.created,
        "currency": thing.currency,
        "flow": "none",
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "owner": {**told, "verified_address": None, **{f"verified_{field}": None for field in _OWNER}},
        "statement_descriptor": thing.says("statement_descriptor"),
        "status": thing.status,
        "type": thing.type,
        "usage": thing.usage,
    }
    return rendered if thing.customer is None else {**rendered, "customer": thing.customer}


def _source_card(card: Card) -> Rendered:
    checks = {**_CHECKS, **_details(card).get("checks", {})}
    return {
        "address_line1_check": checks["address_line1_check"],
        "address_zip_check": checks["address_postal_code_check"],
        "brand": _WRITTEN_OUT.get(card.brand, "Unknown"),
        "country": _details(card).get("country", "US"),
        "cvc_check": checks["cvc_check"],
        "dynamic_last4": None,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": fingerprint(card),
        "funding": _details(card).get("funding", "credit"),
        "last4": card.last4,
        "name": None,
        "three_d_secure": "optional",
        "tokenization_method": None,
    }


def mandate(thing: Mandate, view: View) -> Rendered:
    """https://docs.stripe.com/api/mandates/object"""
    method = method_of(view, None, thing.payment_method)
    kind = method.type if method is not None else "card"
    return {
        "id": thing.id,
        "object": "mandate",
        "customer_acceptance": _acceptance(thing),
        "livemode": view.livemode,
        thing.type: {} if thing.type == "multi_use" else _once(thing, method, view),
        "payment_method": thing.payment_method,
        "payment_method_details": {kind: _mandate_details(kind, thing), "type": kind},
        "status": thing.status,
        "type": thing.type,
    }


def _acceptance(thing: Mandate) -> Rendered:
    given: Any = thing.says("customer_acceptance") or {}
    if given.get("type") == "offline":
        return {"accepted_at": given.get("accepted_at", thing.created), "offline": {}, "type": "offline"}
    return {"accepted_at": given.get("accepted_at", thing.created), "online": {**_ONLINE, **given.get("online", {})}, "type": "online"}


def _once(thing: Mandate, method: PaymentMethod | None, view: View) -> Rendered:
    """What the one debit is over that a mandate is given for: the payment that its payment method was confirmed for."""
    intents = book_of(view, method.customer if method is not None else None).payment_intents.values()
    paid = [each for each in intents if each.payment_method == thing.payment_method]
    return {"amount": paid[-1].amount, "currency": paid[-1].currency} if paid else {"amount": 0, "currency": "eur"}


def _mandate_details(kind: str, thing: Mandate) -> Rendered:
    if kind == "sepa_debit":
        reference = letters(thing.id, 16).upper()
        return {"reference": reference, "url": f"https://hooks.stripe.com/adapter/sepa_debit/file/src_{letters(thing.id, 24)}"}
    return {"billing_agreement_id": None, "payer_id": None} if kind == "paypal" else {}
