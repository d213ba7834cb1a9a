"""Invoices (https://docs.stripe.com/api/invoices): what they are made of, and how they pass from draft to paid, void or uncollectible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from billsim.core.time import DAY_S, HOUR_MS, MINUTE_MS
from billsim.stripe import customer_balances, descriptions, invoice_items, payment_intents, pricing
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page_of, within
from billsim.stripe.naming import invoice_number, stem
from billsim.stripe.objects import (
    Invoice,
    InvoiceItem,
    InvoiceParent,
    InvoicePayment,
    ItemDetails,
    LineItem,
    LineList,
    LineParent,
    PaymentIntent,
    Period,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
    with_kept,
)
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal
from billsim.stripe.prorations import prorated

DEFAULT_DAYS_UNTIL_DUE = 30
_ONLY_SENT = "You can only specify 'due_date' or 'days_until_due' if invoice collection method is 'send_invoice'."
# A draft that is finalised by hand is attempted an hour later.
_ATTEMPT_AFTER_S = HOUR_MS // 1000
# What is only told back.
KEPT: Types = {
    "description": str,
    "footer": str,
    "custom_fields": list | str,
    "statement_descriptor": str,
    "payment_settings": dict,
    "rendering": dict,
}
KEPT_BESIDE = ("default_source", "effective_at", "automatically_finalizes_at")
_OF_DRAFTS: Types = {
    "collection_method": ("charge_automatically", "send_invoice"),
    "days_until_due": int,
    "due_date": int,
    "number": str,
    "effective_at": int,
    "automatically_finalizes_at": int,
}
_WHILE_OWED: Types = {"auto_advance": bool, "default_payment_method": str, "default_source": str, **KEPT}
UPDATE: Types = {"metadata": dict, **_WHILE_OWED, **_OF_DRAFTS}
LIST: Types = {
    "subscription": str,
    "status": ("draft", "open", "paid", "void", "uncollectible"),
    "collection_method": ("charge_automatically", "send_invoice"),
    "due_date": int | dict,
}


def draft(
    act: Act, subscription: Subscription, id: str, reason: str, lines: Iterable[LineItem], items: Sequence[InvoiceItem] = (), *, start: int, end: int
) -> Invoice:
    """The draft that bills a subscription: `lines`, and invoice `items` that had been waiting. `start` and `end` are unix seconds."""
    if items:
        lines = list(lines)
        lines += lines_of_items(items, id, max(len(lines), len(subscription.items.data)))
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
    made = Invoice(
        id=id,
        created=now_s,
        livemode=subscription.livemode,
        customer=subscription.customer,
        status="draft",
        billing_reason=reason,
        collection_method=subscription.collection_method,
        currency=subscription.currency,
        # The invoices of an unpaid subscription stay drafts, and those of one whose collection is paused.
        auto_advance=subscription.status != "unpaid" and not subscription.says("pause_collection"),
        period_start=start,
        period_end=end,
        lines=LineList(lines),
        parent=InvoiceParent(SubscriptionDetails(subscription.id, subscription.metadata)),
    )
    # In two steps: beyond 15 named arguments Python gathers them in a dict, which takes longer than all the rest.
    return replace(made, subtotal=total, total=total, amount_due=due, amount_remaining=due)


def lines_of(act: Act, items: Sequence[SubscriptionItem], invoice: str, *, free: bool = False, whole_s: int = 0) -> list[LineItem]:
    """What a subscription's items cost for the period that they are in: nothing where it is `free`, a share where it was cut short from `whole_s`."""
    return [_line(act, item, _line_id(invoice, nth), invoice, free, whole_s) for nth, item in enumerate(items)]


def lines_of_spans(act: Act, spans: Iterable[tuple[SubscriptionItem, int]], invoice: str, *, free: bool = False) -> list[LineItem]:
    """What items cost for the periods that they stand in here: each a share where that was cut short from so many seconds, 0 where it was not."""
    return [_line(act, item, _line_id(invoice, nth), invoice, free, whole_s) for nth, (item, whole_s) in enumerate(spans)]


def lines_of_trial(act: Act, subscription: Subscription, items: Sequence[SubscriptionItem], invoice: str) -> list[LineItem]:
    """A trial's lines, over nothing."""
    lines = lines_of(act, items, invoice, free=True)
    if not act.backend.is_whole:
        return lines
    return [replace(line, description=descriptions.of_trial(act.backend, subscription, item)) for line, item in zip(lines, items, strict=True)]


def lines_of_items(items: Iterable[InvoiceItem], invoice: str, after: int) -> list[LineItem]:
    """Invoice items as lines, following so many others."""
    return [invoice_items.line_of(item, _line_id(invoice, nth), invoice) for nth, item in enumerate(items, after)]


def _line_id(invoice: str, nth: int) -> str:
    return f"il_{stem(invoice)}.{nth + 1}" if nth else f"il_{stem(invoice)}"


def _line(act: Act, item: SubscriptionItem, id: str, invoice: str, free: bool, whole_s: int) -> LineItem:
    price, quantity = item.price, item.quantity
    start, end = item.current_period_start, item.current_period_end
    amount = 0 if free else price.unit_amount * quantity if price.kept is UNSET else pricing.cost(price, quantity)
    is_whole = act.backend.is_whole
    source = None
    if is_whole or whole_s:
        source = LineParent("subscription_item_details", subscription_item_details=ItemDetails(item.subscription, item.id, None, bool(whole_s)))
    return LineItem(
        id=id,
        created=act.now_s,
        amount=prorated(amount, end - start, whole_s) if whole_s else amount,
        currency=price.currency,
        description=descriptions.of_period(act.backend, price, quantity),
        invoice=invoice,
        quantity=quantity,
        subscription=item.subscription or None,
        period=Period(start, end),
        parent=source,
        kept={"pricing": pricing.details_of(price)} if is_whole else UNSET,
    )


def finalize(act: Act, invoice: Invoice, *, auto_advance: bool | None = None, collects: bool = True) -> Invoice:
    """From draft to open, with a number, a due date where it is sent, and a payment intent; one over nothing is paid at once.

    Without `collects` nothing is asked for: no intent, and the customer's balance stays as it is.
    """
    backend = act.backend
    backend.finalizes_at.pop(invoice.id, None)
    invoice = _with_balance(act, invoice) if collects else invoice
    intent = payment_intents.open_for(act, invoice) if invoice.amount_remaining and collects else None
    opened: Invoice = act.put(
        replace(
            invoice,
            status="open",
            number=invoice.number or invoice_number(backend, invoice),
            auto_advance=invoice.auto_advance if auto_advance is None else auto_advance,
            due_date=_due_date(act, invoice),
            payments=(InvoicePayment(intent.id),) if intent else (),
            status_transitions=StatusTransitions(finalized_at=act.now_s),
        )
    )
    act.emit("invoice.finalized", opened)
    if intent is not None:
        act.emit("payment_intent.created", intent)
    elif not opened.amount_remaining:
        return set_paid(act, opened, counts=False)
    return opened


def set_aside(act: Act, subscription: Subscription, draft_: Invoice) -> Invoice:
    """What becomes of a new draft while the collection of its subscription is paused: it stays one, or ends at once
    (https://docs.stripe.com/billing/subscriptions/pause-payment).
    """
    behavior = (subscription.says("pause_collection") or {}).get("behavior", "keep_as_draft")
    if behavior == "keep_as_draft":
        return draft_
    opened = finalize(act, draft_, auto_advance=False, collects=False)
    if opened.status != "open":
        return opened
    return set_void(act, opened) if behavior == "void" else set_uncollectible(act, opened)


def _with_balance(act: Act, invoice: Invoice) -> Invoice:
    """The customer's balance is used up for it, and keeps what an invoice below zero gives back (https://docs.stripe.com/billing/customer/balance)."""
    reduced = less_balance(act, invoice)
    if reduced is not invoice:
        act.update("customer.updated", act.backend.customer(invoice.customer), balance=reduced.ending_balance)
        amount = (reduced.ending_balance or 0) - reduced.starting_balance
        customer_balances.noted(act, invoice.customer, amount, "applied_to_invoice", stem(invoice.id), invoice.currency, invoice=invoice.id)
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
        amount = invoice.starting_balance - invoice.ending_balance
        act.update("customer.updated", customer, balance=customer.balance + amount)
        customer_balances.noted(act, customer.id, amount, "unapplied_from_invoice", stem(invoice.id), invoice.currency, invoice=invoice.id)


def _due_date(act: Act, invoice: Invoice) -> int | None:
    if invoice.collection_method != "send_invoice" or invoice.due_date is not None:
        return invoice.due_date
    days = act.backend.subscription(invoice.subscription).days_until_due if invoice.subscription else None
    return act.now_s + (DEFAULT_DAYS_UNTIL_DUE if days is None else days) * DAY_S


def set_paid(act: Act, invoice: Invoice, *, counts: bool, off_stripe: bool = False) -> Invoice:
    """Nothing remains to be paid. `counts`: this was an attempt that counts. `off_stripe`: the customer has paid, and not by Stripe."""
    kept = with_kept(invoice.kept, {"amount_paid_off_stripe": invoice.amount_remaining}) if off_stripe else invoice.kept
    paid: Invoice = act.update(
        "invoice.updated",
        invoice,
        status="paid",
        amount_paid=invoice.amount_paid + invoice.amount_remaining,
        amount_remaining=0,
        attempted=invoice.attempted or not (off_stripe and act.backend.is_whole),
        attempt_count=invoice.attempt_count + counts,
        auto_advance=False,
        next_payment_attempt=None,
        # One with nothing remaining was credited: nobody paid.
        payments=_payments(invoice, "paid" if invoice.amount_remaining and not off_stripe else "canceled"),
        status_transitions=replace(invoice.status_transitions, paid_at=act.now_s),
        kept=kept,
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


def require_status(invoice: Invoice, *allowed: str, says: str = "") -> None:
    """Raise StripeError (400), which `says` this where that is given, unless the invoice has one of these statuses."""
    if invoice.status in allowed:
        return
    if invoice.status == "paid":
        raise refusal("invoice_already_paid", says or "Invoice is already paid")
    raise refusal(f"invoice_not_{allowed[0]}", says or f"Invoice {invoice.id} is {invoice.status}; this takes one that is {' or '.join(allowed)}.")


def refuse_processing(intent: PaymentIntent | None) -> None:
    """Raise StripeError (400) while the bank has yet to answer for a payment."""
    if intent is not None and intent.status == "processing":
        raise refusal("payment_intent_unexpected_state", f"{intent.id} is processing; wait until it has ended.")


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Raises StripeError (404)."""
    return act.backend.invoice(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Invoices of a customer or subscription, with a status, or due at some time, newest first. Raises StripeError."""
    given = {name: params[name] for name in ("subscription", "status", "collection_method") if params.get(name)}
    found = [each for each in act.backend.every("invoice", params.get("customer")) if all([getattr(each, name) == given[name] for name in given])]
    return page_of(act.backend, within(found, params.get("due_date"), "due_date", lambda each: each.due_date), params, "/v1/invoices")


def update(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Set what is given; of an invoice that is open, nothing that its amount or its way to be paid hangs on; of one that has ended, only metadata.

    Raises StripeError.
    """
    old = act.backend.invoice(id)
    _require_editable(old, params)
    require_ahead(params, act.now_s)
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "auto_advance" in params:
        fields["auto_advance"] = params["auto_advance"]
        if not params["auto_advance"]:
            fields["next_payment_attempt"] = None
    if "default_payment_method" in params:
        method = params["default_payment_method"] or None
        fields["default_payment_method"] = act.backend.owned_method(old.customer, method) if method else None
    fields |= due_fields(params, old.collection_method, old.created)
    if "number" in params:
        fields["number"] = params["number"] or None
    fields["kept"] = kept_of(params, (*KEPT, *KEPT_BESIDE), old.kept)
    updated: Invoice = act.update("invoice.updated", old, **fields)
    finalizes_when(act, updated, params)
    return updated


def _require_editable(invoice: Invoice, params: Mapping[str, Any]) -> None:
    for name in params:
        if (name in _WHILE_OWED and invoice.status not in ("open", "draft")) or (name in _OF_DRAFTS and invoice.status != "draft"):
            raise refusal("invoice_not_editable", "Finalized invoices can't be updated in this way", param=name)


def due_fields(params: Mapping[str, Any], method: str, created: int) -> dict[str, Any]:
    """`collection_method` and `due_date`, as a request sets them for a draft. Raises StripeError."""
    fields: dict[str, Any] = {}
    if "collection_method" in params:
        method = fields["collection_method"] = params["collection_method"]
        fields["due_date"] = None
    for name in ("days_until_due", "due_date"):
        if params.get(name) and method != "send_invoice":
            raise refusal("parameter_invalid", _ONLY_SENT, param=name)
    if params.get("days_until_due") is not None and params.get("due_date"):
        raise refusal("parameter_invalid", "You may only specify one of these parameters: days_until_due, due_date.", param="due_date")
    if params.get("due_date"):
        fields["due_date"] = params["due_date"]
    elif params.get("days_until_due") is not None and method == "send_invoice":
        fields["due_date"] = created + params["days_until_due"] * DAY_S
    return fields


def require_ahead(params: Mapping[str, Any], now_s: int) -> None:
    """Raise StripeError where a draft is to be finalised at an instant that has passed."""
    name = "automatically_finalizes_at"
    if params.get(name) and params[name] <= now_s:
        raise refusal("parameter_invalid", f"`{name}` must be in the future.", param=name)


def finalizes_when(act: Act, draft_: Invoice, params: Mapping[str, Any]) -> None:
    """A draft that advances by itself is finalised when the request says so, else an hour on."""
    at = params.get("automatically_finalizes_at")
    if draft_.status != "draft" or not draft_.auto_advance or not ("auto_advance" in params or at):
        return
    backend, hour_on = act.backend, act.at_ms + act.backend.settings.finalize_after_minutes * MINUTE_MS
    planned = backend.finalizes_at.get(draft_.id, 0)
    backend.finalizes_at[draft_.id] = at * 1000 if at else planned if planned >= act.at_ms else hour_on
    act.arm(draft_)


def finalize_by_hand(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Finalise a draft now; with auto_advance it is attempted an hour later. Raises StripeError."""
    draft_ = act.backend.invoice(id)
    require_status(draft_, "draft", says="This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    opened = finalize(act, draft_, auto_advance=params.get("auto_advance"))
    if opened.status != "open" or not opened.auto_advance or opened.collection_method == "send_invoice":
        return opened
    updated: Invoice = act.update("invoice.updated", opened, next_payment_attempt=act.now_s + _ATTEMPT_AFTER_S)
    return updated
