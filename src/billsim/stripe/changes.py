"""What a change of a subscription's items, period or trial comes to: its items afterwards, what settles it, and whether it is billed at once.

As in Stripe's classic billing mode: prices of one subscription share their interval, and another interval, or the first price above zero, begins a
new period now (https://docs.stripe.com/billing/subscriptions/billing-mode/compare). Credits are reckoned at an item's present price and quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import periods, pricing, terms
from billsim.stripe.backend import Backend
from billsim.stripe.naming import stem
from billsim.stripe.objects import Recurring, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, merged_metadata, nested, refusal
from billsim.stripe.periods import period_end
from billsim.stripe.prorations import Proration, moved_end, prorations

PRORATION_BEHAVIORS = ("create_prorations", "always_invoice", "none")
PARAMS: Types = {
    "items": list,
    "proration_behavior": PRORATION_BEHAVIORS,
    "proration_date": int,
    "billing_cycle_anchor": dict | str,
    "trial_end": int | str,
    "cancel_at": int | str,
}
ITEM: Types = {"id": str, "price": str, "price_data": dict, "quantity": int, "deleted": bool, "clear_usage": bool, "metadata": dict}
ANCHORS = ("now", "unchanged")
NOW = "now"


class Change(NamedTuple):
    """What becomes of a subscription. Instants are unix seconds.

    `resets`: a period begins now, and is billed now. `bills`: an invoice is made now; else `prorations` wait for the next one. `begins_trial`: the
    period that begins now costs nothing. `cancel_at`: when the subscription ends, where that was asked for; 0 for never.
    """

    items: tuple[SubscriptionItem, ...]
    prorations: tuple[Proration, ...]
    resets: bool
    bills: bool
    anchor: int
    trial_end: int | None
    begins_trial: bool = False
    cancel_at: int | None = None


def change_of(backend: Backend, subscription: Subscription, params: Mapping[str, Any], task: str) -> Change | None:
    """The change that a request asks for, None where it asks for none of items, period, trial and end. Raises StripeError."""
    resets_anchor = anchor_type(params.get("billing_cycle_anchor", "unchanged")) == NOW
    if not (params.get("items") or resets_anchor or params.get("trial_end") or "cancel_at" in params):
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
        return _with_end(subscription, Change(_ending(wanted, trial_end or 0), (), False, False, trial_end or 0, trial_end), params, behaviour, now)
    begins_trial = bool(params.get("trial_end")) and not in_trial
    resets = ends_trial or begins_trial or resets_anchor or _begins_anew(old, wanted)
    whole_s = periods.whole_of(subscription)
    settled = () if in_trial or behaviour == "none" else prorations(old, wanted, at, ends=resets, whole_s=whole_s)
    if begins_trial and trial_end is not None:
        return Change(_beginning(wanted, now, trial_end), settled, True, True, trial_end, trial_end, begins_trial=True)
    if resets:
        params = {"cancel_at": ends, **params} if (ends := subscription.says("cancel_at")) else params
        return _with_end(subscription, Change(_beginning(wanted, now), settled, True, True, now, trial_end), params, behaviour, now)
    bills = bool(settled) and behaviour == "always_invoice"
    kept = Change(wanted, settled, False, bills, subscription.billing_cycle_anchor, trial_end)
    return _with_end(subscription, kept, params, behaviour, now)


def anchor_type(given: Any) -> str:
    """`now` or `unchanged`, as `billing_cycle_anchor` says: a hash with a `type`, a bare word before that. Raises StripeError."""
    param, word = ("billing_cycle_anchor[type]", given.get("type")) if isinstance(given, dict) else ("billing_cycle_anchor", given)
    if word not in ANCHORS:
        raise refusal("parameter_invalid", f"Invalid {param}: must be one of {', '.join(ANCHORS)}.", param=param)
    return str(word)


def _with_end(subscription: Subscription, change: Change, params: Mapping[str, Any], behaviour: str, now_s: int) -> Change:
    """The change with the period's end moved to where the subscription is to end, or back, where that is asked for."""
    if "cancel_at" not in params:
        return change
    first = change.items[0]
    if change.resets or subscription.status == "trialing":
        whole = periods.Cycle(first.current_period_start, first.current_period_end)
    else:
        whole = periods.cycle_of(subscription)
    ends = terms.cancel_at(params["cancel_at"], whole.end, now_s) if params["cancel_at"] != "" else 0
    end = min(whole.end, ends) if ends else whole.end
    if end == first.current_period_end:
        return change._replace(cancel_at=ends)
    settled: tuple[Proration, ...] = ()
    if behaviour != "none" and subscription.status != "trialing":
        settled = moved_end(change.items, end, whole.end - whole.start)
    bills = change.bills or (bool(settled) and behaviour == "always_invoice")
    return change._replace(items=_ending(change.items, end), prorations=(*change.prorations, *settled), bills=bills, cancel_at=ends)


def _wanted(backend: Backend, subscription: Subscription, changes: Any, task: str) -> tuple[SubscriptionItem, ...]:
    items = {item.id: item for item in subscription.items.data}
    for index, change in enumerate(changes):
        path = f"items[{index}]"
        check(change, ITEM, within=path)
        id = change.get("id")
        if id is None:
            added = _added(backend, subscription, change, items, path, task)
            items[added.id] = added
        elif id not in items:
            raise refusal("resource_missing", f"No such subscription item: {id!r}.", param=nested(path, "id"))
        elif change.get("deleted"):
            del items[id]
        else:
            items[id] = _altered(backend, items[id], change, path, task)
    wanted = tuple(items.values())
    terms.check_together(wanted, subscription.currency, subscription.id)
    return wanted


def _altered(backend: Backend, item: SubscriptionItem, change: Mapping[str, Any], path: str, task: str) -> SubscriptionItem:
    names_price = "price" in change or "price_data" in change
    price = pricing.price_for(backend, change, path, task, recurs=True) if names_price else item.price
    metadata = merged_metadata(item.metadata, change.get("metadata"))
    return replace(item, price=price, quantity=_quantity(change, item.quantity, path), metadata=metadata)


def _added(
    backend: Backend, subscription: Subscription, change: Mapping[str, Any], items: Mapping[str, Any], path: str, task: str
) -> SubscriptionItem:
    price = pricing.price_for(backend, change, path, task, recurs=True)
    first = subscription.items.data[0]
    named = f"si_{stem(subscription.id)}.{short(task)}"
    id, nth = named, 1
    while id in items:
        nth += 1
        id = f"{named}#{nth}"
    return SubscriptionItem(
        id=id,
        created=backend.now_s,
        livemode=subscription.livemode,
        price=price,
        quantity=_quantity(change, 1, path),
        subscription=subscription.id,
        current_period_start=first.current_period_start,
        current_period_end=first.current_period_end,
        metadata=merged_metadata({}, change.get("metadata")),
    )


def _quantity(change: Mapping[str, Any], default: int, path: str) -> int:
    quantity: int = change.get("quantity", default)
    if quantity < 0:
        raise refusal("parameter_invalid_integer", "Invalid quantity: must be 0 or more.", param=nested(path, "quantity"))
    return quantity


def _trial_end(subscription: Subscription, given: Any, now_s: int) -> int | None:
    if not given:
        return subscription.trial_end
    if subscription.status not in ("trialing", "active", "past_due") or (given == NOW and subscription.status != "trialing"):
        message = f"{subscription.id} is {subscription.status}: a trial is only moved or ended while it runs."
        raise refusal("parameter_invalid", message, param="trial_end")
    if given == NOW:
        return now_s
    if not isinstance(given, int) or isinstance(given, bool) or given <= now_s:
        raise refusal("parameter_invalid", "Invalid trial_end: it must be an instant in the future, or 'now'.", param="trial_end")
    return given


def _proration_date(subscription: Subscription, given: int | None, now_s: int) -> int:
    if given is None:
        return now_s
    item = subscription.items.data[0]
    if not item.current_period_start <= given <= item.current_period_end:
        raise refusal("parameter_invalid", "Cannot specify proration_date outside of the current period.", param="proration_date")
    return given


def _begins_anew(old: tuple[SubscriptionItem, ...], new: tuple[SubscriptionItem, ...]) -> bool:
    """Another interval, or the first price above zero."""
    was_free, is_free = (all([not item.price.unit_amount for item in items]) for items in (old, new))
    return old[0].price.recurring != new[0].price.recurring or (was_free and not is_free)


def _beginning(items: tuple[SubscriptionItem, ...], now_s: int, ends: int = 0) -> tuple[SubscriptionItem, ...]:
    ends = ends or period_end(items[0].price.recurring or Recurring(), now_s, now_s)
    return tuple([replace(item, current_period_start=now_s, current_period_end=ends) for item in items])


def _ending(items: tuple[SubscriptionItem, ...], end_s: int) -> tuple[SubscriptionItem, ...]:
    return tuple([replace(item, current_period_end=end_s) for item in items])
