"""Subscriptions (https://docs.stripe.com/api/subscriptions): how their status follows their invoices, and what may be changed by request."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import billing_mode, debits, invoice_items, invoices, pending_updates, terms
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page_of, within
from billsim.stripe.naming import stem
from billsim.stripe.objects import Book, Invoice, Subscription, SubscriptionStatus, with_kept
from billsim.stripe.params import Types, refusal
from billsim.stripe.periods import whole_of
from billsim.stripe.prorations import Proration, prorations

CANCEL: Types = {"invoice_now": bool, "prorate": bool, "cancellation_details": dict}
LIST: Types = {
    "status": ("all", "ended", "incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused"),
    "price": str,
    "collection_method": ("charge_automatically", "send_invoice"),
    "current_period_start": int | dict,
    "current_period_end": int | dict,
}
ENDED = ("canceled", "incomplete_expired")
# Why the last invoice of a subscription is made: the API has no reason of its own for it, so that it is one of its changes (assumed).
ENDING = "subscription_update"


def set_status(act: Act, subscription: Subscription, status: SubscriptionStatus) -> None:
    """A new status, and its event; nothing where it has it."""
    if subscription.status != status:
        act.update("customer.subscription.updated", subscription, status=status)


def invoice_failed(act: Act, invoice: Invoice) -> None:
    """A scheduled attempt, or a due date, has passed without the money. Only the latest invoice moves the status."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.status in ("active", "trialing") and not pending_updates.waits_for(subscription, invoice.id):
        set_status(act, subscription, "past_due")


def invoice_paid(act: Act, invoice: Invoice) -> None:
    """The latest invoice is paid, which makes the subscription active, and applies what waited for it; older ones may still be owed."""
    subscription = _billed_by(act, invoice)
    if subscription is None:
        return
    if subscription.id in act.backend.resumes:
        resumed(act, subscription)
        return
    status: SubscriptionStatus = "active" if subscription.status in ("incomplete", "past_due", "unpaid") else subscription.status
    if pending_updates.waits_for(subscription, invoice.id):
        pending_updates.apply(act, subscription, status)
    else:
        set_status(act, subscription, status)


def payment_begun(act: Act, invoice: Invoice) -> None:
    """A bank processes the first payment, which has been confirmed: the subscription is active until it fails, and past due then."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.status == "incomplete":
        set_status(act, subscription, "active")


def resumed(act: Act, subscription: Subscription, **fields: Any) -> Subscription:
    """A paused subscription goes on, with these fields (https://docs.stripe.com/api/subscriptions/resume)."""
    act.backend.resumes.pop(subscription.id, None)
    kept = with_kept(subscription.kept, {"status_details": None})
    active: Subscription = act.update("customer.subscription.updated", subscription, status="active", kept=kept, **fields)
    act.emit("customer.subscription.resumed", active)
    return active


def invoice_written_off(act: Act, invoice: Invoice) -> None:
    """The latest invoice was marked uncollectible by request: a past due subscription is active again, and one that it was to resume goes on."""
    subscription = _billed_by(act, invoice)
    if subscription is not None and subscription.id in act.backend.resumes:
        resumed(act, subscription)
    elif subscription is not None and subscription.status == "past_due":
        set_status(act, subscription, "active")


def invoice_voided(act: Act, invoice: Invoice) -> None:
    """With the latest invoice void, the one before it decides; an incomplete subscription whose first invoice is void has expired."""
    subscription = _billed_by(act, invoice)
    if subscription is None:
        return
    if subscription.id in act.backend.resumes:
        # It stays paused, and may be resumed anew.
        del act.backend.resumes[subscription.id]
        act.arm(subscription)
    elif pending_updates.waits_for(subscription, invoice.id):
        pending_updates.forget(act, subscription)
    elif subscription.status == "incomplete":
        act.update("customer.subscription.updated", subscription, status="incomplete_expired", ended_at=act.now_s)
    elif subscription.status in ("past_due", "unpaid") and not _owes_before(act, invoice):
        set_status(act, subscription, "active")


def _owes_before(act: Act, invoice: Invoice) -> bool:
    book = act.backend.books[invoice.customer]
    others = [i for i in book.invoices.values() if i.subscription == invoice.subscription and i.status not in ("void", "draft")]
    return bool(others) and max(others, key=lambda i: i.created).status == "open"


def _billed_by(act: Act, invoice: Invoice) -> Subscription | None:
    """The subscription of which this is the latest invoice, if it has not ended."""
    book = act.backend.books[invoice.customer]
    subscription = book.subscriptions.get(invoice.subscription or "")
    if subscription is None or subscription.status in ENDED:
        return None
    return subscription if subscription.latest_invoice in (invoice.id, None) or _is_latest_that_counts(book, subscription, invoice) else None


def _is_latest_that_counts(book: Book, subscription: Subscription, invoice: Invoice) -> bool:
    """The invoice of a change that came to nothing, or that has yet to be paid for, decides nothing: the one before it does."""
    latest = book.invoices.get(subscription.latest_invoice or "")
    if latest is None or latest.billing_reason != "subscription_update" or (latest.status != "void" and subscription.pending_update is None):
        return False
    others = [i for i in book.invoices.values() if i.subscription == subscription.id and i.status != "void" and i.id != latest.id]
    return bool(others) and max(others, key=lambda i: i.created).id == invoice.id


def give_up(act: Act, invoice: Invoice) -> None:
    """The final action of the retry schedule, which Stripe skips where the latest invoice is paid."""
    book = act.backend.books[invoice.customer]
    subscription = book.subscriptions.get(invoice.subscription or "")
    if subscription is None or subscription.status in (*ENDED, "incomplete"):
        return
    latest = book.invoices.get(subscription.latest_invoice or "")
    if latest is not None and latest.status == "paid":
        return
    action = act.backend.settings.final_subscription
    if action == "cancel":
        end(act, subscription, reason="payment_failed")
    elif action == "mark_unpaid" and subscription.status != "paused":
        set_status(act, subscription, "unpaid")
    else:
        invoice_failed(act, invoice)


def end(act: Act, subscription: Subscription, *, reason: str | None = "cancellation_requested", details: Any = None) -> Subscription:
    """Cancel: for good, and what is owed stays owed. `reason` and `details`: what is told of why."""
    subscription = pending_updates.withdraw(act, subscription, expired=True)
    act.backend.resumes.pop(subscription.id, None)
    fields: dict[str, Any] = {"canceled_at": act.now_s, "ended_at": act.now_s}
    if act.backend.is_whole or details:
        told = terms.cancellation_details(subscription.says("cancellation_details"), details, reason=reason)
        fields["kept"] = with_kept(subscription.kept, {"cancellation_details": told})
        if subscription.cancel_at_period_end or subscription.says("cancel_at"):
            fields["canceled_at"] = subscription.canceled_at or act.now_s
    canceled: Subscription = act.put(replace(subscription, status="canceled", **fields))
    act.emit("customer.subscription.deleted", canceled)
    invoices.stop_collecting(act, subscription.id, subscription.customer)
    return canceled


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Raises StripeError (404)."""
    return act.backend.subscription(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Subscriptions, newest first: those not canceled, unless `status` asks for others. Raises StripeError."""
    status, price, method = params.get("status"), params.get("price"), params.get("collection_method")
    found = [each for each in act.backend.every("subscription", params.get("customer")) if _has_status(each, status)]
    if price:
        found = [each for each in found if any(item.price.id == price for item in each.items.data)]
    if method:
        found = [each for each in found if each.collection_method == method]
    begun = within(found, params.get("current_period_start"), "current_period_start", lambda each: each.items.data[0].current_period_start)
    ending = within(begun, params.get("current_period_end"), "current_period_end", lambda each: each.items.data[0].current_period_end)
    return page_of(act.backend, ending, params, "/v1/subscriptions")


def _has_status(subscription: Subscription, status: str | None) -> bool:
    if not status:
        return subscription.status != "canceled"
    return status in ("all", subscription.status) or (status == "ended" and subscription.status in ENDED)


def cancel(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Cancel now. `prorate` gives the unused time back, with the next invoice, or with `invoice_now` at once, to the customer's balance.

    Raises StripeError (404, as Stripe does) for one that has ended.
    """
    subscription = act.backend.subscription(id)
    if subscription.status in ENDED:
        raise refusal("resource_missing", f"No such subscription: {id!r}", 404, param="id")
    details = params.get("cancellation_details")
    terms.cancellation_details(None, details)
    if params.get("prorate") and subscription.status not in ("trialing", "incomplete", "paused"):
        invoice_items.settle(act, subscription, unused(act, subscription))
    canceled = end(act, subscription, details=details)
    return _bill_the_end(act, canceled) if params.get("invoice_now") else canceled


def unused(act: Act, subscription: Subscription) -> tuple[Proration, ...]:
    """What is given back of a subscription that ends now."""
    if billing_mode.is_flexible(subscription):
        return debits.settled(act.backend, subscription, (), act.now_s, ends=True)
    return prorations(subscription.items.data, (), act.now_s, ends=True, whole_s=whole_of(subscription))


def _bill_the_end(act: Act, canceled: Subscription) -> Subscription:
    """What waits for an invoice is billed with one that Stripe does not collect."""
    waiting = invoice_items.waiting(act.backend.books[canceled.customer], canceled.id)
    if not waiting:
        return canceled
    id = act.backend.free(f"in_{stem(canceled.id)}_end.{short(act.task)}")
    act.backend.made_by(id, act.origin)
    drafted = invoices.draft(act, canceled, id, ENDING, (), waiting, start=act.now_s, end=act.now_s)
    invoices.finalize(act, drafted, auto_advance=False)
    return act.put(replace(canceled, latest_invoice=id))  # type: ignore[no-any-return]
