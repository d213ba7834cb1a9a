"""The lines of a draft (https://docs.stripe.com/api/invoice-line-item): told, changed, added and taken away by request.

What is added is an invoice item of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import descriptions, invoice_items, pricing
from billsim.stripe.backend import Act
from billsim.stripe.item_terms import CHANGED, KEPT, amount_of, changed, period_of, priced
from billsim.stripe.lists import Page, page_of
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, LineItem, LineList, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, nested, refusal

LINES: Types = {"lines": list, "invoice_metadata": dict}
UPDATE: Types = {"invoice": str, **CHANGED}
_ADDED: Types = {"invoice_item": str, **CHANGED}
_NAMED: Types = {"id": str, **CHANGED}
_REMOVED: Types = {"id": str, "behavior": ("delete", "unassign")}


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """The lines of the invoice `invoice`, in their order. Raises StripeError."""
    invoice = act.backend.invoice(params["invoice"])
    # A list is told newest first, an invoice's lines are in their own order.
    placed = [replace(line, created=-place) for place, line in enumerate(invoice.lines.data)]
    told = page_of(act.backend, placed, params, f"/v1/invoices/{invoice.id}/lines")
    by_id = {line.id: line for line in invoice.lines.data}
    return Page(tuple([by_id[line.id] for line in told.data]), told.has_more, told.url)


def update(act: Act, id: str, params: dict[str, Any]) -> LineItem:
    """Change a line of the draft `invoice`, and the item that it is of. Raises StripeError."""
    invoice = draft_for(act, params["invoice"])
    given = {name: value for name, value in params.items() if name != "invoice"}
    return _line_of(_told(act, invoice, _changed(act, invoice, id, given, "")), id)


def add_lines(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Add lines to a draft: of items that wait, or of new ones. Raises StripeError."""
    invoice, made, taken = draft_for(act, id), [], []
    for index, wanted in enumerate(params["lines"]):
        path = f"lines[{index}]"
        check(wanted, _ADDED, within=path)
        if wanted.get("invoice_item"):
            taken.append(_waiting(act, invoice, wanted["invoice_item"], path))
        else:
            made.append(_new_item(act, invoice, wanted, f"ii_{stem(id)}.{short(f'{act.task}/{path}')}", path))
    items = [*taken, *invoice_items.make(act, made)]
    return append(act, _with_metadata(act, invoice, params), items)


def update_lines(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Change lines of a draft. Raises StripeError."""
    invoice = draft_for(act, id)
    drafted = invoice
    for index, wanted in enumerate(params["lines"]):
        check(wanted, _NAMED, ("id",), within=f"lines[{index}]")
        given = {name: value for name, value in wanted.items() if name != "id"}
        drafted = _changed(act, drafted, wanted["id"], given, f"lines[{index}]")
    return _with_metadata(act, _told(act, invoice, drafted), params)


def remove_lines(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Take lines away from a draft; their items are deleted, or wait again where they are unassigned. Raises StripeError."""
    invoice, removed = draft_for(act, id), []
    for index, wanted in enumerate(params["lines"]):
        path = f"lines[{index}]"
        check(wanted, _REMOVED, ("id", "behavior"), within=path)
        item = item_of(_line_of(invoice, wanted["id"], nested(path, "id")))
        if item is None:
            message = f"The line {wanted['id']} is of a subscription's period: only lines of invoice items can be removed."
            raise refusal("parameter_invalid", message, param=nested(path, "id"))
        removed.append((act.backend.found("invoiceitem", item), wanted["behavior"]))
    updated = without(act, _with_metadata(act, invoice, params), [item.id for item, _ in removed])
    for item, behavior in removed:
        if behavior == "delete":
            act.remove(item)
            act.emit("invoiceitem.deleted", item)
        else:
            act.put(replace(item, invoice=None))
    return updated


# -- what invoice items do to a draft


def draft_for(act: Act, id: str, customer: str | None = None) -> Invoice:
    """The draft of this id. Raises StripeError where it is none, or another customer's."""
    invoice = act.backend.invoice(id)
    if customer is not None and invoice.customer != customer:
        raise refusal("resource_missing", f"Customer {customer} has no invoice {id}.", param="invoice")
    if invoice.status != "draft":
        raise refusal("invoice_not_editable", f"Finalized invoices can't be updated in this way: {id} is {invoice.status}.", param="invoice")
    return invoice


def item_of(line: LineItem) -> str | None:
    """The invoice item that a line is of, None for a period of a subscription."""
    if line.parent is None:
        return None
    details = line.parent.invoice_item_details or line.parent.subscription_item_details
    return details.invoice_item if details is not None else None


def append(act: Act, invoice: Invoice, items: Sequence[InvoiceItem]) -> Invoice:
    """Put items on a draft, as its last lines."""
    last = max([int(tail) if (tail := line.id.rpartition(".")[2]).isdecimal() else 1 for line in invoice.lines.data], default=0)
    prefix = f"il_{stem(invoice.id)}"
    lines = [invoice_items.line_of(item, f"{prefix}.{last + nth}", invoice.id) for nth, item in enumerate(items, 1)]
    invoice_items.taken(act, items, invoice)
    return _told(act, invoice, replace(invoice, lines=LineList((*invoice.lines.data, *lines))))


def without(act: Act, invoice: Invoice, items: Iterable[str]) -> Invoice:
    """Take the lines of these items off a draft."""
    gone = frozenset(items)
    kept = tuple([line for line in invoice.lines.data if item_of(line) not in gone])
    return _told(act, invoice, replace(invoice, lines=LineList(kept)))


def rewrite(act: Act, invoice: Invoice, item: InvoiceItem) -> Invoice:
    """Tell on a draft what an item has become."""
    lines = [invoice_items.line_of(item, line.id, invoice.id) if item_of(line) == item.id else line for line in invoice.lines.data]
    return _told(act, invoice, replace(invoice, lines=LineList(tuple(lines))))


def _told(act: Act, old: Invoice, new: Invoice) -> Invoice:
    total = sum([line.amount for line in new.lines.data])
    due = max(total, 0)
    told: Invoice = act.update(
        "invoice.updated", old, lines=new.lines, subtotal=total, total=total, amount_due=due, amount_remaining=due, metadata=new.metadata
    )
    return told


def _with_metadata(act: Act, invoice: Invoice, params: Mapping[str, Any]) -> Invoice:
    updated: Invoice = act.update("invoice.updated", invoice, metadata=merged_metadata(invoice.metadata, params.get("invoice_metadata")))
    return updated


def _line_of(invoice: Invoice, id: str, param: str = "id") -> LineItem:
    for line in invoice.lines.data:
        if line.id == id:
            return line
    raise refusal("resource_missing", f"No such invoice line item: {id!r}", 404, param=param)


def _changed(act: Act, invoice: Invoice, id: str, given: Mapping[str, Any], path: str) -> Invoice:
    """The draft with one line changed; the item behind it is changed too."""
    line = _line_of(invoice, id, nested(path, "id") if path else "id")
    owner = item_of(line)
    if owner is not None:
        item = changed(act, act.backend.found("invoiceitem", owner), given)
        act.put(item)
        new = invoice_items.line_of(item, id, invoice.id)
    else:
        new = _of_the_period(line, given)
    return replace(invoice, lines=LineList(tuple([new if each.id == id else each for each in invoice.lines.data])))


def _of_the_period(line: LineItem, given: Mapping[str, Any]) -> LineItem:
    for name in given:
        if name not in ("amount", "description", "metadata", "discountable"):
            raise refusal("parameter_invalid", f"The line {line.id} is of a subscription's period: its {name} is the subscription's.", param=name)
    fields: dict[str, Any] = {"metadata": merged_metadata(line.metadata, given.get("metadata"))}
    if given.get("amount") is not None:
        fields["amount"] = given["amount"]
    if "description" in given:
        fields["description"] = given["description"] or None
    return replace(line, **fields)


def _waiting(act: Act, invoice: Invoice, id: str, path: str) -> InvoiceItem:
    item: InvoiceItem = act.backend.found("invoiceitem", id)
    param = nested(path, "invoice_item")
    if item.customer != invoice.customer or item.currency != invoice.currency:
        raise refusal("parameter_invalid", f"The invoice item {id} is not one of the invoice's customer and currency.", param=param)
    if item.invoice is not None:
        raise refusal("parameter_invalid", f"The invoice item {id} is already on the invoice {item.invoice}.", param=param)
    return item


def _new_item(act: Act, invoice: Invoice, wanted: Mapping[str, Any], id: str, path: str) -> InvoiceItem:
    quantity = wanted.get("quantity", 1)
    amount, price = amount_of(act, wanted, invoice.currency, quantity, path)
    pricing.keep(act, [price] if price is not None else [])
    return InvoiceItem(
        id=id,
        created=act.now_s,
        livemode=invoice.livemode,
        customer=invoice.customer,
        amount=amount,
        currency=invoice.currency,
        date=act.now_s,
        period=period_of(wanted, act.now_s),
        description=wanted.get("description") or (descriptions.of_product(act.backend, price) if price is not None else None) or None,
        quantity=quantity,
        metadata=merged_metadata({}, wanted.get("metadata")),
        kept=with_kept(kept_of(wanted, KEPT), priced(wanted, price)),
    )
