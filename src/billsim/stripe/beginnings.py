"""A subscription begins, by request: its terms, and its first invoice (https://docs.stripe.com/api/subscriptions/create)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.time import DAY_S
from billsim.stripe import collection, invoice_items, invoices, periods, pricing, subscriptions
from billsim.stripe import terms as terms_of
from billsim.stripe.backend import Act
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import ItemList, Recurring, Subscription, SubscriptionItem, SubscriptionStatus, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal
from billsim.stripe.timers import TRIAL_WILL_END_S

CREATE: Types = {
    "customer": str,
    "items": list,
    "payment_behavior": ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
    "default_payment_method": str,
    "default_source": str,
    "collection_method": ("charge_automatically", "send_invoice"),
    "days_until_due": int,
    "trial_end": int | str,
    "trial_period_days": int,
    "trial_settings": dict,
    "billing_cycle_anchor": int,
    "billing_cycle_anchor_config": dict,
    "billing_mode": dict,
    "proration_behavior": ("always_invoice", "create_prorations", "none"),
    "add_invoice_items": list,
    "currency": str,
    "off_session": bool,
    "cancel_at": int | str,
    "cancel_at_period_end": bool,
    "metadata": dict,
    **terms_of.KEPT,
}
_ITEM: Types = {"price": str, "price_data": dict, "quantity": int, "metadata": dict}
_CONFIG: Types = {"day_of_month": int, "month": int, "hour": int, "minute": int, "second": int}
_CONFIG_WITHIN = {"day_of_month": (1, 31), "month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
MOST_ITEMS = 20
_LONGEST_TRIAL_S = 730 * DAY_S


class Terms(NamedTuple):
    """How a subscription begins. `whole_s`: how long the first period would be, had it not been cut short. `free`: it costs nothing.

    `bills`: there is a first invoice.
    """

    anchor: int
    trial_end: int | None
    end: int
    whole_s: int
    free: bool
    bills: bool


def start(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Create a subscription and bill its first period (https://docs.stripe.com/billing/subscriptions/overview#payment-behavior).

    Raises StripeError: 400 for `pending_if_incomplete`; under `error_if_incomplete` 402, and nothing made, where the payment does not go through.
    """
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour == "pending_if_incomplete":
        message = "payment_behavior=pending_if_incomplete is not allowed when a subscription is created."
        raise refusal("parameter_invalid", message, param="payment_behavior")
    _require_simulated(params)
    subscription, terms = drawn_up(act, id, params)
    added = invoice_items.to_add(act.backend, subscription, params.get("add_invoice_items") or (), act.task)
    lines = invoices.lines_of(act, subscription.items.data, f"in_{stem(subscription.id)}_1", free=terms.free, whole_s=terms.whole_s)
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    due = sum([line.amount for line in lines]) + sum([item.amount for item in [*added, *waiting]])
    subscription = _with_status(subscription, terms, sum([line.amount for line in lines]) + sum([item.amount for item in added]))
    bill = _first_bill(act, subscription, params, behaviour, due) if terms.bills else None
    pricing.keep(act, [item.price for item in subscription.items.data])
    act.put(subscription)
    act.backend.made_by(subscription.id, act.origin)
    act.emit("customer.subscription.created", subscription)
    if subscription.trial_end is not None and subscription.trial_end - TRIAL_WILL_END_S <= act.now_s:
        act.emit("customer.subscription.trial_will_end", subscription)
    if terms.bills:
        invoice_items.make(act, added)
        _first_invoice(act, subscription, terms, bill)
    return act.backend.subscription(subscription.id)


def _require_simulated(params: Mapping[str, Any]) -> None:
    mode = params.get("billing_mode")
    if mode is not None and mode.get("type") != "classic":
        message = "billsim does not simulate `billing_mode[type]=flexible`: its subscriptions are classic."
        raise refusal("not_simulated", message, param="billing_mode[type]")


# -- the terms


def drawn_up(act: Act, id: str, params: dict[str, Any]) -> tuple[Subscription, Terms]:
    """The subscription as it would be before its first invoice. Raises StripeError."""
    backend, now = act.backend, act.now_s
    customer = backend.customer(params["customer"])
    name = new_id(backend, "sub", id, act.task)
    items = _items(act, name, params)
    terms = _terms(params, items[0].price.recurring or Recurring(), now)
    items = tuple([replace(item, current_period_end=terms.end) for item in items])
    method, source = params.get("default_payment_method") or None, params.get("default_source") or None
    method_of_collection = terms_of.collection_fields(params, None, invoices.DEFAULT_DAYS_UNTIL_DUE)
    drawn = Subscription(
        id=name,
        created=now,
        customer=customer.id,
        status="incomplete",
        currency=items[0].price.currency,
        items=ItemList(items),
        latest_invoice=f"in_{stem(name)}_1" if terms.bills else None,
        default_payment_method=backend.owned_method(customer.id, method) if method else None,
        billing_cycle_anchor=terms.anchor,
        start_date=now,
        cancel_at_period_end=params.get("cancel_at_period_end", False),
        trial_start=now if terms.trial_end else None,
        trial_end=terms.trial_end,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=_kept(params, backend.owned_method(customer.id, source) if source else None, terms, now),
        **method_of_collection,
    )
    return drawn, terms


def _kept(params: Mapping[str, Any], source: str | None, terms: Terms, now_s: int) -> Any:
    kept = kept_of(params, [name for name in terms_of.KEPT if params.get(name)])
    if source is not None:
        kept = with_kept(kept, {"default_source": source})
    if params.get("trial_settings"):
        kept = with_kept(kept, {"trial_settings": terms_of.trial_settings(params["trial_settings"])})
    if params.get("billing_cycle_anchor_config"):
        config = params["billing_cycle_anchor_config"]
        kept = with_kept(kept, {"billing_cycle_anchor_config": {name: config.get(name) for name in _CONFIG}})
    if params.get("cancel_at"):
        kept = with_kept(kept, {"cancel_at": terms_of.cancel_at(params["cancel_at"], terms.end, now_s)})
    return kept


def _with_status(subscription: Subscription, terms: Terms, amount: int) -> Subscription:
    status: SubscriptionStatus = "incomplete"
    if terms.trial_end:
        status = "trialing"
    elif subscription.collection_method == "send_invoice" or not terms.bills or not amount:
        status = "active"
    return replace(subscription, status=status)


def _terms(params: Mapping[str, Any], recurring: Recurring, now_s: int) -> Terms:
    if params.get("cancel_at") and params.get("cancel_at_period_end"):
        raise refusal("parameter_invalid", "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", param="cancel_at")
    trial_end = _trial_end(params, now_s)
    anchor, day_s = _anchor(params, recurring, trial_end or now_s, now_s)
    if trial_end:
        return Terms(anchor or trial_end, trial_end, trial_end, 0, True, True)
    cycle = periods.Cycle(now_s, periods.period_end(recurring, now_s, now_s))
    if anchor is not None:
        cycle = periods.cycle_around(recurring, now_s, anchor, day_s)
    end, prorates = cycle.end, params.get("proration_behavior", "create_prorations") != "none"
    is_cut = cycle.start < now_s
    if params.get("cancel_at"):
        end = min(end, terms_of.cancel_at(params["cancel_at"], end, now_s))
    whole_s = cycle.end - cycle.start if prorates and (now_s, end) != cycle else 0
    return Terms(anchor or now_s, None, end, whole_s, is_cut and not prorates, prorates or not is_cut)


def _anchor(params: Mapping[str, Any], recurring: Recurring, from_s: int, now_s: int) -> tuple[int | None, int]:
    """When the first whole period begins, None where that is when the subscription does; and its day (`periods.day_of`). Raises StripeError."""
    anchor, config = params.get("billing_cycle_anchor"), params.get("billing_cycle_anchor_config")
    if config is not None:
        if anchor is not None:
            message = "You may only specify one of these parameters: billing_cycle_anchor, billing_cycle_anchor_config."
            raise refusal("parameter_invalid", message, param="billing_cycle_anchor_config")
        _check_config(config, recurring)
        return periods.anchor_by(config, from_s), periods.day_of_month(config["day_of_month"])
    if anchor is None:
        return None, 0
    if anchor <= now_s:
        raise refusal("parameter_invalid", "billing_cycle_anchor must be in the future.", param="billing_cycle_anchor")
    natural = periods.period_end(recurring, from_s, from_s)
    if anchor > natural:
        message = f"billing_cycle_anchor cannot be later than next natural billing date ({natural}) for plan"
        raise refusal("parameter_invalid", message, param="billing_cycle_anchor")
    if anchor < from_s:
        raise refusal("parameter_invalid", "billing_cycle_anchor must be after the end of the trial.", param="billing_cycle_anchor")
    return anchor, anchor


def _check_config(config: Any, recurring: Recurring) -> None:
    path = "billing_cycle_anchor_config"
    check(config, _CONFIG, ("day_of_month",), within=path)
    for name, value in config.items():
        least, most = _CONFIG_WITHIN[name]
        if not least <= value <= most:
            raise refusal("parameter_invalid_integer", f"{path}[{name}] must be between {least} and {most}.", param=f"{path}[{name}]")
    if recurring.interval not in ("month", "year"):
        raise refusal("parameter_invalid", f"{path} is only valid with monthly and yearly price intervals.", param=path)


def _trial_end(params: Mapping[str, Any], now_s: int) -> int | None:
    if "trial_end" in params and "trial_period_days" in params:
        raise refusal("parameter_invalid", "Give trial_end or trial_period_days, not both.", param="trial_period_days")
    days, end = params.get("trial_period_days", 0), params.get("trial_end") or 0
    if end == "now":
        return None
    if not isinstance(end, int):
        raise refusal("parameter_invalid_integer", f"Invalid integer: {end}", param="trial_end")
    if days < 0:
        raise refusal("parameter_invalid_integer", "Invalid trial_period_days: it must be 0 or more.", param="trial_period_days")
    end = end or now_s + days * DAY_S
    if end < now_s:
        raise refusal("parameter_invalid", "Invalid trial_end: it must lie in the future.", param="trial_end")
    if end > now_s + _LONGEST_TRIAL_S:
        raise refusal("parameter_invalid", "Invalid timestamp: can be no more than two years in the future.", param="trial_end")
    return end if end > now_s else None


def _items(act: Act, subscription: str, params: Mapping[str, Any]) -> tuple[SubscriptionItem, ...]:
    given = params["items"]
    if not given:
        raise refusal("parameter_missing", "Missing required param: items.", param="items")
    if len(given) > MOST_ITEMS:
        raise refusal("parameter_invalid", f"A subscription can have at most {MOST_ITEMS} items.", param="items")
    items = []
    for index, wanted in enumerate(given):
        path = f"items[{index}]"
        check(wanted, _ITEM, within=path)
        if wanted.get("quantity", 1) < 0:
            raise refusal("parameter_invalid_integer", "Invalid quantity: must be 0 or more.", param=f"{path}[quantity]")
        item = SubscriptionItem(
            id=f"si_{stem(subscription)}" if index == 0 else f"si_{stem(subscription)}.{index + 1}",
            created=act.now_s,
            price=pricing.price_for(act.backend, wanted, path, act.task, recurs=True),
            quantity=wanted.get("quantity", 1),
            subscription=subscription,
            current_period_start=act.now_s,
            metadata=merged_metadata({}, wanted.get("metadata")),
        )
        items.append(item)
    terms_of.check_together(tuple(items), params.get("currency") or items[0].price.currency, subscription)
    return tuple(items)


# -- the first invoice


def _first_bill(act: Act, subscription: Subscription, params: Mapping[str, Any], behaviour: str, due: int) -> collection.Payment | None:
    """How the first invoice is paid: None where nothing is collected now."""
    customer = act.backend.customer(subscription.customer)
    if subscription.collection_method == "send_invoice" or behaviour == "default_incomplete" or min(due, due + customer.balance) <= 0:
        return None
    method = collection.default_method_of(act.backend, subscription)
    if method is None:
        raise refusal("resource_missing", terms_of.NO_METHOD)
    outcome = act.backend.cards.pay_for(subscription.customer, method, act.backend.kernel.now, on_session=not params.get("off_session"))
    if behaviour == "error_if_incomplete" and outcome.status != "paid":
        raise terms_of.payment_refused(outcome)
    return collection.Payment(method, outcome)


def _first_invoice(act: Act, subscription: Subscription, terms: Terms, bill: collection.Payment | None) -> None:
    item = subscription.items.data[0]
    span = {"start": item.current_period_start, "end": item.current_period_start}
    invoice = f"in_{stem(subscription.id)}_1"
    lines = invoices.lines_of(act, subscription.items.data, invoice, free=terms.free, whole_s=terms.whole_s)
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    drafted = invoices.draft(act, subscription, invoice, "subscription_create", lines, waiting, **span)
    if subscription.collection_method == "send_invoice" and not terms.trial_end:
        return
    opened = invoices.finalize(act, drafted)
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
    elif bill is not None:
        collection.pay_by_request(act, opened, bill)
