"""What an invoice would be, without making it (https://docs.stripe.com/api/invoices/create_preview)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from billsim.stripe import beginnings, changes, invoice_items, invoices, updates
from billsim.stripe.backend import Act
from billsim.stripe.changes import Change
from billsim.stripe.item_terms import CHANGED, amount_of, period_of
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, InvoiceItemParent, ItemList, ItemOwner, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, nested, refusal
from billsim.stripe.periods import next_periods, whole_of
from billsim.stripe.prorations import prorations
from billsim.stripe.subscriptions import ENDED

PREVIEW: Types = {
    "customer": str,
    "subscription": str,
    "subscription_details": dict,
    "invoice_items": list,
    "preview_mode": ("next", "recurring"),
    "currency": str,
}
_DETAILS: Types = {**changes.PARAMS, "cancel_now": bool, "cancel_at_period_end": bool, "metadata": dict}
_ITEM: Types = {"invoiceitem": str, "currency": str, **CHANGED}


def create_preview(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """The next invoice of a subscription; with `subscription_details` as it would be after such a change: the change's own invoice where it has one.
    Without a `subscription` the first invoice of one with these items, or, where there are none, the next that the customer gets.

    Raises StripeError as the change would, and 404 `invoice_upcoming_none` where nothing is to be billed.
    """
    details = params.get("subscription_details") or {}
    if not params.get("subscription") and not params.get("customer"):
        raise refusal("parameter_missing", "You must specify one of these parameters: subscription, customer.", param="customer")
    if not params.get("subscription") and details.get("items"):
        return _of_the_beginning(act, params, details)
    check(details, _DETAILS, within="subscription_details")
    subscription = act.backend.subscription(params["subscription"]) if params.get("subscription") else _next_of(act, params["customer"])
    if subscription.status in ENDED or (subscription.cancel_at_period_end and not details):
        raise refusal("invoice_upcoming_none", f"No upcoming invoices for subscription {subscription.id}.", 404)
    if params.get("customer", subscription.customer) != subscription.customer:
        raise refusal("resource_missing", f"Customer {params['customer']} has no subscription {subscription.id}.", param="subscription")
    added = _added(act, subscription, params)
    if details.get("cancel_now"):
        return _of_the_end(act, subscription, details, added)
    change = changes.change_of(act.backend, subscription, details, act.task)
    if params.get("preview_mode") == "recurring":
        held = change.items if change is not None else subscription.items.data
        return _upcoming(act, subscription, held, [], "upcoming", held[0].current_period_end)
    if change is not None and change.bills:
        return _of_the_change(act, subscription, change, added)
    return _of_the_next_period(act, subscription, change, added)


def _next_of(act: Act, customer: str) -> Subscription:
    act.backend.customer(customer)
    held: list[Subscription] = [each for each in act.backend.every("subscription", customer) if each.status not in (*ENDED, "incomplete", "paused")]
    if not held:
        raise refusal("invoice_upcoming_none", f"No upcoming invoices for customer: {customer}", 404)
    return min(held, key=lambda each: each.items.data[0].current_period_end)


def _added(act: Act, subscription: Subscription, params: dict[str, Any]) -> list[InvoiceItem]:
    items = []
    for index, wanted in enumerate(params.get("invoice_items") or ()):
        path = f"invoice_items[{index}]"
        check(wanted, _ITEM, within=path)
        if wanted.get("invoiceitem"):
            raise refusal("not_simulated", "billsim does not simulate changed invoice items in previews.", param=nested(path, "invoiceitem"))
        quantity = wanted.get("quantity", 1)
        amount, _ = amount_of(act, wanted, subscription.currency, quantity, path)
        item = InvoiceItem(
            id=f"ii_added_{index}",
            created=act.now_s,
            customer=subscription.customer,
            amount=amount,
            currency=subscription.currency,
            date=act.now_s,
            period=period_of(wanted, act.now_s),
            description=wanted.get("description") or None,
            quantity=quantity,
            parent=InvoiceItemParent(ItemOwner(subscription.id)),
        )
        items.append(item)
    return items


def _of_the_beginning(act: Act, params: dict[str, Any], details: dict[str, Any]) -> Invoice:
    known = {name: value for name, value in details.items() if name in beginnings.CREATE and name != "customer"}
    anchor = known.pop("billing_cycle_anchor", None)
    if isinstance(anchor, dict) and anchor.get("timestamp"):
        known["billing_cycle_anchor"] = anchor["timestamp"]
    subscription, terms = beginnings.drawn_up(act, "", {**known, "customer": params["customer"]})
    items = [*invoice_items.waiting(act.backend.books[subscription.customer], subscription.id), *_added(act, subscription, params)]
    periods = subscription.items.data if terms.bills else ()
    return _upcoming(act, subscription, periods, items, "subscription_create", act.now_s, free=terms.free, whole_s=terms.whole_s)


def _of_the_change(act: Act, subscription: Subscription, change: Change, added: Sequence[InvoiceItem]) -> Invoice:
    items = [*invoice_items.drawn_up(subscription, change.prorations, act.now_s), *updates.swept(act, subscription, change), *added]
    periods = change.items if change.resets else ()
    return _upcoming(act, subscription, periods, items, "subscription_update", act.now_s, free=change.begins_trial)


def _of_the_next_period(act: Act, subscription: Subscription, change: Change | None, added: Sequence[InvoiceItem]) -> Invoice:
    now = act.now_s
    held, settled = (change.items, change.prorations) if change is not None else (subscription.items.data, ())
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    anchor = change.anchor if change is not None else subscription.billing_cycle_anchor
    periods, whole_s = next_periods(subscription, held, anchor)
    items = [*invoice_items.drawn_up(subscription, settled, now), *waiting, *added]
    return _upcoming(act, subscription, periods, items, "upcoming", held[0].current_period_end, whole_s=whole_s)


def _of_the_end(act: Act, subscription: Subscription, details: dict[str, Any], added: Sequence[InvoiceItem]) -> Invoice:
    whole_s, settles = whole_of(subscription), details.get("proration_behavior") != "none"
    settled = prorations(subscription.items.data, (), act.now_s, ends=True, whole_s=whole_s) if settles else ()
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    items = [*invoice_items.drawn_up(subscription, settled, act.now_s), *waiting, *added]
    return _upcoming(act, subscription, (), items, "subscription_cancel", act.now_s)


def _upcoming(
    act: Act,
    subscription: Subscription,
    periods: tuple[SubscriptionItem, ...],
    items: Sequence[InvoiceItem],
    reason: str,
    at_s: int,
    *,
    free: bool = False,
    whole_s: int = 0,
) -> Invoice:
    id = f"upcoming_in_{stem(subscription.id)}"
    lines = [*invoices.lines_of(act, periods, id, free=free, whole_s=whole_s), *invoices.lines_of_items(items, id, len(periods))]
    drawn = replace(subscription, items=ItemList(periods or subscription.items.data))
    return invoices.less_balance(act, invoices.drawn_up(drawn, id, reason, lines, act.now_s, start=at_s, end=at_s))
