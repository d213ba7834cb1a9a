"""Subscriptions (https://docs.stripe.com/api/subscriptions): how their status follows their invoices, and what may be changed by request."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import invoices
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.objects import Invoice, ItemList, Subscription, SubscriptionItem, SubscriptionStatus
from billsim.stripe.params import Types, check, merged_metadata, refusal

UPDATE: Types = {"metadata": dict, "default_payment_method": str, "cancel_at_period_end": bool, "items": list, "proration_behavior": ("none",)}
CANCEL: Types = {"invoice_now": bool, "prorate": bool}
LIST: Types = {"status": ("all", "incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused")}
_ITEM: Types = {"id": str, "price": str, "quantity": int}
_ENDED = ("canceled", "incomplete_expired")


def set_status(act: Act, subscription: Subscription, status: SubscriptionStatus) -> None:
    """A new status, and its event; nothing where it has it."""
    if subscription.status != status:
        act.update("customer.subscription.updated", subscription, status=status)


def invoice_failed(act: Act, invoice: Invoice) -> None:
    """A scheduled attempt, or a due date, has passed without the money. Only the latest invoice moves the status."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.status in ("active", "trialing"):
        set_status(act, subscription, "past_due")


def invoice_paid(act: Act, invoice: Invoice) -> None:
    """The latest invoice is paid, which makes the subscription active; older ones may still be owed."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.status in ("incomplete", "past_due", "unpaid"):
        set_status(act, subscription, "active")


def invoice_written_off(act: Act, invoice: Invoice) -> None:
    """The latest invoice was marked uncollectible by request: a past due subscription is active again."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.status == "past_due":
        set_status(act, subscription, "active")


def invoice_voided(act: Act, invoice: Invoice) -> None:
    """With the latest invoice void, the one before it decides; an incomplete subscription whose first invoice is void has expired."""
    subscription = _billed_by(act, invoice)
    if subscription is None:
        return
    if subscription.status == "incomplete":
        act.update("customer.subscription.updated", subscription, status="incomplete_expired", ended_at=act.now_s)
    elif subscription.status in ("past_due", "unpaid") and not _owes_before(act, invoice):
        set_status(act, subscription, "active")


def _owes_before(act: Act, invoice: Invoice) -> bool:
    book = act.backend.books[invoice.customer]
    others = [i for i in book.invoices.values() if i.subscription == invoice.subscription and i.status not in ("void", "draft")]
    return bool(others) and max(others, key=lambda i: i.created).status == "open"


def _billed_by(act: Act, invoice: Invoice) -> Subscription | None:
    """The subscription of which this is the latest invoice, if it has not ended."""
    book = act.backend.books[invoice.customer]
    subscription = book.subscriptions.get(invoice.subscription or "")
    if subscription is None or subscription.status in _ENDED or subscription.latest_invoice not in (invoice.id, None):
        return None
    return subscription


def give_up(act: Act, invoice: Invoice) -> None:
    """The final action of the retry schedule, which Stripe skips where the latest invoice is paid."""
    book = act.backend.books[invoice.customer]
    subscription = book.subscriptions.get(invoice.subscription or "")
    if subscription is None or subscription.status in (*_ENDED, "incomplete"):
        return
    latest = book.invoices.get(subscription.latest_invoice or "")
    if latest is not None and latest.status == "paid":
        return
    action = act.backend.settings.final_subscription
    if action == "cancel":
        end(act, subscription)
    elif action == "mark_unpaid":
        set_status(act, subscription, "unpaid")
    else:
        invoice_failed(act, invoice)


def end(act: Act, subscription: Subscription) -> Subscription:
    """Cancel: for good, and what is owed stays owed."""
    moments = {"canceled_at": act.now_s, "ended_at": act.now_s}
    canceled: Subscription = act.put(replace(subscription, status="canceled", **moments))
    act.emit("customer.subscription.deleted", canceled)
    invoices.stop_collecting(act, subscription.id, subscription.customer)
    return canceled


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Raises StripeError (404)."""
    return act.backend.subscription(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Subscriptions, newest first: those not canceled, unless `status` asks for others."""
    status = params.get("status")
    given = {**params, "status": None if status == "all" else status}
    return page(act.backend, "subscription", given, ("status",), "/v1/subscriptions", without="" if status else "canceled")


def cancel(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Cancel now. Raises StripeError (404, as Stripe does) for one that has ended."""
    subscription = act.backend.subscription(id)
    if subscription.status in _ENDED:
        raise refusal("resource_missing", f"No such subscription: {id!r} has ended.", 404)
    if params.get("invoice_now") or params.get("prorate"):
        raise refusal("parameter_invalid", "invoice_now and prorate: a cancelled period is not billed.")
    return end(act, subscription)


def update(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Set what is given; another price or quantity counts from the next period. Raises StripeError."""
    old = act.backend.subscription(id)
    if old.status in _ENDED:
        raise refusal("subscription_canceled", f"Subscription {id} has ended: only a new one can be made.")
    fields: dict[str, Any] = {}
    if "default_payment_method" in params:
        method = params["default_payment_method"] or None
        fields["default_payment_method"] = act.backend.owned_method(old.customer, method) if method else None
    if "cancel_at_period_end" in params:
        fields["cancel_at_period_end"] = params["cancel_at_period_end"]
        fields["canceled_at"] = act.now_s if params["cancel_at_period_end"] else None
    if params.get("items"):
        if params.get("proration_behavior") != "none":
            raise refusal("parameter_missing", "Changed items need proration_behavior=none: proration is not simulated.")
        fields["items"] = ItemList(_changed_items(act, old, params["items"]))
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    updated: Subscription = act.update("customer.subscription.updated", old, **fields)
    return updated


def _changed_items(act: Act, subscription: Subscription, changes: list[dict[str, Any]]) -> tuple[SubscriptionItem, ...]:
    items = {item.id: item for item in subscription.items.data}
    for change in changes:
        check(change, _ITEM, ("id",))
        item = items.get(change["id"])
        if item is None:
            raise refusal("resource_missing", f"No such subscription item: {change['id']!r}.")
        price = act.backend.price(change["price"]) if "price" in change else item.price
        items[item.id] = replace(item, price=price, quantity=change.get("quantity", item.quantity))
    return tuple(items.values())
