"""What a subscription that asks for nothing at first will be paid with: tried out while its customer is at hand
(https://docs.stripe.com/billing/subscriptions/deferred-payment).

Where that does not succeed at once, `pending_setup_intent` names the setup intent that waits for the customer, until it has succeeded.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from billsim.stripe import collection, setup_intents
from billsim.stripe.backend import Act
from billsim.stripe.naming import stem
from billsim.stripe.objects import SetupIntent, StripeError, Subscription, with_kept

FIELD = setup_intents.OF_SUBSCRIPTION


def begin(act: Act, subscription: Subscription, *, off_session: bool, confirms: bool) -> Subscription:
    """The new subscription, not yet at Stripe, with a setup intent where one is left to confirm. Nobody is asked where it is sent invoices, nor where
    nobody is at hand (`off_session`, assumed). Without `confirms` (`default_incomplete`) it is left to the customer.
    """
    if subscription.collection_method != "charge_automatically" or off_session:
        return subscription
    method = collection.default_method_of(act.backend, subscription)
    intent: SetupIntent = act.put(
        SetupIntent(
            id=act.backend.free(f"seti_{stem(subscription.id)}"),
            created=act.now_s,
            customer=subscription.customer,
            payment_method=method,
            status="requires_confirmation" if method is not None else "requires_payment_method",
        )
    )
    act.emit("setup_intent.created", intent)
    if method is None or not confirms:
        return _waiting(subscription, intent)
    return _tried(act, subscription, intent, method)


def again(act: Act, subscription: Subscription, method: str | None) -> None:
    """The subscription has been given another payment method, which its setup intent is tried with."""
    intent = act.backend.found("setup_intent", subscription.says(FIELD) or "") if subscription.says(FIELD) else None
    if method is not None and intent is not None and intent.status in setup_intents.WAITING:
        with suppress(StripeError):
            setup_intents.confirm(act, intent.id, {"payment_method": method})


def _tried(act: Act, subscription: Subscription, intent: SetupIntent, method: str) -> Subscription:
    with suppress(StripeError):
        setup_intents.confirm(act, intent.id, {})
    if act.backend.found("setup_intent", intent.id).status != "succeeded":
        return _waiting(subscription, intent)
    return replace(subscription, **setup_intents.remembered(act, subscription, method))


def _waiting(subscription: Subscription, intent: SetupIntent) -> Subscription:
    return replace(subscription, kept=with_kept(subscription.kept, {FIELD: intent.id}))
