"""Payments of invoices (https://docs.stripe.com/api/invoice-payment): which payment intent was to pay which invoice, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page_of
from billsim.stripe.naming import stem
from billsim.stripe.objects import Book, Invoice, PaymentOfInvoice
from billsim.stripe.params import Types, check, refusal

LIST: Types = {"invoice": str, "status": ("open", "paid", "canceled"), "payment": dict}
_PAYMENT: Types = {"type": ("payment_intent", "payment_record"), "payment_intent": str, "payment_record": str}


def of_invoice(book: Book, invoice: Invoice) -> Iterator[PaymentOfInvoice]:
    """The payments of an invoice, oldest first."""
    for place, payment in enumerate(invoice.payments, 1):
        intent, is_own = book.payment_intents[payment.payment_intent], place == len(invoice.payments)
        status, paid_at = payment.status, invoice.status_transitions.paid_at
        if not is_own and status == "open" and (invoice.status in ("paid", "void") or intent.status == "canceled"):
            status = "canceled"
        elif not is_own and status == "paid" and intent.latest_charge is not None:
            paid_at = book.charges[intent.latest_charge].created
        is_paid = status == "paid"
        yield PaymentOfInvoice(
            id=f"inpay_{stem(intent.id)}",
            created=intent.created,
            livemode=invoice.livemode,
            customer=invoice.customer,
            invoice=invoice.id,
            payment_intent=intent.id,
            status=status,
            currency=invoice.currency,
            amount_requested=intent.amount,
            amount_paid=intent.amount_received if is_paid else None,
            is_default=is_own,
            paid_at=paid_at if is_paid else None,
            canceled_at=intent.canceled_at if status == "canceled" else None,
        )


def retrieve(act: Act, id: str, params: dict[str, Any]) -> PaymentOfInvoice:
    """Raises StripeError (404)."""
    book = act.backend.home(f"pi_{stem(id)}")
    for each in book.invoices.values() if book is not None else ():
        for payment in of_invoice(book, each) if book is not None else ():
            if payment.id == id:
                return payment
    raise refusal("resource_missing", f"No such invoice_payment: {id!r}", 404, param="id")


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Payments of an invoice, or those that a payment intent makes, newest first. Raises StripeError."""
    wanted = params.get("payment") or {}
    check(wanted, _PAYMENT, ("type",) if wanted else (), within="payment")
    backend = act.backend
    invoices = [backend.invoice(params["invoice"])] if params.get("invoice") else list(backend.every("invoice", None))
    found = [payment for each in invoices for payment in of_invoice(backend.books[each.customer], each)]
    if params.get("status"):
        found = [payment for payment in found if payment.status == params["status"]]
    if wanted:
        by_intent, id_ = wanted["type"] == "payment_intent", wanted.get("payment_intent")
        found = [payment for payment in found if by_intent and id_ in (None, payment.payment_intent)]
    return page_of(backend, found, params, "/v1/invoice_payments")
