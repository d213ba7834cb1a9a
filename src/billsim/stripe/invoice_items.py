"""Invoice items (https://docs.stripe.com/api/invoiceitems): amounts that wait for an invoice. Prorations are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.time import iso
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import (
    Book,
    Invoice,
    InvoiceItem,
    InvoiceItemParent,
    ItemDetails,
    ItemOwner,
    LineItem,
    LineParent,
    Period,
    Subscription,
)
from billsim.stripe.params import Types, check, merged_metadata, refusal
from billsim.stripe.prorations import Proration

CREATE: Types = {
    "customer": str, "amount": int, "currency": str, "description": str, "subscription": str, "quantity": int, "period": dict, "metadata": dict,
}  # fmt: skip
LIST: Types = {"invoice": str}
_PERIOD: Types = {"start": int, "end": int}


def waiting(book: Book, subscription: str | None) -> list[InvoiceItem]:
    """The items that the next invoice of a subscription takes with it: its own, and those that belong to none."""
    if not book.invoice_items:
        return []
    return [item for item in book.invoice_items.values() if item.invoice is None and item.subscription in (None, subscription)]


def drawn_up(subscription: Subscription, prorations: Iterable[Proration], now_s: int) -> list[InvoiceItem]:
    """The items that would settle a change."""
    return [_settles(subscription, each, now_s, f"ii_{nth}") for nth, each in enumerate(prorations, 1)]


def settle(act: Act, subscription: Subscription, prorations: Iterable[Proration]) -> list[InvoiceItem]:
    """Make the items that settle a change; they wait for an invoice."""
    made = []
    for each in prorations:
        id = act.backend.free(f"ii_{stem(subscription.id)}.{short(act.task)}")
        item = act.put(_settles(subscription, each, act.now_s, id))
        act.emit("invoiceitem.created", item)
        made.append(item)
    return made


def _settles(subscription: Subscription, proration: Proration, now_s: int, id: str) -> InvoiceItem:
    item = proration.item
    what = f"{'Unused' if proration.amount < 0 else 'Remaining'} time on {item.quantity} x {item.price.product}"
    return InvoiceItem(
        id=id,
        created=now_s,
        livemode=subscription.livemode,
        customer=subscription.customer,
        amount=proration.amount,
        currency=item.price.currency,
        date=now_s,
        period=proration.period,
        description=f"{what} after {iso(proration.period.start * 1000)[:10]}",
        quantity=item.quantity,
        proration=True,
        parent=InvoiceItemParent(ItemOwner(subscription.id, item.id)),
    )


def taken(act: Act, items: Iterable[InvoiceItem], invoice: Invoice) -> None:
    """The items are on an invoice now."""
    for item in items:
        act.put(replace(item, invoice=invoice.id))


def line_of(item: InvoiceItem, id: str, invoice: str) -> LineItem:
    """An item as a line of an invoice."""
    owner = item.parent.subscription_details if item.parent else None
    details = ItemDetails(item.subscription, owner.subscription_item if owner else None, item.id, item.proration)
    if item.proration:
        parent = LineParent("subscription_item_details", subscription_item_details=details)
    else:
        parent = LineParent("invoice_item_details", invoice_item_details=details)
    return LineItem(
        id=id,
        created=item.created,
        amount=item.amount,
        currency=item.currency,
        description=item.description,
        invoice=invoice,
        quantity=item.quantity,
        subscription=item.subscription,
        period=item.period,
        parent=parent,
    )


# -- by request


def create(act: Act, id: str, params: dict[str, Any]) -> InvoiceItem:
    """An amount for the customer's next invoice, below zero to give back. Raises StripeError."""
    customer = act.backend.customer(params["customer"])
    subscription = act.backend.subscription(params["subscription"]) if params.get("subscription") else None
    if subscription is not None and subscription.customer != customer.id:
        raise refusal("resource_missing", f"Customer {customer.id} has no subscription {subscription.id}.")
    check(period := params.get("period") or {"start": act.now_s, "end": act.now_s}, _PERIOD, ("start", "end"))
    item = InvoiceItem(
        id=new_id(act.backend, "ii", id, act.task),
        created=act.now_s,
        customer=customer.id,
        amount=params["amount"],
        currency=params["currency"],
        date=act.now_s,
        period=Period(**period),
        description=params.get("description") or None,
        quantity=params.get("quantity", 1),
        parent=InvoiceItemParent(ItemOwner(subscription.id)) if subscription else None,
        metadata=merged_metadata({}, params.get("metadata")),
    )
    act.put(item)
    act.emit("invoiceitem.created", item)
    return item


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("invoiceitem", id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Items of a customer or an invoice, newest first."""
    return page(act.backend, "invoiceitem", params, tuple(LIST), "/v1/invoiceitems")
