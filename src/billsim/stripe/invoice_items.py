"""Invoice items (https://docs.stripe.com/api/invoiceitems): amounts that wait for an invoice. Prorations are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import debits, descriptions, pricing
from billsim.stripe.backend import Act, Backend
from billsim.stripe.naming import stem
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
    Price,
    Subscription,
    with_kept,
)
from billsim.stripe.params import Types, check, merged_metadata, nested, refusal
from billsim.stripe.prorations import Proration

# What a line tells of the item that it is of.
_ON_LINES = frozenset({"pricing", "discountable", debits.CREDITED})
_ADDED: Types = {"price": str, "price_data": dict, "quantity": int, "metadata": dict, "discountable": bool}


def waiting(book: Book, subscription: str | None) -> list[InvoiceItem]:
    """The items that the next invoice of a subscription takes with it: its own, and those that belong to none."""
    if not book.invoice_items:
        return []
    return [item for item in book.invoice_items.values() if item.invoice is None and item.subscription in (None, subscription)]


def drawn_up(backend: Backend, subscription: Subscription, prorations: Iterable[Proration], now_s: int) -> list[InvoiceItem]:
    """The items that would settle a change."""
    return [_settles(backend, subscription, each, now_s, f"ii_{nth}") for nth, each in enumerate(prorations, 1)]


def settle(act: Act, subscription: Subscription, prorations: Iterable[Proration]) -> list[InvoiceItem]:
    """Make the items that settle a change; they wait for an invoice."""
    made = []
    for each in prorations:
        id = act.backend.free(f"ii_{stem(subscription.id)}.{short(act.task)}")
        drawn = _settles(act.backend, subscription, each, act.now_s, id)
        if act.backend.is_whole:
            drawn = replace(drawn, kept=with_kept(drawn.kept, {"pricing": pricing.details_of(each.item.price)}))
        item = act.put(drawn)
        act.emit("invoiceitem.created", item)
        made.append(item)
    return made


def _settles(backend: Backend, subscription: Subscription, proration: Proration, now_s: int, id: str) -> InvoiceItem:
    item, amount = proration.item, proration.amount
    told = descriptions.of_proration(backend, item, amount, proration.period.start) if amount else descriptions.of_trial(backend, subscription, item)
    return InvoiceItem(
        id=id,
        created=now_s,
        livemode=subscription.livemode,
        customer=subscription.customer,
        amount=amount,
        currency=item.price.currency,
        date=now_s,
        period=proration.period,
        description=told,
        quantity=item.quantity,
        proration=True,
        parent=InvoiceItemParent(ItemOwner(subscription.id, item.id)),
        kept=UNSET if proration.credited is None else {debits.CREDITED: proration.credited},
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
        metadata=item.metadata,
        kept=UNSET if item.kept is UNSET else {name: value for name, value in item.kept.items() if name in _ON_LINES},
    )


# -- what a subscription's change adds to its next invoice


def to_add(backend: Backend, subscription: Subscription, given: Sequence[Any], task: str) -> list[InvoiceItem]:
    """The items of `add_invoice_items`, drawn up. Raises StripeError."""
    items = []
    for index, wanted in enumerate(given):
        path = f"add_invoice_items[{index}]"
        check(wanted, _ADDED, within=path)
        price = pricing.price_for(backend, wanted, path, task, recurs=False)
        if price.currency != subscription.currency:
            message = f"The price {price.id} is in {price.currency}, the subscription in {subscription.currency}."
            raise refusal("parameter_invalid", message, param=nested(path, "price"))
        items.append(_added(backend, subscription, price, wanted, f"ii_{stem(subscription.id)}.{short(f'{task}/{path}')}"))
    return items


def _added(backend: Backend, subscription: Subscription, price: Price, wanted: Mapping[str, Any], id: str) -> InvoiceItem:
    quantity, now_s = wanted.get("quantity", 1), backend.now_s
    return InvoiceItem(
        id=id,
        created=now_s,
        customer=subscription.customer,
        amount=pricing.cost(price, quantity),
        currency=price.currency,
        date=now_s,
        period=Period(now_s, now_s),
        description=descriptions.of_product(backend, price) or None,
        quantity=quantity,
        parent=InvoiceItemParent(ItemOwner(subscription.id)),
        metadata=merged_metadata({}, wanted.get("metadata")),
        kept={"pricing": pricing.details_of(price)},
    )


def make(act: Act, items: Iterable[InvoiceItem]) -> list[InvoiceItem]:
    """Put items that were drawn up at Stripe."""
    made = []
    for item in items:
        made.append(act.put(item))
        act.emit("invoiceitem.created", item)
    return made
