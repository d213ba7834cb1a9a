"""Lines of invoices, and what waits to become one."""

from __future__ import annotations

from billsim.stripe.debits import CREDITED
from billsim.stripe.objects import Book, Invoice, InvoiceItem, LineItem, Price, SubscriptionItem
from billsim.stripe.pricing import DECIMAL
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import EMPTY_BOOK, book_of, decimal


def line_item(thing: LineItem, view: View) -> Rendered:
    """https://docs.stripe.com/api/invoice-line-item/object"""
    billed = view.find(thing.invoice or "")
    if not isinstance(billed, Invoice):
        return _rendered_line(thing, None, view, None)
    nth = next((nth for nth, line in enumerate(billed.lines.data) if line.id == thing.id), 0)
    return line_of(thing, nth, billed, book_of(view, billed.customer), view)


def line_of(thing: LineItem, nth: int, billed: Invoice, book: Book, view: View) -> Rendered:
    """The line in this place of an invoice."""
    return _rendered_line(thing, _item_of(thing, nth, book), view, billed, book)


def _rendered_line(thing: LineItem, item: SubscriptionItem | None, view: View, billed: Invoice | None, book: Book = EMPTY_BOOK) -> Rendered:
    period = thing.period
    proration = _is_proration(thing)
    return {
        "id": thing.id,
        "object": "line_item",
        "amount": thing.amount,
        "currency": thing.currency,
        "description": thing.description,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": thing.invoice,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "parent": _line_parent(thing, item, book),
        "period": {
            "end": period.end if period else (billed.period_end if billed else thing.created),
            "start": period.start if period else (billed.period_start if billed else thing.created),
        },
        "pretax_credit_amounts": [],
        "pricing": thing.says("pricing") or pricing(item.price if item is not None else None, thing.amount, thing.quantity),
        "quantity": thing.quantity,
        "quantity_decimal": decimal(thing.quantity),
        "subscription": thing.subscription,
        "subtotal": thing.amount,
        "taxes": [],
    }


def _item_of(thing: LineItem, nth: int, book: Book) -> SubscriptionItem | None:
    """The subscription's item that a line bills: the one it names, else the one in its place."""
    subscription = book.subscriptions.get(thing.subscription or "")
    if subscription is None:
        return None
    details, items = thing.parent.subscription_item_details if thing.parent else None, subscription.items.data
    if thing.parent is not None:
        named = details.subscription_item if details else None
        return next((item for item in items if item.id == named), None)
    return items[nth] if nth < len(items) else items[0] if items else None


def _is_proration(thing: LineItem) -> bool:
    parent = thing.parent
    details = (parent.subscription_item_details or parent.invoice_item_details) if parent else None
    return details is not None and details.proration


def _line_parent(thing: LineItem, item: SubscriptionItem | None, book: Book) -> Rendered | None:
    parent = thing.parent
    if parent is None:
        return _of_period(thing.subscription, item) if thing.subscription else None
    of_invoice_item, of_item = parent.invoice_item_details, parent.subscription_item_details
    return {
        "invoice_item_details": None
        if of_invoice_item is None
        else {
            "invoice_item": of_invoice_item.invoice_item or "",
            "proration": of_invoice_item.proration,
            "proration_details": {"credited_items": None},
            "subscription": of_invoice_item.subscription,
        },
        "subscription_item_details": None
        if of_item is None
        else {
            "invoice_item": of_item.invoice_item,
            "proration": of_item.proration,
            "proration_details": {"credited_items": _credited_lines(thing.says(CREDITED), book)},
            "subscription": of_item.subscription,
            "subscription_item": of_item.subscription_item or "",
        },
        "type": parent.type,
    }


def _credited_lines(debit: Rendered | None, book: Book) -> Rendered | None:
    """What was billed for the time that a line gives back, None where that waits for an invoice itself."""
    if debit is None:
        return None
    if debit["invoice"] is not None:
        return {"invoice": debit["invoice"], "invoice_line_items": [debit["line"]]}
    for invoice in book.invoices.values():
        for line in invoice.lines.data:
            details = line.parent.subscription_item_details if line.parent else None
            if details is not None and details.invoice_item == debit["key"]:
                return {"invoice": invoice.id, "invoice_line_items": [line.id]}
    return None


def _of_period(subscription: str, item: SubscriptionItem | None) -> Rendered:
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription,
        "subscription_item": item.id if item is not None else "",
    }
    return {"invoice_item_details": None, "subscription_item_details": details, "type": "subscription_item_details"}


def pricing(price: Price | None, amount: int, quantity: int | None) -> Rendered | None:
    """What a unit costs, by which price; where no price is known, what the amount makes of it."""
    if price is None:
        unit = amount // quantity if quantity and amount % quantity == 0 else amount
        return {"type": "price_details", "unit_amount_decimal": decimal(unit)}
    named = {"price": price.id, "product": price.product}
    return {"price_details": named, "type": "price_details", "unit_amount_decimal": price.says(DECIMAL) or decimal(price.unit_amount)}


def _proration_details(debit: Rendered | None) -> Rendered:
    """Of an item that gives back what was billed: on an invoice then, or still to come."""
    if debit is None:
        return {}
    lines = {"invoice": debit["invoice"], "invoice_line_items": [debit["line"]]}
    if debit["invoice"] is None:
        credited = {"invoice_item": debit["key"], "invoice_line_item_details": None, "type": "invoice_item"}
    else:
        credited = {"invoice_item": None, "invoice_line_item_details": lines, "type": "invoice_line_items"}
    return {"proration_details": {"credited_items": credited, "discount_amounts": []}}


def invoiceitem(thing: InvoiceItem, view: View) -> Rendered:
    """https://docs.stripe.com/api/invoiceitems/object"""
    owner = thing.parent.subscription_details if thing.parent else None
    book = view.book(thing.customer) or EMPTY_BOOK
    subscription = book.subscriptions.get(owner.subscription) if owner else None
    items = subscription.items.data if subscription else ()
    item = next((item for item in items if owner and item.id == owner.subscription_item), None)
    details = {"subscription": owner.subscription} if owner else None
    if details is not None and owner is not None and owner.subscription_item:
        details["subscription_item"] = owner.subscription_item
    return {
        "id": thing.id,
        "object": "invoiceitem",
        "amount": thing.amount,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "date": thing.date,
        "description": thing.description,
        "discountable": bool(thing.says("discountable", not thing.proration)),
        "discounts": [],
        "invoice": thing.invoice,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "net_amount": thing.amount,
        "parent": {"subscription_details": details, "type": "subscription_details"} if details else None,
        "period": {"end": thing.period.end, "start": thing.period.start},
        "pricing": thing.says("pricing") or pricing(item.price if item is not None else None, thing.amount, thing.quantity),
        "proration": thing.proration,
        **_proration_details(thing.says(CREDITED)),
        "quantity": thing.quantity,
        "quantity_decimal": decimal(thing.quantity),
        "tax_rates": [],
        "test_clock": view.test_clock(thing.customer),
    }
