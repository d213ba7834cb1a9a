"""Payments that are made for themselves and count for an invoice, in part or whole (https://docs.stripe.com/invoicing/partial-payments).

Such an intent stands before the invoice's own among its payments, and is confirmed, captured and canceled by itself; once it has succeeded, what it
brought is the invoice's. The invoice's own intent is for what remains.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import customers, invoice_payments, invoices, payment_intents, subscriptions
from billsim.stripe.backend import Act
from billsim.stripe.objects import Invoice, InvoicePayment, PaymentIntent
from billsim.stripe.params import Types, refusal

ATTACH: Types = {"payment_intent": str, "payment_record": str}
_OPEN = "You can only attach payments to open invoices."
_ENDED = ("succeeded", "canceled")


def attach(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """From now on a payment counts for an invoice; one that has succeeded does so at once. Raises StripeError."""
    backend, invoice = act.backend, act.backend.invoice(id)
    if params.get("payment_record"):
        raise refusal("not_simulated", "billsim does not simulate payments outside of Stripe by record.", param="payment_record")
    if not params.get("payment_intent"):
        raise refusal("parameter_missing", "Missing required param: payment_intent.", param="payment_intent")
    invoices.require_status(invoice, "open", says=_OPEN)
    intent = backend.payment_intent(params["payment_intent"])
    _require_attachable(act, invoice, intent)
    backend.attached[intent.id] = id
    act.put(replace(invoice, payments=(InvoicePayment(intent.id), *invoice.payments)))
    if intent.status == "succeeded":
        credit(act, intent.id)
    return backend.invoice(id)


def _require_attachable(act: Act, invoice: Invoice, intent: PaymentIntent) -> None:
    told, param = f"The PaymentIntent {intent.id} cannot be attached to the invoice {invoice.id}:", "payment_intent"
    if intent.id in act.backend.attached or act.backend.invoice_of(intent) is not None:
        raise refusal("", f"{told} it is attached to an invoice already.", param=param)
    if intent.customer != invoice.customer:
        raise refusal("", f"{told} it is not of the invoice's customer.", param=param)
    if intent.currency != invoice.currency:
        raise refusal("", f"{told} its currency is {intent.currency}, and the invoice's {invoice.currency}.", param=param)
    if intent.status == "canceled":
        raise refusal("", f"{told} it is canceled.", param=param)
    others = [act.backend.payment_intent(each.payment_intent) for each in invoice.payments if each.payment_intent in act.backend.attached]
    promised = sum([other.amount for other in others if other.status not in _ENDED])
    if promised + (intent.amount_received or intent.amount) > invoice.amount_remaining:
        raise refusal("not_simulated", "billsim does not simulate payments of more than what remains of an invoice.", param=param)


def credit(act: Act, id: str) -> None:
    """A payment intent has succeeded: what it brought is its invoice's, where it was attached to one that is still owed."""
    backend = act.backend
    if id not in backend.attached:
        return
    intent, invoice = backend.payment_intent(id), backend.invoice(backend.attached.pop(id))
    if invoice.status not in ("open", "uncollectible"):
        return
    brought = min(intent.amount_received, invoice.amount_remaining)
    payments = tuple([replace(each, status="paid") if each.payment_intent == id else each for each in invoice.payments])
    left = invoice.amount_remaining - brought
    fields = {"amount_paid": invoice.amount_paid + brought, "amount_remaining": left, "payments": payments}
    credited: Invoice = act.update("invoice.updated", invoice, tag=f"{act.near}.credited", **fields)
    known = invoice_payments.of_invoice(backend.books[invoice.customer], credited)
    act.emit("invoice_payment.paid", next(each for each in known if each.payment_intent == id))
    own = backend.last_intent(credited)
    if left:
        if own is not None and own.status not in (*_ENDED, "processing"):
            act.put(replace(own, amount=left))
        return
    if own is not None:
        payment_intents.abandon(act, own)
    paid = invoices.set_paid(act, credited, counts=False)
    subscriptions.invoice_paid(act, paid)
    customers.set_delinquent(act, invoice.customer, False)
