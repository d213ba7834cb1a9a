"""A subscription begins, by request: its terms, and its first invoice (https://docs.stripe.com/api/subscriptions/create)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.time import DAY_S
from billsim.stripe import backdating, billing_mode, collection, failed_payments, invoice_items, invoices, periods, pricing, setting_up, subscriptions
from billsim.stripe import terms as terms_of
from billsim.stripe.backend import Act
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import ItemList, LineItem, Recurring, Subscription, SubscriptionItem, SubscriptionStatus, with_kept
from billsim.stripe.params import Types, check, found_as_in_path, kept_of, merged_metadata, refusal
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
    "trial_from_plan": bool,
    "trial_settings": dict,
    "billing_cycle_anchor": int,
    "billing_cycle_anchor_config": dict,
    "billing_mode": dict,
    "backdate_start_date": int,
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
_LONGEST_TRIAL_S = pricing.LONGEST_TRIAL_DAYS * DAY_S


class Terms(NamedTuple):
    """How a subscription begins: its `items` in their first period. `spans`: what is billed at first, as `invoices.lines_of_spans` takes it; `free`:
    at no cost. `bills`: there is a first invoice.
    """

    start: int
    anchor: int
    trial_end: int | None
    items: tuple[SubscriptionItem, ...]
    spans: tuple[tuple[SubscriptionItem, int], ...]
    free: bool
    bills: bool


def start(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Create a subscription and bill its first period (https://docs.stripe.com/billing/subscriptions/overview#payment-behavior).

    Raises StripeError: 400 for `pending_if_incomplete`; under `error_if_incomplete` 402, and nothing made, where the payment does not go through.
    """
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour == "pending_if_incomplete":
        message = "Setting `payment_behavior` to `pending_if_incomplete` has no effect when creating a subscription."
        raise refusal("parameter_invalid", message, param="payment_behavior")
    found_as_in_path(act.backend.customer, params["customer"], "customer")
    subscription, terms = drawn_up(act, id, params)
    added = invoice_items.to_add(act.backend, subscription, params.get("add_invoice_items") or (), act.task)
    lines = first_lines(act, subscription, terms, f"in_{stem(subscription.id)}_1")
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    due = sum([line.amount for line in lines]) + sum([item.amount for item in [*added, *waiting]])
    subscription = _with_status(subscription, terms, sum([line.amount for line in lines]) + sum([item.amount for item in added]))
    bill = _first_bill(act, subscription, params, behaviour, due) if terms.bills else None
    if act.backend.is_whole and not (terms.bills and _asks(act, subscription, due)):
        subscription = setting_up.begin(act, subscription, off_session=params.get("off_session", False), confirms=behaviour != "default_incomplete")
    pricing.keep(act, [item.price for item in subscription.items.data])
    act.put(subscription)
    act.backend.made_by(subscription.id, act.origin)
    act.emit("customer.subscription.created", subscription)
    if subscription.trial_end is not None and subscription.trial_end - TRIAL_WILL_END_S <= act.now_s:
        act.emit("customer.subscription.trial_will_end", subscription)
    if terms.bills:
        invoice_items.make(act, added)
        _first_invoice(act, subscription, terms, lines, bill)
    return act.backend.subscription(subscription.id)


def first_lines(act: Act, subscription: Subscription, terms: Terms, invoice: str) -> list[LineItem]:
    """The lines of the first invoice."""
    if terms.trial_end:
        return invoices.lines_of_trial(act, subscription, terms.items, invoice)
    return invoices.lines_of_spans(act, terms.spans, invoice, free=terms.free)


# -- the terms


def drawn_up(act: Act, id: str, params: dict[str, Any]) -> tuple[Subscription, Terms]:
    """The subscription as it would be before its first invoice. Raises StripeError."""
    backend, now = act.backend, act.now_s
    customer = backend.customer(params["customer"])
    name = new_id(backend, "sub", id, act.task)
    mode = billing_mode.asked_for(params.get("billing_mode"), now, is_whole=backend.is_whole)
    items = _items(act, name, params, mixed=mode is not None)
    terms = _terms(params, items, now, flexible=mode is not None)
    method, source = params.get("default_payment_method") or None, params.get("default_source") or None
    method_of_collection = terms_of.collection_fields(params, None, None if act.backend.is_whole else invoices.DEFAULT_DAYS_UNTIL_DUE)
    drawn = Subscription(
        id=name,
        created=now,
        customer=customer.id,
        status="incomplete",
        currency=items[0].price.currency,
        items=ItemList(terms.items),
        latest_invoice=f"in_{stem(name)}_1" if terms.bills else None,
        default_payment_method=backend.owned_method(customer.id, method) if method else None,
        billing_cycle_anchor=terms.anchor,
        start_date=terms.start,
        cancel_at_period_end=params.get("cancel_at_period_end", False),
        trial_start=now if terms.trial_end else None,
        trial_end=terms.trial_end,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=_kept(params, backend.owned_method(customer.id, source) if source else None, terms, now, mode),
        **method_of_collection,
    )
    return drawn, terms


def _kept(params: Mapping[str, Any], source: str | None, terms: Terms, now_s: int, mode: dict[str, Any] | None) -> Any:
    kept = kept_of(params, [name for name in terms_of.KEPT if params.get(name)])
    if mode is not None:
        kept = with_kept(kept, {billing_mode.PARAM: mode})
    if terms.trial_end and params.get("proration_behavior") == "none":
        # What follows the trial, up to the anchor, is free as well.
        kept = with_kept(kept, {"proration_behavior": "none"})
    if source is not None:
        kept = with_kept(kept, {"default_source": source})
    if params.get("trial_settings"):
        kept = with_kept(kept, {"trial_settings": terms_of.trial_settings(params["trial_settings"])})
    if params.get("billing_cycle_anchor_config"):
        config = params["billing_cycle_anchor_config"]
        kept = with_kept(kept, {"billing_cycle_anchor_config": {name: config.get(name) for name in _CONFIG}})
    if params.get("cancel_at"):
        kept = with_kept(kept, {"cancel_at": terms_of.cancel_at(params["cancel_at"], _ends(terms.items), now_s)})
    return kept


def _with_status(subscription: Subscription, terms: Terms, amount: int) -> Subscription:
    status: SubscriptionStatus = "incomplete"
    if terms.trial_end:
        status = "trialing"
    elif subscription.collection_method == "send_invoice" or not terms.bills or not amount:
        status = "active"
    return replace(subscription, status=status)


def _ends(items: tuple[SubscriptionItem, ...]) -> list[int]:
    return [item.current_period_end for item in items]


def _terms(params: Mapping[str, Any], items: tuple[SubscriptionItem, ...], now_s: int, *, flexible: bool) -> Terms:
    if params.get("cancel_at") and params.get("cancel_at_period_end"):
        raise refusal("parameter_invalid", "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", param="cancel_at")
    trial_end = _trial_end(params, items, now_s)
    started = backdating.asked_for(params, now_s, trial_end)
    anchor, day_s = _anchor(params, items, trial_end or now_s, now_s)
    if trial_end:
        return _of_a_trial(params, items, anchor, trial_end, now_s, flexible=flexible)
    counted = anchor if anchor is not None else started if flexible and started is not None else now_s
    prorates = params.get("proration_behavior", "create_prorations") != "none"
    if started is not None and flexible:
        begun = backdating.by_periods(items, started, now_s, periods.Counted(counted, day_s or counted), prorates=prorates)
        return _until_it_ends(params, Terms(started, counted, None, begun.items, begun.spans, False, bool(begun.spans)), now_s)
    cycles = [periods.cycle_around(item.price.recurring or Recurring(), now_s, counted, day_s or counted) for item in items]
    cancel_at = terms_of.cancel_at(params["cancel_at"], [cycle.end for cycle in cycles], now_s) if params.get("cancel_at") else None
    found, spans = [], []
    for item, cycle in zip(items, cycles, strict=True):
        end = min(cycle.end, cancel_at) if cancel_at is not None else cycle.end
        found.append(replace(item, current_period_end=end))
        # In classic mode an early end is always settled.
        is_shared = (now_s, end) != cycle and (prorates or (not flexible and end < cycle.end))
        spans.append((found[-1], cycle.end - cycle.start if is_shared else 0))
    is_free = any([cycle.start < now_s for cycle in cycles]) and not prorates
    if started is not None and prorates:
        spans = backdating.at_once(found, spans, started, now_s, to_anchor=anchor is not None)
    return Terms(now_s if started is None else started, counted, None, tuple(found), tuple(spans), is_free, not is_free)


def _of_a_trial(
    params: Mapping[str, Any], items: tuple[SubscriptionItem, ...], anchor: int | None, trial_end: int, now_s: int, *, flexible: bool
) -> Terms:
    """A trial moves the anchor to its end, unless it is told otherwise. An end of the subscription before that is one of a classic trial too."""
    end = min(trial_end, terms_of.cancel_at(params["cancel_at"], [trial_end], now_s)) if params.get("cancel_at") else trial_end
    begun = tuple([replace(item, current_period_end=end) for item in items])
    stays = now_s if terms_of.keeps_anchor(params.get("trial_settings")) else trial_end
    return Terms(now_s, anchor or stays, trial_end if flexible else end, begun, (), True, True)


def _until_it_ends(params: Mapping[str, Any], terms: Terms, now_s: int) -> Terms:
    """The terms of a backdated subscription, with its end within the present period."""
    if not params.get("cancel_at"):
        return terms
    at = terms_of.cancel_at(params["cancel_at"], _ends(terms.items), now_s)
    if at < min(_ends(terms.items)):
        message = "billsim does not simulate `backdate_start_date` with a `cancel_at` within the first period."
        raise refusal("not_simulated", message, param="cancel_at")
    return terms


def _anchor(params: Mapping[str, Any], items: tuple[SubscriptionItem, ...], from_s: int, now_s: int) -> tuple[int | None, int]:
    """When the first whole period begins, None where that is when the subscription does; and its day (`periods.day_of`). Raises StripeError."""
    anchor, config = params.get("billing_cycle_anchor"), params.get("billing_cycle_anchor_config")
    if config is not None:
        if anchor is not None:
            message = "You may only specify one of these parameters: billing_cycle_anchor, billing_cycle_anchor_config."
            raise refusal("parameter_invalid", message, param="billing_cycle_anchor_config")
        for item in items:
            _check_config(config, item.price.recurring or Recurring())
        return periods.anchor_by(config, from_s), periods.day_of_month(config["day_of_month"])
    if anchor is None:
        return None, 0
    if anchor <= now_s:
        raise refusal("parameter_invalid", "billing_cycle_anchor must be in the future.", param="billing_cycle_anchor")
    natural = min([periods.period_end(item.price.recurring or Recurring(), from_s, from_s) for item in items])
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


def _trial_end(params: Mapping[str, Any], items: Sequence[SubscriptionItem], now_s: int) -> int | None:
    if "trial_end" in params and "trial_period_days" in params:
        message = "You may only specify one of these parameters: trial_end, trial_period_days."
        raise refusal("parameter_invalid", message, param="trial_period_days")
    days, end = params.get("trial_period_days", 0), params.get("trial_end") or 0
    if params.get("trial_from_plan"):
        if days or end:
            raise refusal("parameter_invalid", terms_of.TRIAL_FROM_PLAN_ALONE)
        days = next((days for item in items if (days := item.price.says("trial_period_days", 0))), 0)
    if end == "now":
        return None
    if not isinstance(end, int):
        raise refusal("parameter_invalid_integer", f"Invalid integer: {end}", param="trial_end")
    if days < 0:
        raise refusal("parameter_invalid_integer", "Invalid trial_period_days: it must be 0 or more.", param="trial_period_days")
    if days > pricing.LONGEST_TRIAL_DAYS:
        raise refusal("parameter_invalid", f"Invalid trial_period_days: the maximum is {pricing.LONGEST_TRIAL_DAYS}.", param="trial_period_days")
    end = end or now_s + days * DAY_S
    if end < now_s:
        expects = "The parameter `trial_end` expects a unix timestamp representing a date and time in the future."
        raise refusal("parameter_invalid", f"{expects} You specified the value `{end}` which is in the past.", param="trial_end")
    if end > now_s + _LONGEST_TRIAL_S:
        raise refusal("parameter_invalid", "Invalid timestamp: can be no more than two years in the future.", param="trial_end")
    return end if end > now_s else None


def _items(act: Act, subscription: str, params: Mapping[str, Any], *, mixed: bool) -> tuple[SubscriptionItem, ...]:
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
            raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 0.", param=f"{path}[quantity]")
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
    terms_of.check_together(tuple(items), params.get("currency") or items[0].price.currency, subscription, mixed=mixed)
    return tuple(items)


# -- the first invoice


def _first_bill(act: Act, subscription: Subscription, params: Mapping[str, Any], behaviour: str, due: int) -> collection.Payment | None:
    """How the first invoice is paid: None where nothing is collected now."""
    if subscription.collection_method == "send_invoice" or behaviour == "default_incomplete" or not _asks(act, subscription, due):
        return None
    method = collection.default_method_of(act.backend, subscription)
    if method is None:
        raise refusal("resource_missing", terms_of.NO_METHOD)
    outcome = act.backend.cards.pay_for(subscription.customer, method, act.backend.kernel.now, on_session=not params.get("off_session"))
    if behaviour == "error_if_incomplete" and outcome.status not in ("paid", "processing"):
        amount = due + act.backend.customer(subscription.customer).balance
        raise failed_payments.refused(
            act, subscription.customer, method, amount, subscription.currency, outcome, stem(subscription.id)
        )
    return collection.Payment(method, outcome)


def _asks(act: Act, subscription: Subscription, due: int) -> bool:
    """Whether there is something to pay for so much, once the customer's balance is used up for it."""
    return min(due, due + act.backend.customer(subscription.customer).balance) > 0


def _first_invoice(act: Act, subscription: Subscription, terms: Terms, lines: list[LineItem], bill: collection.Payment | None) -> None:
    span = {"start": act.now_s, "end": act.now_s}
    invoice = f"in_{stem(subscription.id)}_1"
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    drafted = invoices.draft(act, subscription, invoice, "subscription_create", lines, waiting, **span)
    if subscription.collection_method == "send_invoice" and not terms.trial_end:
        return
    opened = invoices.finalize(act, drafted)
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
    elif bill is not None:
        collection.pay_by_request(act, opened, bill)
