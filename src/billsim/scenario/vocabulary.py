"""Names that a scenario may use and that are defined elsewhere: drift codes, causes, marks, engines, statuses.

They stand in one place, so that a typo is met with the nearest valid name.
"""

from __future__ import annotations

from typing import get_args

from billsim.stripe.objects import SubscriptionStatus

CODES = (
    "bad_debt_stuck",
    "bad_debt_missed",
    "dunning_wrong",
    "debt_flags_inconsistent",
    "no_successful_payment_stuck",
    "no_successful_payment_missed",
    "consequence_unjustified",
    "consequence_missing",
    "stripe_drift",
    "www_drift",
    "entitlement_drift",
    "ledger_drift",
    "profile_drift",
    "mapping_drift",
    "account_type_drift",
    "orphaned_state",
)
CAUSES = (
    "lost_update",
    "stale_read",
    "stale_event",
    "blind_overwrite",
    "partial_apply",
    "missing_handler",
    "duplicate",
    "wrong_path",
    "manual_write",
    "data",
)
MARKS = (
    "stale_event_ignored",
    "lost_update_happened",
    "compare_and_set_lost",
    "duplicate_delivered",
    "redelivered",
    "dead_letter_used",
    "boundary_fired",
    "consequence_refused",
    "recovered_sent",
)
ENGINES = ("legacy", "recompute", "noop", "all_healthy", "all_bad", "cancel_all", "void_all")
INSTRUMENTS = ("card", "paypal", "sepa_debit")
CARDS = ("good", "declines", "lost")
INVOICE_STATUSES = ("open", "paid", "void", "uncollectible")
SUBSCRIPTION_STATUSES: tuple[str, ...] = get_args(SubscriptionStatus)

# https://docs.stripe.com/api/events/types, as far as a webhook endpoint of a billing platform subscribes to them.
EVENT_TYPES = (
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.created",
    "customer.deleted",
    "customer.source.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_attempt_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.upcoming",
    "invoice.updated",
    "invoice.voided",
    "invoice.will_be_due",
    "mandate.updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "price.created",
    "price.updated",
    "refund.created",
    "refund.updated",
    "setup_intent.canceled",
    "setup_intent.created",
    "setup_intent.requires_action",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
)
