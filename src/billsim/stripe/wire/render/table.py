"""Which renderer is whose; and what is no object of its own: events, lists, what a deletion answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billsim.stripe.objects import Emitted, Event
from billsim.stripe.wire.render import account, catalogue, charges, credit_notes, customers, invoice_lines, invoices, methods, payments, subscriptions
from billsim.stripe.wire.render.balance import moved_by, mover
from billsim.stripe.wire.render.base import Include, Rendered, Renderer, View

RENDERERS: Mapping[str, Renderer] = {
    "balance_transaction": charges.balance_transaction,
    "card": methods.legacy_card,
    "charge": charges.charge,
    "credit_note": credit_notes.credit_note,
    "customer": customers.customer,
    "customer_balance_transaction": customers.balance_transaction,
    "dispute": charges.dispute,
    "invoice": invoices.invoice,
    "invoice_payment": invoices.invoice_payment,
    "invoiceitem": invoice_lines.invoiceitem,
    "line_item": invoice_lines.line_item,
    "mandate": methods.mandate,
    "payment_intent": payments.payment_intent,
    "payment_method": methods.payment_method,
    "price": catalogue.price,
    "product": catalogue.product,
    "refund": charges.refund,
    "setup_intent": payments.setup_intent,
    "source": methods.source,
    "subscription": subscriptions.subscription,
    "subscription_item": subscriptions.subscription_item,
    "test_helpers.test_clock": account.test_clock,
    "webhook_endpoint": account.webhook_endpoint,
}

INCLUDABLE: Mapping[str, Mapping[str, Include]] = {
    "charge": {"refunds": charges.refunds},
    "customer": {
        "cash_balance": customers.nothing,
        "invoice_credit_balance": customers.no_credit,
        "sources": customers.sources,
        "subscriptions": customers.subscriptions,
        "tax": customers.tax,
        "tax_ids": customers.tax_ids,
    },
    "invoice": {"confirmation_secret": invoices.confirmation_secret, "payments": invoices.payments},
    "price": {"currency_options": catalogue.currency_options},
}
"""By kind, the fields that Stripe leaves out unless they are asked for by `expand`."""


def render(thing: Any, view: View) -> Rendered:
    """`thing`, a lean object, an `Event` or an `Emitted`, with every field of its kind. Raises KeyError for a kind that has no renderer."""
    if isinstance(thing, Emitted | Event):
        return render_event(thing, view)
    return RENDERERS[thing.object](thing, view)


def included(thing: Any, name: str, view: View) -> Any:
    """The field `name` of a lean object, one of `INCLUDABLE[thing.object]`, as it is there once `expand` asks for it. Raises KeyError."""
    return INCLUDABLE[thing.object][name](thing, view)


def render_event(emitted: Emitted | Event, view: View) -> Rendered:
    """An event with its object as the API writes it. What is derived from the account is so as of now: render events as they are emitted."""
    return account.event(emitted.event if isinstance(emitted, Emitted) else emitted, render, view)


def find(id: str, view: View) -> Any | None:
    """The lean object of this id, also one that the account does not keep but has: the balance transaction of a charge or a refund."""
    found = view.find(id)
    if found is not None:
        return found
    moved = mover(id, view)
    return moved_by(moved) if moved is not None else None


def list_object(data: Sequence[Rendered], url: str, has_more: bool = False) -> Rendered:
    """Stripe's list object: one page of what is found at `url` (`/v1/customers`)."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def deleted(id: str, kind: str) -> Rendered:
    """What the deletion of an object answers, and what stands where an expanded object has been deleted."""
    return {"id": id, "object": kind, "deleted": True}
