"""Invoices by request (https://docs.stripe.com/api/invoices/create): made beside a subscription's own, sent, and deleted while they are drafts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from billsim.stripe import invoice_items, invoices, subscriptions
from billsim.stripe.backend import Act
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Deleted, Invoice, InvoiceItem, InvoiceParent, LineList, SubscriptionDetails
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

CREATE: Types = {
    "customer": str,
    "currency": str,
    "subscription": str,
    "pending_invoice_items_behavior": ("exclude", "include"),
    **invoices.UPDATE,
}
DEFAULT_CURRENCY = "usd"


def create(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """A draft of what waits for an invoice: with `pending_invoice_items_behavior=include` of the customer, with `subscription` of that.

    It advances by itself where `auto_advance` is set. Raises StripeError.
    """
    backend = act.backend
    if not params.get("customer") and not params.get("subscription"):
        raise refusal("parameter_missing", "Missing required param: customer.", param="customer")
    subscription = backend.subscription(params["subscription"]) if params.get("subscription") else None
    customer = backend.customer(params.get("customer") or (subscription.customer if subscription is not None else ""))
    if subscription is not None and subscription.customer != customer.id:
        raise refusal("resource_missing", f"Customer {customer.id} has no subscription {subscription.id}.", param="subscription")
    currency = params.get("currency") or (subscription.currency if subscription is not None else customer.currency) or DEFAULT_CURRENCY
    invoices.require_ahead(params, act.now_s)
    items = _items(act, params, customer.id, currency)
    if subscription is not None and not items:
        raise refusal("invoice_no_subscription_line_items", f"Nothing to invoice for subscription {subscription.id}.", param="subscription")
    method = params.get("default_payment_method") or None
    name = new_id(backend, "in", id, act.task)
    lines = tuple(invoices.lines_of_items(items, name, 0))
    total = sum([line.amount for line in lines])
    invoice = Invoice(
        id=name,
        created=act.now_s,
        livemode=customer.livemode,
        customer=customer.id,
        status="draft",
        billing_reason="manual",
        currency=currency,
        subtotal=total,
        total=total,
        amount_due=max(total, 0),
        amount_remaining=max(total, 0),
        auto_advance=params.get("auto_advance", False),
        number=params.get("number") or None,
        period_start=act.now_s,
        period_end=act.now_s,
        default_payment_method=backend.owned_method(customer.id, method) if method else None,
        lines=LineList(lines),
        parent=InvoiceParent(SubscriptionDetails(subscription.id, subscription.metadata)) if subscription is not None else None,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=kept_of(params, [name for name in (*invoices.KEPT, *invoices.KEPT_BESIDE) if params.get(name)]),
    )
    invoice = replace(invoice, **_due(params, act.now_s))
    act.put(invoice)
    invoice_items.taken(act, items, invoice)
    act.emit("invoice.created", invoice)
    invoices.finalizes_when(act, invoice, {"auto_advance": True, **params})
    return invoice


def _items(act: Act, params: Mapping[str, Any], customer: str, currency: str) -> list[InvoiceItem]:
    subscription, book = params.get("subscription"), act.backend.books[customer]
    if subscription:
        waiting = [item for item in book.invoice_items.values() if item.invoice is None and item.subscription == subscription]
    elif params.get("pending_invoice_items_behavior") == "include":
        waiting = [item for item in book.invoice_items.values() if item.invoice is None]
    else:
        waiting = []
    found = [item for item in waiting if item.currency == currency]
    return found[::-1] if act.backend.is_whole else found


def _due(params: Mapping[str, Any], now_s: int) -> dict[str, Any]:
    fields = invoices.due_fields({"collection_method": "charge_automatically", **params}, "charge_automatically", now_s)
    if fields["collection_method"] == "send_invoice" and fields["due_date"] is None:
        message = "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'."
        raise refusal("parameter_missing", message, param="due_date")
    return fields


def delete(act: Act, id: str, params: dict[str, Any]) -> Deleted:
    """Delete a draft that no subscription made, with its items. Raises StripeError."""
    old = act.backend.invoice(id)
    if old.status != "draft":
        raise refusal("invoice_not_editable", "You can only delete draft invoices.")
    if old.billing_reason != "manual":
        raise refusal("invoice_not_editable", "You can't delete invoices created by subscriptions.")
    for item in [item for item in act.backend.books[old.customer].invoice_items.values() if item.invoice == id]:
        act.remove(item)
    act.remove(old)
    act.emit("invoice.deleted", old)
    return Deleted(id, "invoice")


def send(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Send an invoice, and finalise it first where it is a draft. Raises StripeError."""
    invoice = act.backend.invoice(id)
    if invoice.collection_method != "send_invoice":
        raise refusal("parameter_invalid", "You can only manually send an invoice if its collection method is 'send_invoice'.")
    invoices.require_status(invoice, "open", "draft", "uncollectible")
    if invoice.status == "draft":
        invoice = invoices.finalize(act, invoice)
        if invoice.status == "paid":
            subscriptions.invoice_paid(act, invoice)
    act.emit("invoice.sent", invoice)
    return act.backend.invoice(id)
