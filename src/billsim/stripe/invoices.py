"""Invoices (https://docs.stripe.com/api/invoices): what they are made of, and how they pass from draft to paid, void or uncollectible."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_S, HOUR_MS
from billsim.stripe import payment_intents
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import stem
from billsim.stripe.objects import (
    Invoice,
    InvoiceParent,
    InvoicePayment,
    LineItem,
    LineList,
    PaymentIntent,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
)
from billsim.stripe.params import Types, merged_metadata, refusal

DEFAULT_DAYS_UNTIL_DUE = 30
# A draft that is finalised by hand is attempted an hour later.
_ATTEMPT_AFTER_S = HOUR_MS // 1000
UPDATE: Types = {"metadata": dict, "auto_advance": bool, "default_payment_method": str}
LIST: Types = {"subscription": str, "status": ("draft", "open", "paid", "void", "uncollectible"), "collection_method": str}


def draft(act: Act, subscription: Subscription, id: str, reason: str, *, start: int, end: int, free: bool = False) -> Invoice:
    """The draft that bills a period of a subscription, for its items' prices or, `free`, for nothing. `start` and `end` are unix seconds."""
    lines = tuple([_line(subscription, id, index, free, act.now_s) for index in range(len(subscription.items.data))])
    total = sum([line.amount for line in lines])
    invoice = Invoice(
        id=id,
        created=act.now_s,
        livemode=subscription.livemode,
        customer=subscription.customer,
        status="draft",
        billing_reason=reason,
        collection_method=subscription.collection_method,
        currency=subscription.currency,
        subtotal=total,
        total=total,
        amount_due=total,
        amount_remaining=total,
        # The invoices of an unpaid subscription stay drafts.
        auto_advance=subscription.status != "unpaid",
        period_start=start,
        period_end=end,
        lines=LineList(lines),
        parent=InvoiceParent(SubscriptionDetails(subscription.id, subscription.metadata)),
    )
    act.backend.drafted(id, subscription.id)
    act.put(invoice)
    act.emit("invoice.created", invoice)
    return invoice


def _line(subscription: Subscription, invoice: str, index: int, free: bool, now_s: int) -> LineItem:
    item = subscription.items.data[index]
    return LineItem(
        id=f"il_{stem(invoice)}" if index == 0 else f"il_{stem(invoice)}.{index + 1}",
        created=now_s,
        amount=0 if free else item.price.unit_amount * item.quantity,
        currency=item.price.currency,
        description=f"{item.quantity} x {item.price.product}",
        invoice=invoice,
        quantity=item.quantity,
        subscription=subscription.id,
    )


def finalize(act: Act, invoice: Invoice, *, auto_advance: bool | None = None) -> Invoice:
    """From draft to open, with a number, a due date where it is sent, and a payment intent; one over nothing is paid at once."""
    backend = act.backend
    backend.finalizes_at.pop(invoice.id, None)
    intent = payment_intents.open_for(act, invoice) if invoice.amount_remaining else None
    opened: Invoice = act.put(
        replace(
            invoice,
            status="open",
            number=stem(invoice.id).upper(),
            auto_advance=invoice.auto_advance if auto_advance is None else auto_advance,
            due_date=_due_date(act, invoice),
            payments=(InvoicePayment(intent.id),) if intent else (),
            status_transitions=StatusTransitions(finalized_at=act.now_s),
        )
    )
    act.emit("invoice.finalized", opened)
    if intent is None:
        return set_paid(act, opened, counts=False)
    act.emit("payment_intent.created", intent)
    return opened


def _due_date(act: Act, invoice: Invoice) -> int | None:
    if invoice.collection_method != "send_invoice":
        return None
    days = act.backend.subscription(invoice.subscription).days_until_due if invoice.subscription else None
    return act.now_s + (DEFAULT_DAYS_UNTIL_DUE if days is None else days) * DAY_S


def set_paid(act: Act, invoice: Invoice, *, counts: bool) -> Invoice:
    """Nothing remains to be paid. `counts`: this was an attempt that counts."""
    paid: Invoice = act.update(
        "invoice.updated",
        invoice,
        status="paid",
        amount_paid=invoice.amount_paid + invoice.amount_remaining,
        amount_remaining=0,
        attempted=True,
        attempt_count=invoice.attempt_count + counts,
        auto_advance=False,
        next_payment_attempt=None,
        payments=_payments(invoice, "paid"),
        status_transitions=replace(invoice.status_transitions, paid_at=act.now_s),
    )
    act.emit("invoice.paid", paid)
    act.emit("invoice.payment_succeeded", paid)
    return paid


def _payments(invoice: Invoice, status: str) -> tuple[InvoicePayment, ...]:
    return (*invoice.payments[:-1], replace(invoice.payments[-1], status=status)) if invoice.payments else ()


def set_void(act: Act, invoice: Invoice) -> Invoice:
    """It was a mistake, and is not owed."""
    intent = act.backend.last_intent(invoice)
    if intent is not None:
        payment_intents.abandon(act, intent)
    moments = replace(invoice.status_transitions, voided_at=act.now_s)
    void: Invoice = act.put(
        replace(
            invoice, status="void", auto_advance=False, next_payment_attempt=None, payments=_payments(invoice, "canceled"), status_transitions=moments
        )
    )
    act.emit("invoice.voided", void)
    return void


def set_uncollectible(act: Act, invoice: Invoice) -> Invoice:
    """It is owed, and given up."""
    moments = replace(invoice.status_transitions, marked_uncollectible_at=act.now_s)
    bad: Invoice = act.put(replace(invoice, status="uncollectible", auto_advance=False, next_payment_attempt=None, status_transitions=moments))
    act.emit("invoice.marked_uncollectible", bad)
    return bad


def stop_collecting(act: Act, subscription: str, customer: str) -> None:
    """A canceled subscription's open invoices and drafts stay as they are: owed, and no longer collected."""
    for invoice in list(act.backend.books[customer].invoices.values()):
        if invoice.status in ("open", "draft") and invoice.subscription == subscription:
            tag = "" if act.is_call else "canceled"
            act.update("invoice.updated", invoice, tag=tag, auto_advance=False, next_payment_attempt=None)


def require_status(invoice: Invoice, *allowed: str) -> None:
    """Raise StripeError (400) unless the invoice has one of these statuses."""
    if invoice.status in allowed:
        return
    if invoice.status == "paid":
        raise refusal("invoice_already_paid", f"Invoice {invoice.id} is already paid.")
    raise refusal(f"invoice_not_{allowed[0]}", f"Invoice {invoice.id} is {invoice.status}; this takes one that is {' or '.join(allowed)}.")


def refuse_processing(intent: PaymentIntent | None) -> None:
    """Raise StripeError (400) while the bank has yet to answer for a payment."""
    if intent is not None and intent.status == "processing":
        raise refusal("payment_intent_unexpected_state", f"{intent.id} is processing; wait until it has ended.")


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Raises StripeError (404)."""
    return act.backend.invoice(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Invoices of a customer or subscription, or with a status, newest first."""
    return page(act.backend, "invoice", params, tuple(LIST), "/v1/invoices")


def update(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Set what is given; of an invoice that has ended, only metadata. Raises StripeError."""
    old = act.backend.invoice(id)
    fields: dict[str, Any] = {}
    if "auto_advance" in params:
        require_status(old, "open", "draft")
        fields["auto_advance"] = params["auto_advance"]
        if not params["auto_advance"]:
            fields["next_payment_attempt"] = None
    if "default_payment_method" in params:
        require_status(old, "open", "draft")
        method = params["default_payment_method"] or None
        fields["default_payment_method"] = act.backend.owned_method(old.customer, method) if method else None
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    updated: Invoice = act.update("invoice.updated", old, **fields)
    return updated


def finalize_by_hand(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Finalise a draft now; with auto_advance it is attempted an hour later. Raises StripeError."""
    draft_ = act.backend.invoice(id)
    require_status(draft_, "draft")
    opened = finalize(act, draft_, auto_advance=params.get("auto_advance"))
    if opened.status != "open" or not opened.auto_advance or opened.collection_method == "send_invoice":
        return opened
    updated: Invoice = act.update("invoice.updated", opened, next_payment_attempt=act.now_s + _ATTEMPT_AFTER_S)
    return updated
