"""Payment intents (https://docs.stripe.com/api/payment_intents): what each step of a payment does to them. One an invoice, in all its attempts."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import HARD_DECLINES, Decline
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, PaymentError, PaymentIntent, StripeError, with_kept

# What the client is told to do; the simulation knows only that the bank asks.
_CHALLENGE = {"type": "use_stripe_sdk"}
_HOSTED = "https://hooks.stripe.com/3d_secure_2/hosted"


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


def succeed(act: Act, intent: PaymentIntent, method: str | None, charge: str, amount: int | None = None) -> None:
    """The money is in, all of it where no `amount` is given."""
    fields = {"amount_received": intent.amount if amount is None else amount, "next_action": None, "last_payment_error": None}
    new = act.put(replace(intent, status="succeeded", payment_method=method, latest_charge=charge, **fields))
    act.emit("payment_intent.succeeded", new)


def authorize(act: Act, intent: PaymentIntent, method: str | None, charge: str) -> None:
    """The bank has set the money aside, to be captured."""
    fields = {"next_action": None, "last_payment_error": None}
    new = act.put(replace(intent, status="requires_capture", payment_method=method, latest_charge=charge, **fields))
    act.emit("payment_intent.amount_capturable_updated", new)


def fail(act: Act, intent: PaymentIntent, charge: str | None, decline: Decline, code: str = "") -> None:
    """The payment method was declined, and another may be tried. `code` is what the intent says of it, where that is not what the charge says."""
    error = PaymentError(code or decline.code, decline.decline_code, decline.message, _type_of(decline))
    new = replace(intent, status="requires_payment_method", payment_method=None, latest_charge=charge, last_payment_error=error, next_action=None)
    act.emit("payment_intent.payment_failed", act.put(new))


def _type_of(decline: Decline) -> str:
    return "invalid_request_error" if decline.code == "payment_intent_authentication_failure" else "card_error"


def refusal_of(act: Act, intent: str, decline: Decline, method: str | None) -> StripeError:
    """The refusal of a request whose payment was declined, as it is told with what stands now."""
    now = act.backend.payment_intent(intent)
    paid_with = act.backend.payment_method(method) if method is not None else None
    told: dict[str, Any] = {"charge": now.latest_charge or "", "payment_intent": now, "payment_method": paid_with}
    return StripeError(402, _type_of(decline), decline.code, decline.message, decline_code=decline.decline_code, **told)


def next_action(return_url: str | None) -> dict[str, Any]:
    """Where the customer goes to confirm."""
    if not return_url:
        return _CHALLENGE
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": f"{_HOSTED}?return_url={return_url}"}}


def require_action(act: Act, intent: PaymentIntent, method: str | None, return_url: str | None = None) -> None:
    """The bank wants the customer's confirmation."""
    new = act.put(replace(intent, status="requires_action", payment_method=method, next_action=next_action(return_url)))
    act.emit("payment_intent.requires_action", new)


def process(act: Act, intent: PaymentIntent, method: str | None, charge: str) -> None:
    """The bank takes its time."""
    fields = {"next_action": None, "last_payment_error": None}
    new = act.put(replace(intent, status="processing", payment_method=method, latest_charge=charge, **fields))
    act.emit("payment_intent.processing", new)


def abandon(act: Act, intent: PaymentIntent, reason: str | None = None) -> None:
    """Nothing is to be paid any more; one that has ended stays as it is."""
    if intent.status not in ("succeeded", "canceled"):
        kept = with_kept(intent.kept, {"cancellation_reason": reason} if reason else {})
        new = act.put(replace(intent, status="canceled", canceled_at=act.now_s, next_action=None, kept=kept))
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
