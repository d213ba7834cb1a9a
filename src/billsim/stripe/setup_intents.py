"""Setup intents (https://docs.stripe.com/api/setup_intents): a payment method is made ready for later payments, with a mandate if it needs one."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import mandates, payment_methods
from billsim.stripe.backend import Act
from billsim.stripe.cards import Decline
from billsim.stripe.naming import new_id
from billsim.stripe.objects import PaymentError, SetupIntent, StripeError
from billsim.stripe.params import Types, merged_metadata, refusal

CREATE: Types = {
    "customer": str, "payment_method": str, "usage": ("on_session", "off_session"), "confirm": bool, "metadata": dict,
}  # fmt: skip
CONFIRM: Types = {"payment_method": str}
_CHALLENGE = {"type": "use_stripe_sdk"}
_WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """A new one, and with `confirm` its end at once. Raises StripeError as `confirm` does."""
    customer = act.backend.customer(params["customer"]).id if params.get("customer") else None
    method = _usable(act, params["payment_method"], customer) if params.get("payment_method") else None
    intent: SetupIntent = act.put(
        SetupIntent(
            id=new_id(act.backend, "seti", id, act.task),
            created=act.now_s,
            customer=customer,
            payment_method=method,
            status="requires_confirmation" if method else "requires_payment_method",
            usage=params.get("usage", "off_session"),
            metadata=merged_metadata({}, params.get("metadata")),
        )
    )
    act.emit("setup_intent.created", intent)
    return confirm(act, intent.id, {}) if params.get("confirm") else intent


def _usable(act: Act, method: str, customer: str | None) -> str:
    owner = act.backend.payment_method(method).customer
    if owner is not None and owner != customer:
        raise refusal("payment_method_unexpected_state", f"{method} belongs to another customer.")
    return method


def confirm(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """Set the payment method up, with the customer at hand. Where the bank wants a confirmation it waits for that.

    Raises StripeError: 402 where the bank declines, which is recorded; 400 where there is nothing to set up.
    """
    intent: SetupIntent = act.backend.found("setup_intent", id)
    method = params.get("payment_method") or intent.payment_method
    if intent.status not in _WAITING or method is None:
        raise refusal("setup_intent_unexpected_state", f"{id} has a status of {intent.status}: there is nothing to confirm.")
    intent = replace(intent, payment_method=_usable(act, method, intent.customer))
    outcome = act.backend.cards.pay_for(intent.customer or "", method, act.at_ms, on_session=True)
    if outcome.status == "requires_action":
        asked: SetupIntent = act.put(replace(intent, status="requires_action", next_action=_CHALLENGE))
        act.emit("setup_intent.requires_action", asked)
        return asked
    # Nothing is charged, so that only a card that is no good at all is declined.
    if outcome.decline is not None and outcome.decline.hard:
        _fail(act, intent, outcome.decline)
        raise StripeError(402, "card_error", outcome.decline.code, outcome.decline.message)
    return succeed(act, intent)


def _fail(act: Act, intent: SetupIntent, decline: Decline) -> None:
    error = PaymentError(decline.code, decline.decline_code, decline.message)
    failed = replace(intent, status="requires_payment_method", payment_method=None, last_setup_error=error, next_action=None)
    act.emit("setup_intent.setup_failed", act.put(failed))


def succeed(act: Act, intent: SetupIntent) -> SetupIntent:
    """It is set up: attached to its customer, with a mandate where the kind of payment method needs one."""
    method = act.backend.payment_method(intent.payment_method or "")
    if method.customer is None and intent.customer is not None:
        method = payment_methods.attach(act, method.id, {"customer": intent.customer})
    mandate = mandates.give(act, method)
    fields = {"mandate": mandate.id if mandate else None, "next_action": None, "last_setup_error": None}
    done: SetupIntent = act.put(replace(intent, status="succeeded", **fields))
    act.emit("setup_intent.succeeded", done)
    return done


def cancel(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """Raises StripeError for one that has ended."""
    intent: SetupIntent = act.backend.found("setup_intent", id)
    if intent.status not in _WAITING:
        raise refusal("setup_intent_unexpected_state", f"{id} has a status of {intent.status}: it cannot be canceled.")
    canceled: SetupIntent = act.put(replace(intent, status="canceled", cancellation_reason="requested_by_customer", next_action=None))
    act.emit("setup_intent.canceled", canceled)
    return canceled


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("setup_intent", id)
