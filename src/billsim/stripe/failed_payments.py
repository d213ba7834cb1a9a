"""A payment without which a request changes nothing (`payment_behavior=error_if_incomplete`), and that did not go through: its refusal."""

from __future__ import annotations

from billsim.stripe import charges, payment_intents
from billsim.stripe.backend import Act
from billsim.stripe.cards import Outcome
from billsim.stripe.objects import PaymentIntent, StripeError

_UNCONFIRMED = "subscription_payment_intent_requires_action"
_NEEDS_ACTION = (
    "Payment for this subscription requires additional user action, but the requested payment behavior doesn't save the invoice or PaymentIntent. "
    "Retry the request with `payment_behavior=allow_incomplete` or `payment_behavior=default_incomplete`, then complete the PaymentIntent on the "
    "subscription's latest invoice. Additional information is available here: "
    "https://stripe.com/docs/billing/subscriptions/overview#requires-action"
)


def refused(act: Act, customer: str, method: str, amount: int, currency: str, outcome: Outcome, stem: str) -> StripeError:
    """How it is refused. The payment itself has happened: its intent, which ends with it, and its charge are there. In worlds, where nobody asks for
    either, they are not.
    """
    if not act.backend.is_whole:
        return _told(outcome)
    intent: PaymentIntent = act.put(
        PaymentIntent(
            id=act.backend.free(f"pi_{stem}.refused"),
            created=act.now_s,
            amount=amount,
            currency=currency,
            customer=customer,
            payment_method=method,
            status="requires_confirmation",
        )
    )
    act.emit("payment_intent.created", intent)
    if outcome.decline is not None:
        charge = act.backend.free(f"ch_{stem}.refused")
        charges.record_for(act, charge, intent, method, "failed", outcome.decline)
        payment_intents.fail(act, intent, charge, outcome.decline)
        error = payment_intents.refusal_of(act, intent.id, outcome.decline, method)
    else:
        payment_intents.require_action(act, intent, method)
        error = _told(outcome)
        error.payment_intent = act.backend.payment_intent(intent.id)
        error.payment_method = act.backend.payment_method(method)
    payment_intents.abandon(act, act.backend.payment_intent(intent.id), "void_invoice")
    return error


def _told(outcome: Outcome) -> StripeError:
    if outcome.decline is None:
        return StripeError(402, "card_error", _UNCONFIRMED, _NEEDS_ACTION)
    return StripeError(402, "card_error", outcome.decline.code, outcome.decline.message, decline_code=outcome.decline.decline_code)
