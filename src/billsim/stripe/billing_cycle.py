"""The billing cycle: a subscription begins, renews, expires; its drafts are finalised and collected (https://docs.stripe.com/billing/subscriptions/overview)."""

from __future__ import annotations

from msgspec import UNSET

from billsim.stripe import billing_mode, collection, customers, invoice_items, invoices, pausing, subscriptions, terms, upcoming
from billsim.stripe.backend import Act, Backend
from billsim.stripe.naming import next_period, stem
from billsim.stripe.objects import Invoice, ItemList, Subscription, SubscriptionItem, SubscriptionStatus
from billsim.stripe.periods import next_of_each, next_periods

# -- what Stripe does by itself


def cycle(backend: Backend, id: str) -> None:
    """A period is over: the next one begins with a draft, unless the subscription was to end or to pause here."""
    subscription = backend.subscription(id)
    if subscription.cancel_at_period_end or (subscription.kept is not UNSET and _is_over(backend, subscription)):
        with Act(backend, backend.own_task(id, "end"), "billing cycle", "end", "end") as act:
            subscriptions.end(act, subscription)
        return
    if subscription.kept is not UNSET and pausing.lacks_a_method(backend, subscription, "pause"):
        with Act(backend, backend.own_task(id, "pause"), "billing cycle", "pause", "pause") as act:
            pausing.pause(act, subscription)
        return
    period = next_period(backend.books[subscription.customer], id)
    with Act(backend, backend.own_task(id, f"cycle{period}"), "billing cycle", "1", str(period)) as act:
        _renew(act, subscription, f"in_{stem(id)}_{period}")


def _is_over(backend: Backend, subscription: Subscription) -> bool:
    cancel_at = subscription.says("cancel_at")
    return (cancel_at is not None and cancel_at <= backend.now_s) or pausing.lacks_a_method(backend, subscription, "cancel")


def _renew(act: Act, subscription: Subscription, invoice: str) -> None:
    first = min(subscription.items.data, key=_end_of) if len(subscription.items.data) > 1 else subscription.items.data[0]
    if subscription.kept is not UNSET and counts_by_cycles(subscription):
        begun = next_of_each(subscription, subscription.items.data, subscription.billing_cycle_anchor)
        items, is_cut = begun.items, bool(begun.wholes)
        lines = invoices.lines_of_spans(act, [(item, begun.wholes.get(item.id, 0)) for item in begun.due], invoice)
    else:
        items, whole_s = next_periods(subscription, subscription.items.data, subscription.billing_cycle_anchor)
        lines, is_cut = invoices.lines_of(act, items, invoice, whole_s=whole_s), whole_s > 0
    if is_cut and subscription.status == "trialing" and subscription.says("proration_behavior") == "none":
        act.update("customer.subscription.updated", subscription, status="active", items=ItemList(items))
        return
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    span = {"start": first.current_period_start, "end": first.current_period_end}
    drafted = invoices.draft(act, subscription, invoice, "subscription_cycle", lines, waiting, **span)
    status: SubscriptionStatus = "active" if subscription.status == "trialing" else subscription.status
    act.update("customer.subscription.updated", subscription, status=status, latest_invoice=invoice, items=ItemList(items))
    if subscription.says("pause_collection"):
        invoices.set_aside(act, subscription, drafted)


def _end_of(item: SubscriptionItem) -> int:
    return item.current_period_end


def counts_by_cycles(subscription: Subscription) -> bool:
    """Whether the anchor alone says when a period ends, whenever it began."""
    return billing_mode.is_flexible(subscription) or terms.keeps_anchor(subscription.says("trial_settings"))


def trial_will_end(backend: Backend, id: str) -> None:
    """A trial ends in three days (https://docs.stripe.com/billing/subscriptions/trials)."""
    subscription = backend.subscription(id)
    name = f"trial{subscription.trial_end}"
    with Act(backend, backend.own_task(id, "trial_will_end"), "trial", name, name) as act:
        act.emit("customer.subscription.trial_will_end", subscription)
    if upcoming.is_due(backend, subscription):
        upcoming.tell(backend, id)
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
        if backend.is_whole and opened.collection_method == "send_invoice":
            act.emit("invoice.sent", opened)
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

