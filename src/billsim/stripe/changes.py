"""What a change of a subscription's items, period or trial comes to: its items afterwards, what settles it, and whether it is billed at once.

In classic mode prices of one subscription share their interval, and another interval, or the first price above zero, begins a new period now; credits
are reckoned at an item's present price and quantity. In flexible mode a new period only begins where that is asked for, and credits are reckoned from
what was billed (https://docs.stripe.com/billing/subscriptions/billing-mode/compare).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import billing_mode, debits, periods, pricing, terms
from billsim.stripe.backend import Backend
from billsim.stripe.naming import stem
from billsim.stripe.objects import Recurring, Subscription, SubscriptionItem, with_kept
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
_TRIAL_FIRST = "subscription_update_trial_after_billing_cycle_anchor"


class Change(NamedTuple):
    """What becomes of a subscription. Instants are unix seconds.

    `resets`: a period begins now, and is billed now. `bills`: an invoice is made now; else `prorations` wait for the next one. `begins_trial`: the
    period that begins now costs nothing. `cancel_at`: when the subscription ends, where that was asked for; 0 for never. `wholes`: by item, how long
    a period is whose first one, that begins now, is cut short. `sweeps`: what waits for an invoice goes along with that of the change.
    """

    items: tuple[SubscriptionItem, ...]
    prorations: tuple[Proration, ...]
    resets: bool
    bills: bool
    anchor: int
    trial_end: int | None
    begins_trial: bool = False
    cancel_at: int | None = None
    wholes: Mapping[str, int] = {}
    sweeps: bool = False


def change_of(backend: Backend, subscription: Subscription, params: Mapping[str, Any], task: str) -> Change | None:
    """The change that a request asks for, None where it asks for none of items, period, trial and end. Raises StripeError."""
    resets_anchor = anchor_type(params.get("billing_cycle_anchor", "unchanged")) == NOW
    if not (params.get("items") or resets_anchor or params.get("trial_end") or "cancel_at" in params):
        return None
    if subscription.status == "incomplete":
        raise refusal("subscription_payment_intent_requires_action", f"Subscription {subscription.id} is incomplete: its first invoice comes first.")
    now, old = backend.now_s, subscription.items.data
    flexible = billing_mode.is_flexible(subscription)
    keeps = terms.keeps_anchor(params.get("trial_settings") or subscription.says("trial_settings"))
    wanted = _wanted(backend, subscription, params.get("items") or (), task, flexible=flexible)
    trial_end = _trial_end(subscription, params.get("trial_end"), now)
    at = _proration_date(subscription, params.get("proration_date"), now)
    behaviour = params.get("proration_behavior", "create_prorations")
    ends_trial, in_trial = params.get("trial_end") == NOW, subscription.status == "trialing"
    if in_trial and not ends_trial:
        if resets_anchor and backend.is_whole:
            message = "The billing cycle anchor cannot be before the end of the trial: end that first."
            raise refusal(_TRIAL_FIRST, message, param="billing_cycle_anchor")
        return _in_trial(backend, subscription, wanted, trial_end or 0, params, behaviour, flexible=flexible, keeps=keeps)
    begins_trial = bool(params.get("trial_end")) and not in_trial
    resets = ends_trial or begins_trial or resets_anchor or (not flexible and _begins_anew(old, wanted))
    sweeps = flexible or (resets and (behaviour != "always_invoice" or not backend.is_whole))
    if in_trial or behaviour == "none":
        settled: tuple[Proration, ...] = ()
    elif flexible:
        settled = debits.settled(backend, subscription, wanted, at, ends=resets)
    else:
        settled = prorations(old, wanted, at, ends=resets, whole_s=periods.whole_of(subscription))
    if begins_trial and trial_end is not None:
        anchor = subscription.billing_cycle_anchor if keeps else trial_end
        return Change(_beginning(wanted, now, trial_end), settled, True, True, anchor, trial_end, begins_trial=True, sweeps=sweeps)
    if resets:
        counted = subscription.billing_cycle_anchor if keeps and ends_trial and not resets_anchor else now
        return _anew(subscription, wanted, settled, trial_end, params, behaviour, now, counted, sweeps=sweeps)
    bills = bool(settled) and behaviour == "always_invoice"
    kept = Change(wanted, settled, False, bills, subscription.billing_cycle_anchor, trial_end, sweeps=sweeps)
    return _with_end(backend, subscription, kept, params, behaviour, now)


def _in_trial(
    backend: Backend,
    subscription: Subscription,
    wanted: tuple[SubscriptionItem, ...],
    trial_end: int,
    params: Mapping[str, Any],
    behaviour: str,
    *,
    flexible: bool,
    keeps: bool,
) -> Change:
    """A change while a trial runs, which costs nothing. A flexible subscription is told of it nevertheless, by lines over nothing."""
    moves = not flexible or ("trial_end" in params and not keeps)
    anchor = trial_end if moves and not keeps else subscription.billing_cycle_anchor
    settled: tuple[Proration, ...] = ()
    ending = _ending(wanted, trial_end)
    if flexible and behaviour != "none":
        settled = debits.settled(backend, subscription, ending, backend.now_s, ends=False, free=True)
    bills = bool(settled) and behaviour == "always_invoice"
    change = Change(ending, settled, False, bills, anchor, trial_end, sweeps=flexible)
    ends = subscription.says("cancel_at")
    return _with_end(backend, subscription, change, {"cancel_at": ends, **params} if ends else params, behaviour, backend.now_s)


def _anew(
    subscription: Subscription,
    wanted: tuple[SubscriptionItem, ...],
    settled: tuple[Proration, ...],
    trial_end: int | None,
    params: Mapping[str, Any],
    behaviour: str,
    now_s: int,
    counted: int,
    *,
    sweeps: bool,
) -> Change:
    """A period that begins now, counted from an instant, and ends before its time where the subscription does."""
    ends = params.get("cancel_at", subscription.says("cancel_at"))
    begun = _begun(subscription, wanted, now_s, counted)
    # What is left up to an anchor that stays is free where nothing is to be prorated.
    bills = behaviour != "none" or not begun.wholes
    change = Change(begun.items, settled, True, bills, counted, trial_end, wholes=begun.wholes, sweeps=sweeps)
    if ends in (None, ""):
        return change._replace(cancel_at=0) if "cancel_at" in params else change
    at = terms.cancel_at(ends, [item.current_period_end for item in begun.items], now_s)
    cut = {item.id: item.current_period_end - now_s for item in begun.items if at < item.current_period_end}
    items = tuple([replace(item, current_period_end=min(at, item.current_period_end)) for item in begun.items])
    return change._replace(items=items, wholes={**cut, **begun.wholes} if behaviour != "none" else begun.wholes, cancel_at=at)


def _begun(subscription: Subscription, items: tuple[SubscriptionItem, ...], now_s: int, counted: int) -> periods.Begun:
    if counted == now_s:
        return periods.Begun(_beginning(items, now_s), (), {})
    return periods.begin(replace(subscription, kept=with_kept(subscription.kept, {"cancel_at": None})), items, now_s, counted)


def anchor_type(given: Any) -> str:
    """`now` or `unchanged`, as `billing_cycle_anchor` says: a hash with a `type`, a bare word before that. Raises StripeError."""
    param, word = ("billing_cycle_anchor[type]", given.get("type")) if isinstance(given, dict) else ("billing_cycle_anchor", given)
    if word not in ANCHORS:
        raise refusal("parameter_invalid", f"Invalid {param}: must be one of {', '.join(ANCHORS)}.", param=param)
    return str(word)


def _with_end(
    backend: Backend, subscription: Subscription, change: Change, params: Mapping[str, Any], behaviour: str, now_s: int
) -> Change:
    """The change with the ends of the periods moved to where the subscription is to end, or back, where that is asked for."""
    if "cancel_at" not in params:
        return change
    in_trial, flexible = subscription.status == "trialing", billing_mode.is_flexible(subscription)
    whole_ends = {item.id: _whole_end(subscription, item, change, in_trial=in_trial) for item in change.items}
    at = terms.cancel_at(params["cancel_at"], list(whole_ends.values()), now_s) if params["cancel_at"] != "" else 0
    ends = {id: min(end, at) if at else end for id, end in whole_ends.items()}
    if in_trial and at and not flexible and backend.is_whole:
        change = change._replace(trial_end=min(at, change.trial_end or at))
    if all([ends[item.id] == item.current_period_end for item in change.items]):
        return change._replace(cancel_at=at)
    settled: tuple[Proration, ...] = ()
    if behaviour != "none" and not in_trial and flexible:
        settled = debits.moved_ends(backend, subscription, change.items, ends)
    elif behaviour != "none" and not in_trial:
        whole = periods.cycle_of(subscription)
        settled = moved_end(change.items, next(iter(ends.values())), whole.end - whole.start)
    bills = change.bills or (bool(settled) and behaviour == "always_invoice")
    items = tuple([replace(item, current_period_end=ends[item.id]) for item in change.items])
    return change._replace(items=items, prorations=(*change.prorations, *settled), bills=bills, cancel_at=at)


def _whole_end(subscription: Subscription, item: SubscriptionItem, change: Change, *, in_trial: bool) -> int:
    if in_trial:
        return change.trial_end or item.current_period_end
    return periods.cycle_of_item(subscription, item).end


def _wanted(backend: Backend, subscription: Subscription, changes: Any, task: str, *, flexible: bool) -> tuple[SubscriptionItem, ...]:
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
    has = [item.id for item in subscription.items.data]
    terms.check_together(wanted, subscription.currency, subscription.id, mixed=flexible, added_to=has)
    if not flexible or subscription.status == "trialing":
        return wanted
    before = {item.id: item for item in subscription.items.data}
    return tuple([_in_its_period(subscription, item, before.get(item.id), backend.now_s) for item in wanted])


def _in_its_period(subscription: Subscription, item: SubscriptionItem, before: SubscriptionItem | None, now_s: int) -> SubscriptionItem:
    """An item that is new, or has another interval, in the period that it is in by now, as counted from the anchor."""
    if before is not None and before.price.recurring == item.price.recurring:
        return item
    same = [each for each in subscription.items.data if each.price.recurring == item.price.recurring]
    if same:
        return replace(item, current_period_start=same[0].current_period_start, current_period_end=same[0].current_period_end)
    anchor, ends = subscription.billing_cycle_anchor, subscription.says("cancel_at")
    cycle = periods.cycle_around(item.price.recurring or Recurring(), now_s, anchor, periods.day_of(subscription, anchor))
    return replace(item, current_period_start=cycle.start, current_period_end=min(cycle.end, ends) if ends else cycle.end)


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
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 0.", param=nested(path, "quantity"))
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
    items = subscription.items.data
    if not max([item.current_period_start for item in items]) <= given <= min([item.current_period_end for item in items]):
        raise refusal("parameter_invalid", "Cannot specify proration_date outside of the current period.", param="proration_date")
    return given


def _begins_anew(old: tuple[SubscriptionItem, ...], new: tuple[SubscriptionItem, ...]) -> bool:
    """Another interval, or the first price above zero."""
    was_free, is_free = (all([pricing.is_free(item.price) for item in items]) for items in (old, new))
    return old[0].price.recurring != new[0].price.recurring or (was_free and not is_free)


def _beginning(items: tuple[SubscriptionItem, ...], now_s: int, ends: int = 0) -> tuple[SubscriptionItem, ...]:
    found = [ends or period_end(item.price.recurring or Recurring(), now_s, now_s) for item in items]
    return tuple([replace(item, current_period_start=now_s, current_period_end=end) for item, end in zip(items, found, strict=True)])


def _ending(items: tuple[SubscriptionItem, ...], end_s: int) -> tuple[SubscriptionItem, ...]:
    return tuple([replace(item, current_period_end=end_s) for item in items])
