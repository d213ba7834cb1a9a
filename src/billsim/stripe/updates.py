"""Changing a subscription by request (https://docs.stripe.com/api/subscriptions/update): settled by the second, billed now or with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billsim.core.ids import short
from billsim.core.time import DAY_S, MINUTE_MS
from billsim.stripe import changes, collection, invoice_items, invoices, pending_updates, subscriptions
from billsim.stripe.backend import Act
from billsim.stripe.changes import Change
from billsim.stripe.collection import Payment
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, ItemList, StripeError, Subscription
from billsim.stripe.params import Types, merged_metadata, refusal
from billsim.stripe.prorations import price_of

PENDING = "pending_if_incomplete"
BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", PENDING)
UPDATE: Types = {
    **changes.PARAMS,
    "metadata": dict,
    "default_payment_method": str,
    "cancel_at_period_end": bool,
    "payment_behavior": BEHAVIORS,
    "off_session": bool,
}
# What an update that may have to wait can change (https://docs.stripe.com/billing/subscriptions/pending-updates).
_MAY_WAIT = frozenset({*changes.PARAMS, "metadata", "payment_behavior", "off_session"})
# A subscription may be billed so often by request (https://docs.stripe.com/rate-limits).
MOST_INVOICES = ((MINUTE_MS // 1000, 10, "minute"), (DAY_S, 20, "day"))


def update(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Set what is given, and settle it. Raises StripeError; under `error_if_incomplete` 402, and nothing changed, where a payment fails."""
    old = act.backend.subscription(id)
    if old.status in subscriptions.ENDED:
        raise refusal("subscription_canceled", f"Subscription {id} has ended: only a new one can be made.")
    behaviour = params.get("payment_behavior", BEHAVIORS[0])
    if behaviour == PENDING:
        _require_may_wait(old, params)
    plain = _plain_fields(act, old, params)
    change = changes.change_of(act.backend, old, params, act.task)
    if change is None:
        changed: Subscription = act.update("customer.subscription.updated", old, **plain)
        return changed
    payment = _payment(act, old, change, behaviour, on_session=not params.get("off_session")) if change.bills else None
    old = pending_updates.withdraw(act, old)
    if not change.bills:
        changed = act.update("customer.subscription.updated", old, **plain, **_changed_fields(change, old))
        invoice_items.settle(act, changed, change.prorations)
        return changed
    waits = behaviour == PENDING and payment is not None and payment.outcome.status != "paid"
    _bill(act, old, change, payment, {"pending_update": pending_updates.held(old, change, params.get("metadata"), act.now_s)} if waits else plain)
    return act.backend.subscription(id)


def _require_may_wait(old: Subscription, params: dict[str, Any]) -> None:
    if old.collection_method == "send_invoice":
        raise refusal("parameter_invalid", f"payment_behavior={PENDING} is not allowed for collection_method=send_invoice.")
    others = [name for name in params if name not in _MAY_WAIT]
    if others:
        raise refusal("parameter_invalid", f"payment_behavior={PENDING} does not go with {others[0]}: change that by itself.")


def _plain_fields(act: Act, old: Subscription, params: dict[str, Any]) -> dict[str, Any]:
    """What is set whatever it costs."""
    fields: dict[str, Any] = {}
    if "default_payment_method" in params:
        method = params["default_payment_method"] or None
        fields["default_payment_method"] = act.backend.owned_method(old.customer, method) if method else None
    if "cancel_at_period_end" in params:
        fields["cancel_at_period_end"] = params["cancel_at_period_end"]
        fields["canceled_at"] = act.now_s if params["cancel_at_period_end"] else None
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    return fields


def _changed_fields(change: Change, old: Subscription) -> dict[str, Any]:
    fields: dict[str, Any] = {"items": ItemList(change.items), "billing_cycle_anchor": change.anchor, "trial_end": change.trial_end}
    if change.resets and old.status == "trialing":
        fields["status"] = "active"
    return fields


def _payment(act: Act, old: Subscription, change: Change, behaviour: str, *, on_session: bool) -> Payment | None:
    """How the invoice of a change is paid: None where nothing is collected now. Raises StripeError, with nothing done."""
    _require_not_too_many(act, old)
    if not _collects(old) or behaviour == "default_incomplete" or _due(act, old, change) <= 0:
        return None
    method = collection.default_method_of(act.backend, old)
    if method is None:
        raise refusal("resource_missing", "This customer has no attached payment source or default payment method.")
    outcome = act.backend.cards.pay_for(old.customer, method, act.at_ms, on_session=on_session)
    if behaviour == "error_if_incomplete" and outcome.status != "paid":
        code = outcome.decline.code if outcome.decline else "subscription_payment_intent_requires_action"
        raise StripeError(402, "card_error", code, outcome.decline.message if outcome.decline else "The payment needs confirmation.")
    return Payment(method, outcome)


def _require_not_too_many(act: Act, old: Subscription) -> None:
    made = [i.created for i in act.backend.books[old.customer].invoices.values() if i.subscription == old.id]
    for seconds, most, span in MOST_INVOICES:
        if len([created for created in made if created > act.now_s - seconds]) >= most:
            raise StripeError(429, "invalid_request_error", "rate_limit", f"Subscription {old.id} has had {most} new invoices within a {span}.")


def _collects(subscription: Subscription) -> bool:
    return subscription.collection_method == "charge_automatically" and subscription.status != "unpaid"


def _due(act: Act, old: Subscription, change: Change) -> int:
    """What is to be paid now, after credit."""
    book = act.backend.books[old.customer]
    total = sum([each.amount for each in change.prorations])
    if change.resets:
        total += sum([price_of(item) for item in change.items]) + sum([item.amount for item in swept(act, old, change)])
    return total + (book.customer.balance if book.customer is not None else 0)


def swept(act: Act, subscription: Subscription, change: Change) -> Sequence[InvoiceItem]:
    """Items that had been waiting and go along with a change's invoice: a new period takes them, prorations billed by themselves do not."""
    return invoice_items.waiting(act.backend.books[subscription.customer], subscription.id) if change.resets else ()


def _bill(act: Act, old: Subscription, change: Change, payment: Payment | None, fields: dict[str, Any]) -> None:
    """Bill a change now. `fields`: what is set beside it, or the update that waits for the payment."""
    backend, id = act.backend, act.backend.free(f"in_{stem(old.id)}_update.{short(act.task)}")
    if "pending_update" not in fields:
        fields = {**fields, **_changed_fields(change, old)}
    backend.made_by(id, act.origin)
    if change.resets:
        # From here on its periods begin when somebody asked for it.
        backend.made_by(old.id, act.origin)
    waiting = swept(act, old, change)
    subscription = act.update("customer.subscription.updated", old, **fields, latest_invoice=id)
    lines = invoices.lines_of(change.items, id, act.now_s) if change.resets else []
    items = [*invoice_items.settle(act, subscription, change.prorations), *waiting]
    invoice = invoices.draft(act, subscription, id, "subscription_update", lines, items, start=act.now_s, end=act.now_s)
    if _collects(subscription):
        _collect(act, invoices.finalize(act, invoice), payment)


def _collect(act: Act, opened: Invoice, payment: Payment | None) -> None:
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
        return
    if payment is not None:
        collection.pay_by_request(act, opened, payment)
    if payment is None or payment.outcome.status != "paid":
        subscriptions.invoice_failed(act, opened)
