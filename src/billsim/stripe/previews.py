"""What an invoice would be, without making it (https://docs.stripe.com/api/invoices/create_preview)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import changes, invoice_items, invoices, updates
from billsim.stripe.backend import Act
from billsim.stripe.changes import Change
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, ItemList, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, refusal
from billsim.stripe.periods import next_period_of
from billsim.stripe.prorations import prorations
from billsim.stripe.subscriptions import ENDED

PREVIEW: Types = {"customer": str, "subscription": str, "subscription_details": dict}
_DETAILS: Types = {**changes.PARAMS, "cancel_now": bool}


def create_preview(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """The next invoice of a subscription; with `subscription_details` as it would be after such a change: the change's own invoice where it has one.

    Raises StripeError as the change would, and 404 `invoice_upcoming_none` where nothing is to be billed.
    """
    details = params.get("subscription_details") or {}
    check(details, _DETAILS)
    subscription = act.backend.subscription(params["subscription"])
    if subscription.status in ENDED or (subscription.cancel_at_period_end and not details):
        raise refusal("invoice_upcoming_none", f"No upcoming invoices for subscription {subscription.id}.", 404)
    if params.get("customer", subscription.customer) != subscription.customer:
        raise refusal("resource_missing", f"Customer {params['customer']} has no subscription {subscription.id}.")
    if details.get("cancel_now"):
        return _of_the_end(act, subscription, details)
    change = changes.change_of(act.backend, subscription, details, act.task)
    if change is not None and change.bills:
        return _of_the_change(act, subscription, change)
    return _of_the_next_period(act, subscription, change)


def _of_the_change(act: Act, subscription: Subscription, change: Change) -> Invoice:
    items = [*invoice_items.drawn_up(subscription, change.prorations, act.now_s), *updates.swept(act, subscription, change)]
    return _upcoming(act, subscription, change.items if change.resets else (), items, "subscription_update", act.now_s)


def _of_the_next_period(act: Act, subscription: Subscription, change: Change | None) -> Invoice:
    now = act.now_s
    held, settled = (change.items, change.prorations) if change is not None else (subscription.items.data, ())
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    anchor = change.anchor if change is not None else subscription.billing_cycle_anchor
    items = [next_period_of(item, anchor) for item in held]
    return _upcoming(
        act, subscription, tuple(items), [*invoice_items.drawn_up(subscription, settled, now), *waiting], "upcoming", held[0].current_period_end
    )


def _of_the_end(act: Act, subscription: Subscription, details: dict[str, Any]) -> Invoice:
    settled = () if details.get("proration_behavior") == "none" else prorations(subscription.items.data, (), act.now_s, ends=True)
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    items = [*invoice_items.drawn_up(subscription, settled, act.now_s), *waiting]
    return _upcoming(act, subscription, (), items, "subscription_cancel", act.now_s)


def _upcoming(
    act: Act, subscription: Subscription, periods: tuple[SubscriptionItem, ...], items: list[InvoiceItem], reason: str, at_s: int
) -> Invoice:
    id = f"upcoming_in_{stem(subscription.id)}"
    lines = [*invoices.lines_of(periods, id, act.now_s), *invoices.lines_of_items(items, id, len(periods))]
    drawn = replace(subscription, items=ItemList(periods or subscription.items.data))
    return invoices.less_balance(act, invoices.drawn_up(drawn, id, reason, lines, act.now_s, start=at_s, end=at_s))
