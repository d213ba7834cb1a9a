"""Payment methods (https://docs.stripe.com/api/payment_methods): made, attached to a customer, detached."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import TOKENS
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Card, InvoiceSettings, PaymentMethod
from billsim.stripe.params import Types, check, merged_metadata, refusal

TYPES = ("card", "paypal", "sepa_debit")
CREATE: Types = {"type": TYPES, "card": dict, "metadata": dict}
ATTACH: Types = {"customer": str}
_CARD: Types = {"token": str, "brand": str, "last4": str, "exp_month": int, "exp_year": int}


def create(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """A payment method of nobody's yet. `card.token` is one of Stripe's test tokens and says how it will behave. No event."""
    details = dict(params.get("card") or {})
    check(details, _CARD)
    token = details.pop("token", None)
    is_card = params["type"] == "card"
    metadata = merged_metadata({}, params.get("metadata"))
    card = Card(**details) if is_card else None
    method = PaymentMethod(id=new_id(act.backend, "pm", id, act.task), created=act.now_s, type=params["type"], card=card, metadata=metadata)
    act.put(method)
    if token in TOKENS:
        act.backend.cards.behave(method.id, TOKENS[token])
    return method


def retrieve(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Raises StripeError (404)."""
    return act.backend.payment_method(id)


def attach(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Attach to a customer. Raises StripeError where it is another's."""
    old, customer = act.backend.payment_method(id), act.backend.customer(params["customer"])
    if old.customer == customer.id:
        return old
    if old.customer is not None:
        raise refusal("payment_method_unexpected_state", "The payment method you provided has already been attached to a customer.")
    new: PaymentMethod = act.put(replace(old, customer=customer.id))
    act.emit("payment_method.attached", new)
    return new


def detach(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Take it from its customer, whose default it then no longer is. Raises StripeError where it has no customer."""
    old = act.backend.payment_method(id)
    if old.customer is None:
        raise refusal("payment_method_unexpected_state", "The payment method you provided is not attached to a customer.")
    owner = act.backend.customer(old.customer)
    new: PaymentMethod = act.put(replace(old, customer=None))
    act.emit("payment_method.detached", new, {"customer": owner.id})
    if owner.invoice_settings.default_payment_method == id:
        act.update("customer.updated", owner, invoice_settings=InvoiceSettings())
    return new
