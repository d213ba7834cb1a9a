"""Payment intents (https://docs.stripe.com/api/payment_intents): one an invoice, through all its attempts."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import HARD_DECLINES, Decline
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, PaymentError, PaymentIntent
from billsim.stripe.params import refusal

# What the client is told to do; the simulation knows only that the bank asks.
_CHALLENGE = {"type": "use_stripe_sdk"}


def open_for(act: Act, invoice: Invoice) -> PaymentIntent:
    """The payment intent of an invoice that is being finalised. Its event is left to the caller, for it follows the invoice's."""
    intent: PaymentIntent = act.put(
        PaymentIntent(
            id=act.backend.free(f"pi_{stem(invoice.id)}"),
            created=act.now_s,
            livemode=invoice.livemode,
            amount=invoice.amount_remaining,
            currency=invoice.currency,
            customer=invoice.customer,
        )
    )
    return intent


def succeed(act: Act, intent: PaymentIntent, method: str | None, charge: str) -> None:
    """The money is in."""
    fields = {"amount_received": intent.amount, "next_action": None, "last_payment_error": None}
    new = act.put(replace(intent, status="succeeded", payment_method=method, latest_charge=charge, **fields))
    act.emit("payment_intent.succeeded", new)


def fail(act: Act, intent: PaymentIntent, charge: str, decline: Decline) -> None:
    """The payment method was declined, and another may be tried."""
    error = PaymentError(decline.code, decline.decline_code, decline.message)
    new = replace(intent, status="requires_payment_method", payment_method=None, latest_charge=charge, last_payment_error=error, next_action=None)
    act.emit("payment_intent.payment_failed", act.put(new))


def require_action(act: Act, intent: PaymentIntent, method: str | None) -> None:
    """The bank wants the customer's confirmation."""
    new = act.put(replace(intent, status="requires_action", payment_method=method, next_action=_CHALLENGE))
    act.emit("payment_intent.requires_action", new)


def process(act: Act, intent: PaymentIntent, method: str | None, charge: str) -> None:
    """The bank takes its time."""
    fields = {"next_action": None, "last_payment_error": None}
    new = act.put(replace(intent, status="processing", payment_method=method, latest_charge=charge, **fields))
    act.emit("payment_intent.processing", new)


def abandon(act: Act, intent: PaymentIntent) -> None:
    """Nothing is to be paid any more; one that has ended stays as it is."""
    if intent.status not in ("succeeded", "canceled"):
        new = act.put(replace(intent, status="canceled", canceled_at=act.now_s, next_action=None))
        act.emit("payment_intent.canceled", new)


def is_declined_for_good(act: Act, intent: PaymentIntent, method: str) -> bool:
    """Whether this payment method has met a hard decline: it is not charged again (https://docs.stripe.com/billing/revenue-recovery/smart-retries)."""
    error = intent.last_payment_error
    if error is None or error.decline_code not in HARD_DECLINES or intent.latest_charge is None:
        return False
    return act.backend.exists(intent.latest_charge) and act.backend.charge(intent.latest_charge).payment_method == method


def retrieve(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Raises StripeError (404)."""
    return act.backend.payment_intent(id)


def cancel(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Raises StripeError for the intent of an invoice (void the invoice instead) and for one that has ended."""
    intent = act.backend.payment_intent(id)
    invoice = act.backend.invoice_of(intent)
    if invoice is not None:
        raise refusal("payment_intent_unexpected_state", f"{id} belongs to invoice {invoice.id}: void that instead.")
    if intent.status in ("succeeded", "canceled", "processing"):
        raise refusal("payment_intent_unexpected_state", f"{id} has a status of {intent.status}: it cannot be canceled.")
    abandon(act, intent)
    return act.backend.payment_intent(id)
