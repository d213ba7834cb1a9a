"""Invoice items by request (https://docs.stripe.com/api/invoiceitems): made, changed and deleted while no invoice that is finalised holds them."""

from __future__ import annotations

from typing import Any

from billsim.stripe import descriptions, invoice_lines, pricing
from billsim.stripe.backend import Act
from billsim.stripe.item_terms import CHANGED, KEPT, amount_of, changed, period_of, priced
from billsim.stripe.lists import Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Deleted, Invoice, InvoiceItem, InvoiceItemParent, ItemOwner, with_kept
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

UPDATE: Types = {**CHANGED, "unit_amount_decimal": str}
CREATE: Types = {"customer": str, "currency": str, "invoice": str, "subscription": str, **UPDATE}
LIST: Types = {"invoice": str, "pending": bool}


def create(act: Act, id: str, params: dict[str, Any]) -> InvoiceItem:
    """An amount for the customer's next invoice, below zero to give back; with `invoice` for that draft. Raises StripeError."""
    backend = act.backend
    customer = backend.customer(params["customer"])
    subscription = backend.subscription(params["subscription"]) if params.get("subscription") else None
    if subscription is not None and subscription.customer != customer.id:
        raise refusal("resource_missing", f"Customer {customer.id} has no subscription {subscription.id}.", param="subscription")
    draft = invoice_lines.draft_for(act, params["invoice"], customer.id) if params.get("invoice") else None
    amount, price = amount_of(act, params, params.get("currency"), params.get("quantity", 1))
    currency = params.get("currency") or (price.currency if price is not None else "")
    if not currency:
        raise refusal("parameter_missing", "Missing required param: currency.", param="currency")
    if draft is not None and draft.currency != currency:
        raise refusal("parameter_invalid", f"The invoice {draft.id} is in {draft.currency}, not in {currency}.", param="currency")
    item = InvoiceItem(
        id=new_id(backend, "ii", id, act.task),
        created=act.now_s,
        customer=customer.id,
        amount=amount,
        currency=currency,
        date=act.now_s,
        period=period_of(params, act.now_s),
        description=params.get("description") or (descriptions.of_product(act.backend, price) if price is not None else None) or None,
        quantity=params.get("quantity", 1),
        parent=InvoiceItemParent(ItemOwner(subscription.id)) if subscription else None,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=with_kept(kept_of(params, KEPT), priced(params, price)),
    )
    pricing.keep(act, [price] if price is not None else [])
    act.put(item)
    act.emit("invoiceitem.created", item)
    if draft is not None:
        invoice_lines.append(act, draft, [item])
    return act.backend.found("invoiceitem", item.id)  # type: ignore[no-any-return]


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("invoiceitem", id)


def update(act: Act, id: str, params: dict[str, Any]) -> InvoiceItem:
    """Change an item that no finalised invoice holds, and the draft that it is on. Raises StripeError."""
    old: InvoiceItem = act.backend.found("invoiceitem", id)
    draft = _free(act, old)
    new = changed(act, old, params)
    act.put(new)
    if draft is not None:
        invoice_lines.rewrite(act, draft, new)
    return new


def _free(act: Act, item: InvoiceItem) -> Invoice | None:
    """The draft that an item is on, None where it waits. Raises StripeError."""
    invoice = act.backend.invoice(item.invoice) if item.invoice else None
    if invoice is not None and invoice.status != "draft":
        message = f"This invoice item is attached to the invoice {invoice.id}, which is finalized and can't be modified."
        raise refusal("invoice_not_editable", message)
    return invoice


def delete(act: Act, id: str, params: dict[str, Any]) -> Deleted:
    """Delete an item that no finalised invoice holds. Raises StripeError."""
    old: InvoiceItem = act.backend.found("invoiceitem", id)
    draft = _free(act, old)
    if draft is not None:
        invoice_lines.without(act, draft, [id])
    act.remove(old)
    act.emit("invoiceitem.deleted", old)
    return Deleted(id, "invoiceitem")


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Items of a customer or an invoice, or those that are `pending` or are not, newest first."""
    found = list(act.backend.every("invoiceitem", params.get("customer")))
    if params.get("invoice"):
        found = [item for item in found if item.invoice == params["invoice"]]
    if isinstance(params.get("pending"), bool):
        found = [item for item in found if (item.invoice is None) == params["pending"]]
    return page_of(act.backend, found, params, "/v1/invoiceitems")
