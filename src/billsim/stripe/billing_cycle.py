"""The billing cycle: a subscription begins, renews, expires; its drafts are finalised and collected (https://docs.stripe.com/billing/subscriptions/overview)."""

from __future__ import annotations

from typing import Any

from billsim.core.time import DAY_S
from billsim.stripe import collection, customers, invoice_items, invoices, subscriptions
from billsim.stripe.backend import Act, Backend
from billsim.stripe.naming import new_id, next_period, stem
from billsim.stripe.objects import Invoice, ItemList, Recurring, StripeError, Subscription, SubscriptionItem, SubscriptionStatus
from billsim.stripe.params import Types, check, merged_metadata, refusal
from billsim.stripe.periods import next_period_of, period_end
from billsim.stripe.timers import TRIAL_WILL_END_S

CREATE: Types = {
    "customer": str,
    "items": list,
    "payment_behavior": ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
    "default_payment_method": str,
    "collection_method": ("charge_automatically", "send_invoice"),
    "days_until_due": int,
    "trial_end": int,
    "trial_period_days": int,
    "off_session": bool,
    "cancel_at_period_end": bool,
    "metadata": dict,
}
_ITEM: Types = {"price": str, "quantity": int}

# -- what Stripe does by itself


def cycle(backend: Backend, id: str) -> None:
    """A period is over: the next one begins with a draft, unless the subscription was to end here."""
    subscription = backend.subscription(id)
    if subscription.cancel_at_period_end:
        with Act(backend, backend.own_task(id, "end"), "billing cycle", "end", "end") as act:
            subscriptions.end(act, subscription)
        return
    period = next_period(backend.books[subscription.customer], id)
    with Act(backend, backend.own_task(id, f"cycle{period}"), "billing cycle", "1", str(period)) as act:
        _renew(act, subscription, f"in_{stem(id)}_{period}")


def _renew(act: Act, subscription: Subscription, invoice: str) -> None:
    first = subscription.items.data[0]
    items = tuple([next_period_of(item, subscription.billing_cycle_anchor) for item in subscription.items.data])
    lines, waiting = invoices.lines_of(items, invoice, act.now_s), invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    span = {"start": first.current_period_start, "end": first.current_period_end}
    invoices.draft(act, subscription, invoice, "subscription_cycle", lines, waiting, **span)
    status: SubscriptionStatus = "active" if subscription.status == "trialing" else subscription.status
    act.update("customer.subscription.updated", subscription, status=status, latest_invoice=invoice, items=ItemList(items))


def trial_will_end(backend: Backend, id: str) -> None:
    """A trial ends in three days (https://docs.stripe.com/billing/subscriptions/trials)."""
    subscription = backend.subscription(id)
    name = f"trial{subscription.trial_end}"
    with Act(backend, backend.own_task(id, "trial_will_end"), "trial", name, name) as act:
        act.emit("customer.subscription.trial_will_end", subscription)
    backend.arm(subscription)


def finalize(backend: Backend, id: str) -> None:
    """A draft's hour is over: it is finalised, and attempted at once where Stripe collects it."""
    opened = open_draft(backend, backend.invoice(id))
    if collection.is_collecting(opened):
        collection.attempt_by_schedule(backend, opened)


def open_draft(backend: Backend, draft: Invoice) -> Invoice:
    """Finalise a draft; one over nothing is paid with that."""
    id = draft.id
    with Act(backend, backend.own_task(id, "finalize"), "billing cycle", "1", f"{id}.finalize") as act:
        opened = invoices.finalize(act, draft)
        if opened.status == "paid":
            subscriptions.invoice_paid(act, opened)
    return opened


def overdue(backend: Backend, id: str) -> None:
    """A sent invoice has passed its due date."""
    with Act(backend, backend.own_task(id, "due"), "due date", "due", f"{id}.due") as act:
        invoice = backend.invoice(id)
        act.emit("invoice.overdue", invoice)
        subscriptions.invoice_failed(act, invoice)
        customers.set_delinquent(act, invoice.customer, True)


def expire(backend: Backend, id: str) -> None:
    """Nobody paid the first invoice within 23 hours: it is void, and the subscription has expired."""
    subscription = backend.subscription(id)
    with Act(backend, backend.own_task(id, "expire"), "23 hours incomplete", "expired", "expired") as act:
        invoice = backend.books[subscription.customer].invoices.get(subscription.latest_invoice or "")
        if invoice is not None and invoice.status == "open":
            subscriptions.invoice_voided(act, invoices.set_void(act, invoice))
        else:
            subscriptions.set_status(act, subscription, "incomplete_expired")


# -- by request


def start(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Create a subscription and bill its first period (https://docs.stripe.com/billing/subscriptions/overview#payment-behavior).

    Raises StripeError: 400 for `pending_if_incomplete`; under `error_if_incomplete` 402, and nothing made, where the payment does not go through.
    """
    backend = act.backend
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour == "pending_if_incomplete":
        raise refusal("parameter_invalid", "payment_behavior=pending_if_incomplete is not allowed when a subscription is created.")
    subscription = _drawn_up(act, id, params)
    bill = _first_bill(act, subscription, params, behaviour)
    act.put(subscription)
    backend.made_by(subscription.id, act.origin)
    act.emit("customer.subscription.created", subscription)
    if subscription.trial_end is not None and subscription.trial_end - TRIAL_WILL_END_S <= act.now_s:
        act.emit("customer.subscription.trial_will_end", subscription)
    _first_invoice(act, subscription, bill)
    return backend.subscription(subscription.id)


def _first_bill(act: Act, subscription: Subscription, params: dict[str, Any], behaviour: str) -> collection.Payment | None:
    """How the first invoice is paid: None where nothing is collected now."""
    if subscription.status != "incomplete" or behaviour == "default_incomplete":
        return None
    method = collection.default_method_of(act.backend, subscription)
    if method is None:
        raise refusal("resource_missing", "This customer has no attached payment source or default payment method.")
    outcome = act.backend.cards.pay_for(subscription.customer, method, act.backend.kernel.now, on_session=not params.get("off_session"))
    if behaviour == "error_if_incomplete" and outcome.status != "paid":
        code = outcome.decline.code if outcome.decline else "subscription_payment_intent_requires_action"
        raise StripeError(402, "card_error", code, outcome.decline.message if outcome.decline else "The payment needs confirmation.")
    return collection.Payment(method, outcome)


def _first_invoice(act: Act, subscription: Subscription, bill: collection.Payment | None) -> None:
    item = subscription.items.data[0]
    span = {"start": item.current_period_start, "end": item.current_period_start}
    invoice = f"in_{stem(subscription.id)}_1"
    is_trial = subscription.status == "trialing"
    lines = invoices.lines_of(subscription.items.data, invoice, act.now_s, free=is_trial)
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    drafted = invoices.draft(act, subscription, invoice, "subscription_create", lines, waiting, **span)
    if subscription.collection_method == "send_invoice" and not is_trial:
        return
    opened = invoices.finalize(act, drafted)
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
    elif bill is not None:
        collection.pay_by_request(act, opened, bill)


def _drawn_up(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """The subscription as it is before its first invoice."""
    backend, now = act.backend, act.now_s
    customer = backend.customer(params["customer"])
    name = new_id(backend, "sub", id, act.task)
    trial_end = _trial_end(params, now)
    items = _items(act, name, params["items"], trial_end)
    sent = params.get("collection_method") == "send_invoice"
    free = not sum(item.price.unit_amount * item.quantity for item in items)
    method = params.get("default_payment_method") or None
    status: SubscriptionStatus = "trialing" if trial_end else "active" if sent or free else "incomplete"
    return Subscription(
        id=name,
        created=now,
        customer=customer.id,
        status=status,
        currency=items[0].price.currency,
        items=ItemList(items),
        latest_invoice=f"in_{stem(name)}_1",
        collection_method="send_invoice" if sent else "charge_automatically",
        days_until_due=params.get("days_until_due", invoices.DEFAULT_DAYS_UNTIL_DUE) if sent else None,
        default_payment_method=backend.owned_method(customer.id, method) if method else None,
        billing_cycle_anchor=trial_end or now,
        start_date=now,
        cancel_at_period_end=params.get("cancel_at_period_end", False),
        trial_start=now if trial_end else None,
        trial_end=trial_end,
        metadata=merged_metadata({}, params.get("metadata")),
    )


def _trial_end(params: dict[str, Any], now_s: int) -> int | None:
    if "trial_end" in params and "trial_period_days" in params:
        raise refusal("parameter_invalid", "Give trial_end or trial_period_days, not both.")
    end: int = params.get("trial_end", 0) or (now_s + params.get("trial_period_days", 0) * DAY_S)
    if end < now_s:
        raise refusal("parameter_invalid", "Invalid trial_end: it must lie in the future.")
    return end if end > now_s else None


def _items(act: Act, subscription: str, given: list[dict[str, Any]], trial_end: int | None) -> tuple[SubscriptionItem, ...]:
    if not given:
        raise refusal("parameter_missing", "Missing required param: items.")
    items = []
    for index, wanted in enumerate(given):
        check(wanted, _ITEM, ("price",))
        price = act.backend.price(wanted["price"])
        item = SubscriptionItem(
            id=f"si_{stem(subscription)}" if index == 0 else f"si_{stem(subscription)}.{index + 1}",
            created=act.now_s,
            price=price,
            quantity=wanted.get("quantity", 1),
            subscription=subscription,
            current_period_start=act.now_s,
            current_period_end=trial_end or period_end(price.recurring or Recurring(), act.now_s, act.now_s),
        )
        items.append(item)
    return tuple(items)
