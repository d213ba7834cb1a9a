"""What Stripe will do next, by itself, with a subscription, an invoice or a dispute: a function of their state, so that each has one timer."""

from __future__ import annotations

from billsim.core.time import DAY_S, HOUR_MS
from billsim.stripe.objects import Book, Dispute, Invoice, PaymentIntent, Subscription

INCOMPLETE_EXPIRES_MS = 23 * HOUR_MS
# A bank answers a payment in processing by the schedule's next instant, or, where there is none, within this (assumed).
SETTLEMENT_S = 5 * DAY_S
# How long before a trial's end the customer is told (https://docs.stripe.com/billing/subscriptions/trials).
TRIAL_WILL_END_S = 3 * DAY_S

Due = tuple[int, str]
"""(instant in milliseconds, what is done then)."""


def of_subscription(subscription: Subscription, now_ms: int) -> Due | None:
    """`expire` 23 hours after an incomplete start; `lapse` of a pending update; `trial_will_end` 3 days before; else `cycle` at the period's end."""
    if subscription.status == "incomplete":
        return subscription.created * 1000 + INCOMPLETE_EXPIRES_MS, "expire"
    if subscription.status not in ("active", "past_due", "trialing", "unpaid") or not subscription.items.data:
        return None
    if subscription.pending_update is not None:
        return int(subscription.pending_update["expires_at"]) * 1000, "lapse"
    if subscription.status == "trialing" and subscription.trial_end and now_ms < (told_s := subscription.trial_end - TRIAL_WILL_END_S) * 1000:
        return told_s * 1000, "trial_will_end"
    end = subscription.items.data[0].current_period_end
    return (end * 1000, "cycle") if end else None


def of_dispute(dispute: Dispute) -> Due | None:
    """`lose` when nobody has answered it in time."""
    return (dispute.evidence_details.due_by * 1000, "lose") if dispute.status == "needs_response" else None


def of_invoice(invoice: Invoice, book: Book, finalizes_at: int, now_ms: int) -> Due | None:
    """`finalize` for a draft; for an open one `settle` (a payment in processing), `attempt`, or `due`."""
    if invoice.status == "draft":
        return (finalizes_at, "finalize") if invoice.auto_advance and finalizes_at else None
    if invoice.status != "open":
        return None
    intent = last_intent(invoice, book)
    if intent is not None and intent.status == "processing":
        return settles_at(invoice, intent, book) * 1000, "settle"
    if invoice.next_payment_attempt is not None:
        return invoice.next_payment_attempt * 1000, "attempt"
    if invoice.due_date is not None and invoice.due_date * 1000 > now_ms:
        return invoice.due_date * 1000, "due"
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
