"""Pending updates: a change that applies once its invoice is paid, or comes to nothing (https://docs.stripe.com/billing/subscriptions/pending-updates)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billsim.core.time import DAY_S
from billsim.stripe import invoices
from billsim.stripe.backend import Act, Backend
from billsim.stripe.changes import Change
from billsim.stripe.objects import Invoice, ItemList, Subscription, SubscriptionItem, SubscriptionStatus
from billsim.stripe.params import merged_metadata

EXPIRES_S = DAY_S // 24 * 23


def held(subscription: Subscription, change: Change, metadata: Any, now_s: int) -> dict[str, Any]:
    """What a subscription keeps of a change that waits: until the period or the trial ends, at most 23 hours."""
    ends = [item.current_period_end for item in subscription.items.data] + ([subscription.trial_end] if subscription.trial_end else [])
    ahead = [end for end in ends if end > now_s]
    pending: dict[str, Any] = {"expires_at": min([*ahead, now_s + EXPIRES_S]), "subscription_items": change.items}
    if change.resets:
        pending["billing_cycle_anchor"] = change.anchor
    if metadata is not None:
        pending["metadata"] = metadata
    return pending


def waits_for(subscription: Subscription, invoice: str) -> bool:
    """Whether the subscription has an update that applies once this invoice is paid."""
    return subscription.pending_update is not None and subscription.latest_invoice == invoice


def apply(act: Act, subscription: Subscription, status: SubscriptionStatus) -> Subscription:
    """Its invoice is paid: the update applies, and the subscription has this status."""
    fields = _applied(subscription)
    updated: Subscription = act.update("customer.subscription.updated", subscription, pending_update=None, status=status, **fields)
    act.emit("customer.subscription.pending_update_applied", updated)
    return updated


def _applied(subscription: Subscription) -> dict[str, Any]:
    pending: Mapping[str, Any] = subscription.pending_update or {}
    fields: dict[str, Any] = {"metadata": merged_metadata(subscription.metadata, pending.get("metadata"))}
    items = tuple([item for item in pending.get("subscription_items") or () if isinstance(item, SubscriptionItem)])
    if items:
        fields["items"] = ItemList(items)
    if "billing_cycle_anchor" in pending:
        fields["billing_cycle_anchor"] = pending["billing_cycle_anchor"]
    return fields


def forget(act: Act, subscription: Subscription, *, expired: bool = False) -> Subscription:
    """The update is dropped, and its subscription stays as it is. `expired`: nobody asked for that."""
    updated: Subscription = act.update("customer.subscription.updated", subscription, pending_update=None)
    if expired:
        act.emit("customer.subscription.pending_update_expired", updated)
    return updated


def withdraw(act: Act, subscription: Subscription, *, expired: bool = False) -> Subscription:
    """The update is dropped and its invoice is void; one that has none is left alone."""
    if subscription.pending_update is None:
        return subscription
    invoice = _invoice_of(act.backend, subscription)
    if invoice is not None and invoice.status == "open":
        invoices.set_void(act, invoice)
    return forget(act, subscription, expired=expired)


def _invoice_of(backend: Backend, subscription: Subscription) -> Invoice | None:
    return backend.books[subscription.customer].invoices.get(subscription.latest_invoice or "")


def lapse(backend: Backend, id: str) -> None:
    """Nobody paid in time."""
    subscription = backend.subscription(id)
    invoice = subscription.latest_invoice or id
    with Act(backend, backend.own_task(invoice, "lapse"), "pending update", "lapse", f"{invoice}.lapse") as act:
        withdraw(act, subscription, expired=True)
