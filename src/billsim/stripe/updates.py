"""Changing a subscription by request (https://docs.stripe.com/api/subscriptions/update): settled by the second, billed now or with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billsim.core.ids import short
from billsim.core.time import DAY_S, MINUTE_MS
from billsim.stripe import (
    billing_mode,
    changes,
    collection,
    failed_payments,
    invoice_items,
    invoices,
    pausing,
    pending_updates,
    pricing,
    setting_up,
    subscriptions,
    terms,
)
from billsim.stripe.backend import Act
from billsim.stripe.changes import Change
from billsim.stripe.collection import Payment
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, ItemList, LineItem, StripeError, Subscription, SubscriptionItem, with_kept
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal
from billsim.stripe.prorations import price_of, prorated

PENDING = "pending_if_incomplete"
BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", PENDING)
UPDATE: Types = {
    **changes.PARAMS,
    "metadata": dict,
    "default_payment_method": str,
    "default_source": str,
    "cancel_at_period_end": bool,
    "cancellation_details": dict,
    "collection_method": ("charge_automatically", "send_invoice"),
    "days_until_due": int,
    "pause_collection": dict | str,
    "trial_from_plan": bool,
    "trial_settings": dict,
    "add_invoice_items": list,
    "payment_behavior": BEHAVIORS,
    "off_session": bool,
    **terms.KEPT,
}
# What an update that may have to wait can change (https://docs.stripe.com/billing/subscriptions/pending-updates).
_MAY_WAIT = frozenset({*changes.PARAMS, "metadata", "payment_behavior", "off_session", "add_invoice_items"} - {"cancel_at"})
# A subscription may be billed so often by request (https://docs.stripe.com/rate-limits).
MOST_INVOICES = ((MINUTE_MS // 1000, 10, "minute"), (DAY_S, 20, "day"))


def update(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Set what is given, and settle it. Raises StripeError; under `error_if_incomplete` 402, and nothing changed, where a payment fails."""
    updated = _updated(act, id, params)
    if params.get("default_payment_method") and updated.says(setting_up.FIELD):
        setting_up.again(act, updated, updated.default_payment_method)
        return act.backend.subscription(id)
    return updated


def _updated(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    old = act.backend.subscription(id)
    if old.status in subscriptions.ENDED:
        return _of_the_ended(act, old, params)
    params = _with_trial_of_plan(act, old, params)
    behaviour = params.get("payment_behavior", BEHAVIORS[0])
    if behaviour == PENDING:
        _require_may_wait(old, params)
    plain = _plain_fields(act, old, params)
    added = invoice_items.to_add(act.backend, old, params.get("add_invoice_items") or (), act.task)
    change = changes.change_of(act.backend, old, params, act.task)
    if change is None:
        changed: Subscription = act.update("customer.subscription.updated", old, **plain)
        invoice_items.make(act, added)
        return changed
    due = sum([item.amount for item in added])
    payment = _payment(act, old, change, behaviour, due, on_session=not params.get("off_session")) if change.bills else None
    old = pending_updates.withdraw(act, old)
    pricing.keep(act, [item.price for item in change.items])
    if not change.bills:
        changed = act.update("customer.subscription.updated", old, **{**plain, **_changed_fields(act, change, old, plain)})
        invoice_items.settle(act, changed, change.prorations)
        invoice_items.make(act, added)
        return changed
    waits = behaviour == PENDING and payment is not None and payment.outcome.status != "paid"
    pending = {"pending_update": pending_updates.held(old, change, params.get("metadata"), act.now_s)}
    _bill(act, old, change, payment, pending if waits else plain, added)
    return act.backend.subscription(id)


def _with_trial_of_plan(act: Act, old: Subscription, params: dict[str, Any]) -> dict[str, Any]:
    """With `trial_from_plan` a trial begins now, as long as the first of the prices has it that is asked for, or held already where none is."""
    told = {name: value for name, value in params.items() if name != "trial_from_plan"}
    if not params.get("trial_from_plan"):
        return told
    if params.get("trial_end"):
        raise refusal("parameter_invalid", terms.TRIAL_FROM_PLAN_ALONE)
    asked = [act.backend.price(item["price"]) for item in params.get("items") or () if isinstance(item, dict) and item.get("price")]
    prices = asked or [item.price for item in old.items.data]
    days = next((days for price in prices if (days := price.says("trial_period_days", 0))), 0)
    return {**told, "trial_end": act.now_s + days * DAY_S} if days else told


def _of_the_ended(act: Act, old: Subscription, params: dict[str, Any]) -> Subscription:
    """What may still be told of a subscription that has ended (https://docs.stripe.com/api/subscriptions/update)."""
    others = [name for name in params if name not in ("metadata", "cancellation_details")]
    if others or not params:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise refusal("invalid_canceled_subscription_fields", message, param=others[0] if others else "")
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "cancellation_details" in params:
        told = terms.cancellation_details(old.says("cancellation_details"), params["cancellation_details"])
        fields["kept"] = with_kept(old.kept, {"cancellation_details": told})
    updated: Subscription = act.update("customer.subscription.updated", old, **fields)
    return updated


def _require_may_wait(old: Subscription, params: dict[str, Any]) -> None:
    if old.collection_method == "send_invoice":
        message = f"payment_behavior={PENDING} is not allowed for collection_method=send_invoice."
        raise refusal("parameter_invalid", message, param="payment_behavior")
    others = [name for name in params if name not in _MAY_WAIT]
    if others:
        message = f"payment_behavior={PENDING} does not go with {others[0]}: change that by itself."
        raise refusal("parameter_invalid", message, param=others[0])


def _plain_fields(act: Act, old: Subscription, params: dict[str, Any]) -> dict[str, Any]:
    """What is set whatever it costs."""
    fields: dict[str, Any] = {}
    if "default_payment_method" in params:
        method = params["default_payment_method"] or None
        fields["default_payment_method"] = act.backend.owned_method(old.customer, method) if method else None
    if "collection_method" in params or "days_until_due" in params:
        fields |= terms.collection_fields(params, old, None if act.backend.is_whole else invoices.DEFAULT_DAYS_UNTIL_DUE)
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise refusal("parameter_invalid", "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", param="cancel_at")
    if "cancel_at_period_end" in params:
        fields["cancel_at_period_end"] = params["cancel_at_period_end"]
        fields["canceled_at"] = act.now_s if params["cancel_at_period_end"] else None
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    told = _kept(act, old, params)
    if told is not old.kept:
        fields["kept"] = told
    return fields


def _kept(act: Act, old: Subscription, params: dict[str, Any]) -> Any:
    kept, given = kept_of(params, [*terms.KEPT, "default_source"], old.kept), {}
    if params.get("default_source"):
        act.backend.owned_method(old.customer, params["default_source"])
    if "pause_collection" in params:
        given["pause_collection"] = pausing.asked_for(params["pause_collection"], act.now_s)
    if params.get("trial_settings"):
        given["trial_settings"] = terms.trial_settings(params["trial_settings"])
    details, ends = params.get("cancellation_details"), params.get("cancel_at_period_end") or params.get("cancel_at")
    if details is not None or (act.backend.is_whole and ("cancel_at_period_end" in params or "cancel_at" in params)):
        reason = {"reason": "cancellation_requested" if ends else None} if "cancel_at_period_end" in params or "cancel_at" in params else {}
        given["cancellation_details"] = terms.cancellation_details(old.says("cancellation_details"), details, **reason)
    return with_kept(kept, given)


def _changed_fields(act: Act, change: Change, old: Subscription, plain: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"items": ItemList(change.items), "billing_cycle_anchor": change.anchor, "trial_end": change.trial_end}
    if change.begins_trial:
        # A classic subscription goes on telling of its first trial.
        is_latest = billing_mode.is_flexible(old) or old.trial_start is None
        fields |= {"status": "trialing", "trial_start": act.now_s if is_latest else old.trial_start}
    elif change.resets and old.status == "trialing":
        fields["status"] = "active"
    given: dict[str, Any] = {}
    if change.cancel_at is not None and change.cancel_at != (old.says("cancel_at") or 0):
        given["cancel_at"] = change.cancel_at or None
        fields["canceled_at"] = act.now_s if change.cancel_at else None
    if change.resets and old.says("billing_cycle_anchor_config") is not None:
        given["billing_cycle_anchor_config"] = None
    if given:
        fields["kept"] = with_kept(plain.get("kept", old.kept), given)
    return fields


def _payment(act: Act, old: Subscription, change: Change, behaviour: str, added: int, *, on_session: bool) -> Payment | None:
    """How the invoice of a change is paid, with so much `added`: None where nothing is collected now. Raises StripeError, with nothing done."""
    _require_not_too_many(act, old)
    if not _collects(old) or behaviour == "default_incomplete" or _due(act, old, change) + added <= 0:
        return None
    method = collection.default_method_of(act.backend, old)
    if method is None:
        raise refusal("resource_missing", terms.NO_METHOD)
    outcome = act.backend.cards.pay_for(old.customer, method, act.at_ms, on_session=on_session)
    if behaviour == "error_if_incomplete" and outcome.status not in ("paid", "processing"):
        amount, name = _due(act, old, change) + added, f"{stem(old.id)}_update.{short(act.task)}"
        raise failed_payments.refused(act, old.customer, method, amount, old.currency, outcome, name)
    return Payment(method, outcome)


def _require_not_too_many(act: Act, old: Subscription) -> None:
    made = [i.created for i in act.backend.books[old.customer].invoices.values() if i.subscription == old.id]
    for seconds, most, span in MOST_INVOICES:
        if len([created for created in made if created > act.now_s - seconds]) >= most:
            raise StripeError(429, "invalid_request_error", "rate_limit", f"Subscription {old.id} has had {most} new invoices within a {span}.")


def _collects(subscription: Subscription) -> bool:
    is_paused = subscription.says("pause_collection")
    return subscription.collection_method == "charge_automatically" and subscription.status != "unpaid" and not is_paused


def _due(act: Act, old: Subscription, change: Change) -> int:
    """What is to be paid now, after credit."""
    book = act.backend.books[old.customer]
    total = sum([each.amount for each in change.prorations])
    if change.resets and not change.begins_trial:
        total += sum([_cost(item, change.wholes.get(item.id, 0)) for item in change.items])
    total += sum([item.amount for item in swept(act, old, change)])
    return total + (book.customer.balance if book.customer is not None else 0)


def _cost(item: SubscriptionItem, whole_s: int) -> int:
    return prorated(price_of(item), item.current_period_end - item.current_period_start, whole_s) if whole_s else price_of(item)


def lines_of(act: Act, subscription: Subscription, change: Change, invoice: str) -> list[LineItem]:
    """The periods that begin with a change, as lines of its invoice."""
    if not change.resets:
        return []
    if change.begins_trial:
        return invoices.lines_of_trial(act, subscription, change.items, invoice)
    return invoices.lines_of_spans(act, [(item, change.wholes.get(item.id, 0)) for item in change.items], invoice)


def swept(act: Act, subscription: Subscription, change: Change) -> Sequence[InvoiceItem]:
    """Items that had been waiting and go along with a change's invoice: a new period takes them, prorations billed by themselves only where all
    invoices do.
    """
    return invoice_items.waiting(act.backend.books[subscription.customer], subscription.id) if change.sweeps else ()


def _bill(
    act: Act, old: Subscription, change: Change, payment: Payment | None, fields: dict[str, Any], added: Sequence[InvoiceItem]
) -> None:
    """Bill a change now, and what was `added` to it. `fields`: what is set beside it, or the update that waits for the payment."""
    backend, id = act.backend, act.backend.free(f"in_{stem(old.id)}_update.{short(act.task)}")
    if "pending_update" not in fields:
        fields = {**fields, **_changed_fields(act, change, old, fields)}
    backend.made_by(id, act.origin)
    if change.resets:
        # From here on its periods begin when somebody asked for it.
        backend.made_by(old.id, act.origin)
    waiting = swept(act, old, change)
    subscription = act.update("customer.subscription.updated", old, **fields, latest_invoice=id)
    lines = lines_of(act, subscription, change, id)
    items = [*invoice_items.settle(act, subscription, change.prorations), *waiting, *invoice_items.make(act, added)]
    invoice = invoices.draft(act, subscription, id, "subscription_update", lines, items, start=act.now_s, end=act.now_s)
    if subscription.says("pause_collection"):
        invoices.set_aside(act, subscription, invoice)
    elif _collects(subscription):
        _collect(act, invoices.finalize(act, invoice), payment)


def _collect(act: Act, opened: Invoice, payment: Payment | None) -> None:
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
        return
    if payment is not None:
        collection.pay_by_request(act, opened, payment)
    if payment is None or payment.outcome.status not in ("paid", "processing"):
        subscriptions.invoice_failed(act, opened)
