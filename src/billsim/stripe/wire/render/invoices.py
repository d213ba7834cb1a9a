"""Invoices and their payments."""

from __future__ import annotations

from typing import Any

from billsim.stripe import invoice_payments
from billsim.stripe.objects import Book, Customer, Invoice, PaymentOfInvoice
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.invoice_lines import line_of
from billsim.stripe.wire.render.parts import ACCOUNT, ISSUER, address, book_of, client_secret, letters, shipping, sublist

# How many lines stand within an invoice; the others are on the pages of its list.
LINES_WITHIN = 10
FINALIZES_AFTER_S = 3600
_NO_TAX: Rendered = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}
_PAYMENT_SETTINGS: Rendered = {"default_mandate": None, "payment_method_options": None, "payment_method_types": None}


def invoice(thing: Invoice, view: View) -> Rendered:
    """https://docs.stripe.com/api/invoices/object"""
    says, book = thing.says, book_of(view, thing.customer)
    return {
        "id": thing.id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "billsim",
        "account_tax_ids": None,
        "application": None,
        "automatic_tax": _NO_TAX,
        "billing_reason": thing.billing_reason,
        "created": thing.created,
        "currency": thing.currency,
        "custom_fields": says("custom_fields"),
        "customer": thing.customer,
        "customer_account": None,
        **_of_customer(book.customer),
        "default_tax_rates": [],
        "description": says("description"),
        "discounts": [],
        "footer": says("footer"),
        "from_invoice": None,
        "issuer": ISSUER,
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {
            "object": "list",
            "data": [line_of(line, nth, thing, book, view) for nth, line in enumerate(thing.lines.data[:LINES_WITHIN])],
            "has_more": len(thing.lines.data) > LINES_WITHIN,
            "url": f"/v1/invoices/{thing.id}/lines",
        },
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "number": thing.number,
        "on_behalf_of": None,
        "parent": _parent(thing),
        "period_end": thing.period_end,
        "period_start": thing.period_start,
        "receipt_number": None,
        "rendering": says("rendering"),
        "shipping_cost": None,
        "shipping_details": None,
        "statement_descriptor": says("statement_descriptor"),
        "test_clock": view.test_clock(thing.customer),
        **_sums(thing, book),
        **_collection(thing),
        **_progress(thing),
    }


def _sums(thing: Invoice, book: Book) -> Rendered:
    """What it comes to, and what of that is paid."""
    credited = credited_of(book, thing.id)
    return {
        "amount_due": thing.amount_due,
        "amount_overpaid": 0,
        "amount_paid": thing.amount_paid,
        "amount_paid_off_stripe": thing.says("amount_paid_off_stripe") or 0,
        "amount_remaining": thing.amount_remaining,
        "amount_shipping": 0,
        "ending_balance": thing.ending_balance,
        "post_payment_credit_notes_amount": credited[1],
        "pre_payment_credit_notes_amount": credited[0],
        "starting_balance": thing.starting_balance,
        "subtotal": thing.subtotal,
        "subtotal_excluding_tax": thing.subtotal,
        "total": thing.total,
        "total_discount_amounts": [],
        "total_excluding_tax": thing.total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def _collection(thing: Invoice) -> Rendered:
    """How it is collected, and how often that was tried."""
    return {
        "attempt_count": thing.attempt_count,
        "attempted": thing.attempted,
        "auto_advance": thing.auto_advance,
        "collection_method": thing.collection_method,
        "default_payment_method": thing.default_payment_method,
        "default_source": thing.says("default_source"),
        "due_date": thing.due_date,
        "next_payment_attempt": _next_attempt(thing),
        "payment_settings": _payment_settings(thing.says("payment_settings")),
    }


def _progress(thing: Invoice) -> Rendered:
    """How far it has come, and what there is of it since."""
    turned, is_draft = thing.status_transitions, thing.status == "draft"
    return {
        "automatically_finalizes_at": _finalizes_at(thing),
        "effective_at": thing.says("effective_at") or turned.finalized_at,
        "hosted_invoice_url": None if is_draft else hosted_at(thing),
        "invoice_pdf": None if is_draft else pdf_at(thing),
        "status": thing.status,
        "status_details": _status_details(thing),
        "status_transitions": {
            "finalized_at": turned.finalized_at,
            "marked_uncollectible_at": turned.marked_uncollectible_at,
            "paid_at": turned.paid_at,
            "voided_at": turned.voided_at,
        },
        "webhooks_delivered_at": None if is_draft else thing.created,
    }


def _of_customer(customer: Customer | None) -> Rendered:
    """What an invoice repeats of its customer."""
    if customer is None:
        return dict.fromkeys(
            ("customer_address", "customer_email", "customer_name", "customer_phone", "customer_shipping", "customer_tax_exempt"),
        ) | {"customer_tax_ids": []}
    says = customer.says
    return {
        "customer_address": address(says("address")),
        "customer_email": customer.email,
        "customer_name": customer.name,
        "customer_phone": says("phone"),
        "customer_shipping": shipping(says("shipping")),
        "customer_tax_exempt": says("tax_exempt") or "none",
        "customer_tax_ids": [],
    }


def _next_attempt(thing: Invoice) -> int | None:
    """When it is attempted next: a draft as soon as it is finalised."""
    if thing.status != "draft":
        return thing.next_payment_attempt
    return _finalizes_at(thing) if thing.collection_method == "charge_automatically" else None


def _finalizes_at(thing: Invoice) -> int | None:
    told: int | None = thing.says("automatically_finalizes_at")
    if thing.status != "draft" or not thing.auto_advance:
        return None
    return told if told is not None else thing.created + FINALIZES_AFTER_S


def hosted_at(thing: Invoice) -> str:
    """Where a customer may look at an invoice and pay it."""
    return f"https://invoice.stripe.com/i/{ACCOUNT}/test_{letters(thing.id, 48)}?s=ap"


def pdf_at(thing: Invoice) -> str:
    """Where an invoice is to be had for printing."""
    return f"https://pay.stripe.com/invoice/{ACCOUNT}/test_{letters(thing.id, 48)}/pdf?s=ap"


def _parent(thing: Invoice) -> Rendered | None:
    details = thing.parent.subscription_details if thing.parent else None
    if thing.parent is None or details is None:
        return None
    named = {"metadata": details.metadata, "subscription": details.subscription}
    return {"quote_details": None, "subscription_details": named, "type": thing.parent.type}


def _payment_settings(given: Any) -> Rendered:
    return {**_PAYMENT_SETTINGS, **given} if given else _PAYMENT_SETTINGS


def _status_details(thing: Invoice) -> Rendered | None:
    if thing.status != "uncollectible":
        return None
    reason = "max_payment_attempts" if thing.attempt_count > 1 else "user_forgiven"
    return {"uncollectible": {"reason": reason}}


def credited_of(book: Book, invoice: str) -> tuple[int, int]:
    """What credit notes took off an invoice before it was paid, and gave back after."""
    if not book.credit_notes:
        return 0, 0
    notes = [note for note in book.credit_notes.values() if note.invoice == invoice and note.status == "issued"]
    return sum([note.pre_payment_amount for note in notes]), sum([note.post_payment_amount for note in notes])


# -- payments


def invoice_payment(thing: PaymentOfInvoice, view: View) -> Rendered:
    """https://docs.stripe.com/api/invoice-payment/object"""
    return {
        "id": thing.id,
        "object": "invoice_payment",
        "amount_paid": thing.amount_paid,
        "amount_requested": thing.amount_requested,
        "created": thing.created,
        "currency": thing.currency,
        "invoice": thing.invoice,
        "is_default": thing.is_default,
        "livemode": view.livemode,
        "payment": {"payment_intent": thing.payment_intent, "type": "payment_intent"},
        "status": thing.status,
        "status_transitions": {"canceled_at": thing.canceled_at, "paid_at": thing.paid_at},
    }


def payments(thing: Invoice, view: View) -> Any:
    """The payments of an invoice, newest first."""
    known = list(invoice_payments.of_invoice(book_of(view, thing.customer), thing))[::-1]
    return sublist([invoice_payment(each, view) for each in known[:10]], f"/v1/invoices/{thing.id}/payments", has_more=len(known) > 10)


def confirmation_secret(thing: Invoice, view: View) -> Any:
    """With what a browser may confirm the invoice's payment; None where there is none to confirm."""
    if not thing.payments or thing.status != "open":
        return None
    return {"client_secret": client_secret(thing.payments[-1].payment_intent), "type": "payment_intent"}
