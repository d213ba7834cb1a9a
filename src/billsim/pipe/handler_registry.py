"""Which Stripe events have a handler, where each is routed, and what it is resolved to an account by. One table.

The first nine routes are the platform's own; the others are wake-ups without which truth would move unseen (a voided invoice, a charge).
"""

from __future__ import annotations

from typing import NamedTuple


class Handler(NamedTuple):
    """One row: the event's type, the engine's route, and the field of `data.object` that names the customer."""

    event_type: str
    route: str
    resolves_by: str = "customer"


_TABLE = (
    Handler("customer.subscription.updated", "subscriptions"),
    Handler("customer.subscription.deleted", "subscriptions"),
    Handler("invoice.paid", "dunning"),
    Handler("invoice.payment_failed", "dunning"),
    Handler("invoice.finalized", "dunning"),
    Handler("mandate.updated", "mandates", "payment_method"),
    Handler("setup_intent.succeeded", "mandates"),
    Handler("customer.updated", "customers", "id"),
    Handler("customer.source.updated", "customers"),
    Handler("invoice.voided", "dunning"),
    Handler("invoice.marked_uncollectible", "dunning"),
    Handler("credit_note.created", "dunning"),
    Handler("charge.succeeded", "ledger"),
    Handler("charge.failed", "ledger"),
    Handler("charge.refunded", "dunning"),
    Handler("charge.dispute.closed", "dunning"),
)

HANDLERS: dict[str, Handler] = {handler.event_type: handler for handler in _TABLE}
