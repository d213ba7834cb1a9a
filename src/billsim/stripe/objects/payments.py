"""Payments: intents, charges, and what takes them back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from billsim.stripe.objects.base import StripeObject

PaymentIntentStatus = Literal[
    "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "canceled", "succeeded"
]
SetupIntentStatus = Literal["requires_payment_method", "requires_confirmation", "requires_action", "processing", "canceled", "succeeded"]
ChargeStatus = Literal["succeeded", "pending", "failed"]
DisputeStatus = Literal[
    "needs_response", "under_review", "won", "lost", "warning_needs_response", "warning_under_review", "warning_closed", "prevented"
]
RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]


class PaymentError(msgspec.Struct, frozen=True, gc=False):
    """`last_payment_error` of a payment intent."""

    code: str
    decline_code: str | None = None
    message: str = ""
    type: str = "card_error"


class PaymentIntent(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/payment_intents/object"""

    object: Literal["payment_intent"] = "payment_intent"
    amount: int
    amount_received: int = 0
    currency: str = "usd"
    customer: str | None = None
    payment_method: str | None = None
    status: PaymentIntentStatus = "requires_payment_method"
    latest_charge: str | None = None
    last_payment_error: PaymentError | None = None
    next_action: dict[str, Any] | None = None
    canceled_at: int | None = None


class SetupIntent(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/setup_intents/object"""

    object: Literal["setup_intent"] = "setup_intent"
    customer: str | None = None
    payment_method: str | None = None
    mandate: str | None = None
    status: SetupIntentStatus = "requires_payment_method"
    usage: Literal["on_session", "off_session"] = "off_session"
    last_setup_error: PaymentError | None = None
    next_action: dict[str, Any] | None = None
    cancellation_reason: str | None = None


class Charge(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/charges/object"""

    object: Literal["charge"] = "charge"
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    currency: str = "usd"
    customer: str | None = None
    payment_intent: str | None = None
    payment_method: str | None = None
    status: ChargeStatus = "succeeded"
    paid: bool = True
    captured: bool = True
    refunded: bool = False
    disputed: bool = False
    failure_code: str | None = None
    failure_message: str | None = None


class Refund(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/refunds/object"""

    object: Literal["refund"] = "refund"
    amount: int
    charge: str
    currency: str = "usd"
    customer: str | None = None
    payment_intent: str | None = None
    reason: str | None = None
    status: RefundStatus = "succeeded"


class BalanceTransaction(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/balance_transactions/object: money that left the platform's balance (below 0) or came back; `net` is that
    less the fee.
    """

    id: str
    amount: int
    fee: int
    net: int
    created: int
    currency: str
    type: str = "adjustment"
    object: Literal["balance_transaction"] = "balance_transaction"


class EvidenceDetails(msgspec.Struct, frozen=True, gc=False):
    """Until when a dispute may be answered, in unix seconds, and whether it has been."""

    due_by: int
    has_evidence: bool = False
    past_due: bool = False
    submission_count: int = 0


class Dispute(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/disputes/object. It has no customer of its own: its charge has."""

    object: Literal["dispute"] = "dispute"
    amount: int
    charge: str
    currency: str
    payment_intent: str | None = None
    reason: str = "general"
    status: DisputeStatus = "needs_response"
    is_charge_refundable: bool = False
    balance_transactions: tuple[BalanceTransaction, ...] = ()
    evidence: dict[str, str] = {}
    evidence_details: EvidenceDetails
