"""What a change of a subscription's items, period or trial comes to: its items afterwards, what settles it, and whether it is billed at once.

As in Stripe's classic billing mode: prices of one subscription share their interval, and another interval, or the first price above zero, begins a
new period now (https://docs.stripe.com/billing/subscriptions/billing-mode/compare). Credits are reckoned at an item's present price and quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe.backend import Backend
from billsim.stripe.naming import stem
from billsim.stripe.objects import Recurring, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, refusal
from billsim.stripe.periods import period_end
from billsim.stripe.prorations import Proration, prorations

PRORATION_BEHAVIORS = ("create_prorations", "always_invoice", "none")
PARAMS: Types = {
    "items": list,
    "proration_behavior": PRORATION_BEHAVIORS,
    "proration_date": int,
    "billing_cycle_anchor": ("now", "unchanged"),
    "trial_end": int | str,
}
_ITEM: Types = {"id": str, "price": str, "quantity": int, "deleted": bool}
NOW = "now"


class Change(NamedTuple):
    """What becomes of a subscription. Instants are unix seconds.

    `resets`: a period begins now, and is billed now. `bills`: an invoice is made now; else `prorations` wait for the next one.
    """

    items: tuple[SubscriptionItem, ...]
    prorations: tuple[Proration, ...]
    resets: bool
    bills: bool
    anchor: int
    trial_end: int | None


def change_of(backend: Backend, subscription: Subscription, params: Mapping[str, Any], task: str) -> Change | None:
    """The change that a request asks for, None where it asks for none of items, period and trial. Raises StripeError."""
    if not (params.get("items") or params.get("billing_cycle_anchor") == NOW or params.get("trial_end")):
        return None
    if subscription.status == "incomplete":
        raise refusal("subscription_payment_intent_requires_action", f"Subscription {subscription.id} is incomplete: its first invoice comes first.")
    now, old = backend.now_s, subscription.items.data
    wanted = _wanted(backend, subscription, params.get("items") or (), task)
    trial_end = _trial_end(subscription, params.get("trial_end"), now)
    at = _proration_date(subscription, params.get("proration_date"), now)
    behaviour = params.get("proration_behavior", "create_prorations")
    ends_trial, in_trial = params.get("trial_end") == NOW, subscription.status == "trialing"
    if in_trial and not ends_trial:
        return Change(_ending(wanted, trial_end or 0), (), False, False, trial_end or 0, trial_end)
    resets = ends_trial or params.get("billing_cycle_anchor") == NOW or _begins_anew(old, wanted)
    settled = () if in_trial or behaviour == "none" else prorations(old, wanted, at, ends=resets)
    if resets:
        return Change(_beginning(wanted, now), settled, True, True, now, trial_end)
    return Change(wanted, settled, False, bool(settled) and behaviour == "always_invoice", subscription.billing_cycle_anchor, trial_end)


def _wanted(backend: Backend, subscription: Subscription, changes: Any, task: str) -> tuple[SubscriptionItem, ...]:
    items = {item.id: item for item in subscription.items.data}
    for change in changes:
        check(change, _ITEM)
        id = change.get("id")
        if id is None:
            added = _added(backend, subscription, change, items, task)
            items[added.id] = added
        elif id not in items:
            raise refusal("resource_missing", f"No such subscription item: {id!r}.")
        elif change.get("deleted"):
            del items[id]
        else:
            price = backend.price(change["price"]) if "price" in change else items[id].price
            items[id] = replace(items[id], price=price, quantity=_quantity(change, items[id].quantity))
    wanted = tuple(items.values())
    _check_together(wanted, subscription)
    return wanted


def _added(backend: Backend, subscription: Subscription, change: Mapping[str, Any], items: Mapping[str, Any], task: str) -> SubscriptionItem:
    check(change, _ITEM, ("price",))
    first, name, nth = subscription.items.data[0], f"si_{stem(subscription.id)}.{short(task)}", 2
    id = name
    while id in items:
        id, nth = f"{name}#{nth}", nth + 1
    return SubscriptionItem(
        id=id,
        created=backend.now_s,
        livemode=subscription.livemode,
        price=backend.price(change["price"]),
        quantity=_quantity(change, 1),
        subscription=subscription.id,
        current_period_start=first.current_period_start,
        current_period_end=first.current_period_end,
    )


def _quantity(change: Mapping[str, Any], default: int) -> int:
    quantity: int = change.get("quantity", default)
    if quantity < 0:
        raise refusal("parameter_invalid_integer", "Invalid quantity: must be 0 or more.")
    return quantity


def _check_together(items: tuple[SubscriptionItem, ...], subscription: Subscription) -> None:
    if not items:
        raise refusal("parameter_invalid", f"A subscription must have at least one item; cancel {subscription.id} instead.")
    first, prices = items[0].price, [item.price.id for item in items]
    for item in items:
        if item.price.recurring != first.recurring:
            raise refusal("parameter_invalid", "All prices of a subscription must have the same interval and interval_count.")
        if item.price.currency != subscription.currency:
            raise refusal("parameter_invalid", f"The price {item.price.id} is in {item.price.currency}, the subscription in {subscription.currency}.")
        if prices.count(item.price.id) > 1:
            raise refusal("parameter_invalid", f"The price {item.price.id} already has an item in {subscription.id}: change its quantity.")


def _trial_end(subscription: Subscription, given: Any, now_s: int) -> int | None:
    if not given:
        return subscription.trial_end
    if subscription.status != "trialing":
        raise refusal("parameter_invalid", f"{subscription.id} is {subscription.status}: a trial is only moved or ended while it runs.")
    if given == NOW:
        return now_s
    if not isinstance(given, int) or isinstance(given, bool) or given <= now_s:
        raise refusal("parameter_invalid", "Invalid trial_end: it must be an instant in the future, or 'now'.")
    return given


def _proration_date(subscription: Subscription, given: int | None, now_s: int) -> int:
    if given is None:
        return now_s
    item = subscription.items.data[0]
    if not item.current_period_start <= given <= item.current_period_end:
        raise refusal("parameter_invalid", "Cannot specify proration_date outside of the current period.")
    return given


def _begins_anew(old: tuple[SubscriptionItem, ...], new: tuple[SubscriptionItem, ...]) -> bool:
    """Another interval, or the first price above zero."""
    was_free, is_free = (all([not item.price.unit_amount for item in items]) for items in (old, new))
    return old[0].price.recurring != new[0].price.recurring or (was_free and not is_free)


def _beginning(items: tuple[SubscriptionItem, ...], now_s: int) -> tuple[SubscriptionItem, ...]:
    ends = period_end(items[0].price.recurring or Recurring(), now_s, now_s)
    return tuple([replace(item, current_period_start=now_s, current_period_end=ends) for item in items])


def _ending(items: tuple[SubscriptionItem, ...], end_s: int) -> tuple[SubscriptionItem, ...]:
    return tuple([replace(item, current_period_end=end_s) for item in items])
