"""Which Stripe events have a handler, where each is routed, what it is resolved to an account by, and what it may write. One table.

The first nine routes are the platform's own; the other eighteen are assumed: chosen from Stripe's event types (https://docs.stripe.com/api/events/types)
so that whatever moves the truth about an account is heard. An engine need not listen to all of them: an event that wakes nothing is handled, and
without effect.
"""

from __future__ import annotations

from typing import NamedTuple


class Handler(NamedTuple):
    """One row: the event's type, the engine's route, the field of `data.object` that leads to the customer, and the stores that may be written.

    A field `customer` or `id` holds the customer itself (of what was just detached, among the previous attributes); `payment_method` and `charge`
    name an object at Stripe that belongs to one. `may_write` names stores; `stripe_metadata` is metadata of customers and invoices, and `stripe`
    anything else there, such as the cancel of a subscription.
    """

    event_type: str
    route: str
    resolves_by: str
    may_write: tuple[str, ...]


_STATE = ("subs_dunning", "subs_account", "stripe_metadata", "cf_prod", "ope", "stripe")
_STATE_AND_LEDGER = (*_STATE, "billing_prod")
_LEDGER = ("billing_prod",)
_PROFILE = ("subs_account", "subs_customer")
_NOTHING: tuple[str, ...] = ()

_TABLE = (
    Handler("customer.subscription.updated", "subscriptions", "customer", _STATE),
    Handler("customer.subscription.deleted", "subscriptions", "customer", _STATE),
    Handler("invoice.paid", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("invoice.payment_failed", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("invoice.finalized", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("mandate.updated", "mandates", "payment_method", _NOTHING),
    Handler("setup_intent.succeeded", "mandates", "customer", _NOTHING),
    Handler("customer.updated", "customers", "id", _PROFILE),
    Handler("customer.source.updated", "customers", "customer", _PROFILE),
    Handler("customer.subscription.paused", "subscriptions", "customer", _STATE),
    Handler("customer.subscription.resumed", "subscriptions", "customer", _STATE),
    Handler("customer.subscription.pending_update_expired", "subscriptions", "customer", _STATE),
    Handler("invoice.voided", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("invoice.marked_uncollectible", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("invoice.payment_action_required", "dunning", "customer", _STATE),
    Handler("credit_note.created", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("charge.refunded", "dunning", "customer", _STATE_AND_LEDGER),
    Handler("charge.dispute.created", "dunning", "charge", _NOTHING),
    Handler("charge.dispute.closed", "dunning", "charge", _STATE_AND_LEDGER),
    Handler("charge.succeeded", "ledger", "customer", _LEDGER),
    Handler("charge.failed", "ledger", "customer", _LEDGER),
    Handler("refund.updated", "ledger", "charge", _LEDGER),
    Handler("payment_intent.requires_action", "payments", "customer", _NOTHING),
    Handler("payment_intent.processing", "payments", "customer", _STATE),
    Handler("setup_intent.setup_failed", "mandates", "customer", _NOTHING),
    Handler("payment_method.automatically_updated", "customers", "customer", _PROFILE),
    Handler("payment_method.detached", "customers", "customer", _PROFILE),
)

HANDLERS: dict[str, Handler] = {handler.event_type: handler for handler in _TABLE}
# What is looked up by a message's kind finds a string that is there already sooner than one that was just made.
KINDS = {event_type: f"stripe.{event_type}" for event_type in HANDLERS}
