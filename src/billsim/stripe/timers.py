"""What Stripe will do next, by itself, with a subscription, an invoice or a dispute: a function of their state, so that each has one timer."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from billsim.core.time import DAY_S, HOUR_MS
from billsim.stripe.objects import Book, Dispute, Invoice, PaymentIntent, Subscription

INCOMPLETE_EXPIRES_MS = 23 * HOUR_MS
# A bank answers a payment in processing by the schedule's next instant, or, where there is none, within this (assumed).
SETTLEMENT_S = 5 * DAY_S
# How long before a trial's end the customer is told (https://docs.stripe.com/billing/subscriptions/trials).
TRIAL_WILL_END_S = 3 * DAY_S

# Where the evidence of a test says what becomes of a dispute, and what it may say there (https://docs.stripe.com/testing#evidence).
TELLING = "uncategorized_text"
DECIDING = frozenset({"winning_evidence", "losing_evidence", "escalate_inquiry_evidence"})
NONE_SETTLES: Mapping[str, int] = {}

Due = tuple[int, str]
"""(instant in milliseconds, what is done then)."""


def of_subscription(subscription: Subscription, now_ms: int, resumes_s: int | None = None, upcoming_s: int = 0) -> Due | None:
    """`expire` 23 hours after an incomplete start; `lapse` of a pending update; `trial_will_end` 3 days before; else `cycle` at the period's end.

    `collect_again` where the pause of its collection ends before; `upcoming` so many seconds before it renews (0: never). Of a paused one
    `give_up_resuming` at `resumes_s`, None for never.
    """
    due = _of_its_status(subscription, now_ms, resumes_s)
    if upcoming_s and due is not None and (renews_s := renews_at(subscription)) is not None:
        told_ms = (renews_s - upcoming_s) * 1000
        due = (told_ms, "upcoming") if now_ms < told_ms < due[0] else due
    if due is None or subscription.kept is UNSET:
        return due
    resumes_at = (subscription.says("pause_collection") or {}).get("resumes_at")
    return (resumes_at * 1000, "collect_again") if resumes_at is not None and resumes_at * 1000 <= due[0] else due


def _of_its_status(subscription: Subscription, now_ms: int, resumes_s: int | None) -> Due | None:
    if subscription.status == "paused":
        return (resumes_s * 1000, "give_up_resuming") if resumes_s is not None else None
    if subscription.status == "incomplete":
        return subscription.created * 1000 + INCOMPLETE_EXPIRES_MS, "expire"
    if subscription.status not in ("active", "past_due", "trialing", "unpaid") or not subscription.items.data:
        return None
    if subscription.pending_update is not None:
        return int(subscription.pending_update["expires_at"]) * 1000, "lapse"
    items = subscription.items.data
    end = items[0].current_period_end if len(items) == 1 else min([item.current_period_end for item in items])
    if subscription.status == "trialing" and subscription.trial_end and now_ms < (told_s := subscription.trial_end - TRIAL_WILL_END_S) * 1000:
        return (end * 1000, "cycle") if end and end < told_s else (told_s * 1000, "trial_will_end")
    return (end * 1000, "cycle") if end else None


def renews_at(subscription: Subscription) -> int | None:
    """When the next invoice is made that will be charged automatically, in unix seconds; None where there will be none."""
    if subscription.status not in ("active", "past_due", "trialing") or subscription.collection_method != "charge_automatically":
        return None
    end, cancel_at = min([item.current_period_end for item in subscription.items.data]), subscription.says("cancel_at")
    return None if subscription.cancel_at_period_end or (cancel_at is not None and cancel_at <= end) else end


def of_dispute(dispute: Dispute, now_ms: int) -> Due | None:
    """`lose` when nobody has answered it in time; `judge` at once, where the evidence says what the bank is to make of it."""
    if dispute.status in ("needs_response", "warning_needs_response"):
        return dispute.evidence_details.due_by * 1000, "lose"
    if dispute.status in ("under_review", "warning_under_review") and dispute.evidence.get(TELLING) in DECIDING:
        return now_ms, "judge"
    return None


def of_invoice(
    invoice: Invoice, book: Book, finalizes_at: int, now_ms: int, settles: Mapping[str, int] = NONE_SETTLES, soon_s: int = 0
) -> Due | None:
    """`finalize` for a draft; for an open one `settle` (a payment in processing, when `settles` says of its intent), `attempt`, or `due`, and before
    that, by so many seconds, `will_be_due` (0: never).
    """
    if invoice.status == "draft":
        return (finalizes_at, "finalize") if invoice.auto_advance and finalizes_at else None
    if invoice.status != "open":
        return None
    intent = last_intent(invoice, book)
    if intent is not None and intent.status == "processing":
        return (settles.get(intent.id) or settles_at(invoice, intent, book)) * 1000, "settle"
    if invoice.next_payment_attempt is not None:
        return invoice.next_payment_attempt * 1000, "attempt"
    if invoice.due_date is not None and invoice.due_date * 1000 > now_ms:
        told_ms = (invoice.due_date - soon_s) * 1000
        return (told_ms, "will_be_due") if soon_s and now_ms < told_ms else (invoice.due_date * 1000, "due")
    return None


def last_intent(invoice: Invoice, book: Book) -> PaymentIntent | None:
    """The latest payment intent of an invoice, or None."""
    return book.payment_intents.get(invoice.payments[-1].payment_intent) if invoice.payments else None


def settles_at(invoice: Invoice, intent: PaymentIntent, book: Book) -> int:
    """When the bank will have answered a payment in processing, in unix seconds."""
    if invoice.next_payment_attempt is not None:
        return invoice.next_payment_attempt
    charge = book.charges.get(intent.latest_charge or "")
    return (charge.created if charge else intent.created) + SETTLEMENT_S
