"""Invoices (https://docs.stripe.com/api/invoices): what they are made of, and how they pass from draft to paid, void or uncollectible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_S, HOUR_MS
from billsim.stripe import invoice_items, payment_intents
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import stem
from billsim.stripe.objects import (
    Invoice,
    InvoiceItem,
    InvoiceParent,
    InvoicePayment,
    LineItem,
    LineList,
    PaymentIntent,
    Period,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)
from billsim.stripe.params import Types, merged_metadata, refusal

DEFAULT_DAYS_UNTIL_DUE = 30
# A draft that is finalised by hand is attempted an hour later.
_ATTEMPT_AFTER_S = HOUR_MS // 1000
UPDATE: Types = {"metadata": dict, "auto_advance": bool, "default_payment_method": str}
LIST: Types = {"subscription": str, "status": ("draft", "open", "paid", "void", "uncollectible"), "collection_method": str}


def draft(
    act: Act, subscription: Subscription, id: str, reason: str, lines: Iterable[LineItem], items: Sequence[InvoiceItem] = (), *, start: int, end: int
) -> Invoice:
    """The draft that bills a subscription: `lines`, and invoice `items` that had been waiting. `start` and `end` are unix seconds."""
    lines = [*lines, *lines_of_items(items, id, len(subscription.items.data))]
    invoice = drawn_up(subscription, id, reason, lines, act.now_s, start=start, end=end)
    act.backend.drafted(id, subscription.id)
    act.put(invoice)
    if items:
        invoice_items.taken(act, items, invoice)
    act.emit("invoice.created", invoice)
    return invoice


def drawn_up(subscription: Subscription, id: str, reason: str, lines: Iterable[LineItem], now_s: int, *, start: int, end: int) -> Invoice:
    """A draft that is not yet at Stripe."""
    lines = tuple(lines)
    total = sum([line.amount for line in lines])
    due = max(total, 0)
    return Invoice(
        id=id,
        created=now_s,
        livemode=subscription.livemode,
        customer=subscription.customer,
        status="draft",
        billing_reason=reason,
        collection_method=subscription.collection_method,
        currency=subscription.currency,
        subtotal=total,
        total=total,
        amount_due=due,
        amount_remaining=due,
        # The invoices of an unpaid subscription stay drafts.
        auto_advance=subscription.status != "unpaid",
        period_start=start,
        period_end=end,
        lines=LineList(lines),
        parent=InvoiceParent(SubscriptionDetails(subscription.id, subscription.metadata)),
    )


def lines_of(items: Sequence[SubscriptionItem], invoice: str, now_s: int, *, free: bool = False) -> list[LineItem]:
    """What a subscription's items cost for the period that they are in; nothing where it is `free`."""
    return [_line(item, _line_id(invoice, nth), invoice, now_s, free) for nth, item in enumerate(items)]


def lines_of_items(items: Iterable[InvoiceItem], invoice: str, after: int) -> list[LineItem]:
    """Invoice items as lines, following so many others."""
    return [invoice_items.line_of(item, _line_id(invoice, nth), invoice) for nth, item in enumerate(items, after)]


def _line_id(invoice: str, nth: int) -> str:
    return f"il_{stem(invoice)}.{nth + 1}" if nth else f"il_{stem(invoice)}"


def _line(item: SubscriptionItem, id: str, invoice: str, now_s: int, free: bool) -> LineItem:
    price, quantity = item.price, item.quantity
    return LineItem(
        id=id,
        created=now_s,
        amount=0 if free else price.unit_amount * quantity,
        currency=price.currency,
        description=f"{quantity} x {price.product}",
        invoice=invoice,
        quantity=quantity,
        subscription=item.subscription or None,
        period=Period(item.current_period_start, item.current_period_end),
    )


def finalize(act: Act, invoice: Invoice, *, auto_advance: bool | None = None) -> Invoice:
    """From draft to open, with a number, a due date where it is sent, and a payment intent; one over nothing is paid at once."""
    backend = act.backend
    backend.finalizes_at.pop(invoice.id, None)
    invoice = _with_balance(act, invoice)
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


def _with_balance(act: Act, invoice: Invoice) -> Invoice:
    """The customer's balance is used up for it, and keeps what an invoice below zero gives back (https://docs.stripe.com/billing/customer/balance)."""
    reduced = less_balance(act, invoice)
    if reduced is not invoice:
        act.update("customer.updated", act.backend.customer(invoice.customer), balance=reduced.ending_balance)
    return reduced


def less_balance(act: Act, invoice: Invoice) -> Invoice:
    """A draft as it would be finalised now, with what the customer's balance makes of it; the same where that makes nothing."""
    customer = act.backend.books[invoice.customer].customer
    start = customer.balance if customer is not None else 0
    if not start and invoice.total >= 0:
        return invoice
    owed = invoice.total + start
    due = max(owed, 0)
    return replace(invoice, starting_balance=start, ending_balance=min(owed, 0), amount_due=due, amount_remaining=due)


def _give_balance_back(act: Act, invoice: Invoice) -> None:
    """What a void invoice had used of the customer's balance."""
    customer = act.backend.books[invoice.customer].customer
    if customer is not None and invoice.ending_balance is not None:
        act.update("customer.updated", customer, balance=customer.balance + invoice.starting_balance - invoice.ending_balance)


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
        # One with nothing remaining was credited: nobody paid.
        payments=_payments(invoice, "paid" if invoice.amount_remaining else "canceled"),
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
    _give_balance_back(act, void)
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
