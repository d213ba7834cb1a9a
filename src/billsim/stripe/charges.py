"""Charges: one each time a payment method is debited (https://docs.stripe.com/api/charges)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import Decline
from billsim.stripe.lists import Page, page
from billsim.stripe.objects import Charge, ChargeStatus, Invoice


def record(act: Act, id: str, invoice: Invoice, intent: str, method: str | None, status: ChargeStatus, decline: Decline | None = None) -> Charge:
    """A charge for what remains of an invoice, or the end of the one of this id that the bank has been processing."""
    succeeded = status == "succeeded"
    fields: dict[str, Any] = {
        "amount_captured": invoice.amount_remaining if succeeded else 0,
        "status": status,
        "paid": succeeded,
        "captured": status != "failed",
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
    }
    pending = act.backend.books[invoice.customer].charges.get(id)
    if pending is not None:
        charge = replace(pending, **fields)
    else:
        charge = Charge(
            id=id,
            created=act.now_s,
            livemode=invoice.livemode,
            amount=invoice.amount_remaining,
            currency=invoice.currency,
            customer=invoice.customer,
            payment_intent=intent,
            payment_method=method,
            **fields,
        )
    act.put(charge)
    act.emit(f"charge.{status}", charge)
    return charge


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """Raises StripeError (404)."""
    return act.backend.charge(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Charges of a customer or a payment intent, newest first."""
    return page(act.backend, "charge", params, ("payment_intent",), "/v1/charges")
