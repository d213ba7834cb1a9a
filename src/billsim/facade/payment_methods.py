"""Payment methods: vaulted at Stripe with a setup intent, made the default, removed; and PayPal fetched back from the wrong vault.

The browser has made the payment method at Stripe and hands in its id: no card number comes here. The setup intent is noted before it is made, so that
its webhook can end what a closed browser, or a crash, has left.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.ids import short
from billsim.facade.desk import TRIES, Refusal, RowsMovedError, Serving, answered, key_of, served
from billsim.facade.identity import copied, customer_for, known_customer
from billsim.ports import CallStripe, CompareAndSet, Component, Effect, Message, Read, Sleep, Steps
from billsim.stores.ope import CANCELED, OpeSubscription
from billsim.stores.subs_customer import BRAINTREE, CustomerRow
from billsim.stripe.objects import Customer, PaymentMethod, SetupIntent, StripeError

NAME = "payment_methods"
STRIPE = ""
TYPES = ("card", "paypal", "sepa_debit")
PAYPAL = "paypal"
# What is answered where the customer has yet to confirm: the webhook will end it.
NOT_CONFIRMED = "not_confirmed"


def handle(message: Message) -> Steps:
    """Serve `request.{attach,default,remove}_method` and `request.migrate_vault`; or end a vaulting that Stripe says has succeeded."""
    if message.kind.startswith("stripe."):
        yield from _confirmed(message)
    else:
        yield from served(message, SERVES[message.kind])


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle, primary=True)


def attach(message: Message) -> Serving:
    """Vault the payment method `method` and make it the default. `returns_after_ms`: how long the customer is away at a bank that asks to confirm.

    Raises Refusal: `declined` where the bank will not have it.
    """
    customer = yield from customer_for(message)
    method = yield from _method(message)
    if method.type not in TYPES:
        raise Refusal("unknown_type")
    if method.customer not in (None, customer):
        raise Refusal("not_yours")
    intent = yield from _set_up(message, customer, method.id)
    if intent.status != "succeeded":
        yield Sleep(int(message.body.get("returns_after_ms", 0)))
        intent = yield CallStripe("setup_intents.retrieve", message.account, intent.id)
        if intent.status != "succeeded":
            return answered(NOT_CONFIRMED)
    yield from _settle(message.account, intent)
    return answered(method=method.id)


def make_default(message: Message) -> Serving:
    """Charge `method`, one that is attached, from now on."""
    customer = yield from known_customer(message.account)
    method = yield from _own_method(message, customer)
    yield from _charge(message.account, customer, method.id, key_of(message, "default"))
    return answered(method=method.id)


def remove(message: Message) -> Serving:
    """Detach `method`; not the default while something is bought."""
    account = message.account
    customer = yield from known_customer(account)
    method = yield from _own_method(message, customer)
    bought: dict[str, OpeSubscription] = yield Read("ope", account)
    held: Customer = yield CallStripe("customers.retrieve", account, customer)
    if method.id == held.invoice_settings.default_payment_method and any(row.status != CANCELED for row in bought.values()):
        raise Refusal("in_use")
    yield CallStripe("payment_methods.detach", account, method.id, {}, key_of(message, "detach"))
    yield from copied(account)
    return answered(method=method.id)


def migrate(message: Message) -> Serving:
    """Vault PayPal anew, through Stripe's token: `method`, or else the default. Raises Refusal where it is not PayPal, or in no wrong vault."""
    row: CustomerRow | None = yield Read("subs_customer", message.account)
    if row is None or row.vault != BRAINTREE:
        raise Refusal("nothing_to_migrate")
    named = message.body.get("method") or (yield from _default(message.account, row.stripe_customer))
    asked = Message(message.name, message.origin, message.kind, message.account, message.at_ms, None, {**message.body, "method": named})
    if (yield from _method(asked)).type != PAYPAL:
        raise Refusal("not_paypal")
    return (yield from attach(asked))


SERVES = {
    "request.attach_method": attach,
    "request.default_method": make_default,
    "request.remove_method": remove,
    "request.migrate_vault": migrate,
}


def _set_up(message: Message, customer: str, method: str) -> Generator[Effect, Any, SetupIntent]:
    account, id = message.account, f"seti_{message.account}.{short(message.name)}"
    yield from _note(account, {"setup_intent": id})
    params = {"customer": customer, "payment_method": method, "usage": "off_session", "confirm": True}
    try:
        intent: SetupIntent = yield CallStripe("setup_intents.create", account, id, params, key_of(message, "setup"))
    except StripeError as refusal:
        if refusal.status != 402:
            raise
        yield from _note(account, {"setup_intent": ""}, only_if=id)
        raise Refusal("declined") from refusal
    return intent


def _confirmed(message: Message) -> Steps:
    """The webhook of a setup intent. One that is not noted is settled already, or a later one has taken its place."""
    row: CustomerRow | None = yield Read("subs_customer", message.account)
    told = message.event.data.object
    if row is not None and row.setup_intent and row.setup_intent == getattr(told, "id", ""):
        intent: SetupIntent = yield CallStripe("setup_intents.retrieve", message.account, row.setup_intent)
        yield from _settle(message.account, intent)


def _settle(account: str, intent: SetupIntent) -> Steps:
    """What is set up becomes the default, unless another one was noted meanwhile. Whoever comes second does it again, with the same outcome."""
    row: CustomerRow | None = yield Read("subs_customer", account)
    if row is None or row.setup_intent != intent.id or intent.payment_method is None:
        return
    method: PaymentMethod = yield CallStripe("payment_methods.retrieve", account, intent.payment_method)
    yield from _charge(account, row.stripe_customer, method.id, f"default-{short(intent.id)}")
    yield from _note(account, {"setup_intent": "", **({"vault": STRIPE} if method.type == PAYPAL else {})}, only_if=intent.id)


def _charge(account: str, customer: str, method: str, key: str) -> Steps:
    yield CallStripe("customers.update", account, customer, {"invoice_settings": {"default_payment_method": method}}, key)
    yield from copied(account)


def _note(account: str, fields: dict[str, Any], only_if: str | None = None) -> Steps:
    """Set fields of the mapping. `only_if`: as long as this setup intent is the one that is noted."""
    for _ in range(TRIES):
        row: CustomerRow = yield Read("subs_customer", account)
        if only_if is not None and row.setup_intent != only_if:
            return
        if (yield CompareAndSet("subs_customer", account, row.version, fields)) is not None:
            return
    raise RowsMovedError(account, "subs_customer")


def _default(account: str, customer: str) -> Generator[Effect, Any, str]:
    if not customer:
        raise Refusal("no_stripe_customer")
    held: Customer = yield CallStripe("customers.retrieve", account, customer)
    return held.invoice_settings.default_payment_method or ""


def _method(message: Message) -> Generator[Effect, Any, PaymentMethod]:
    id = str(message.body.get("method") or "")
    if not id:
        raise Refusal("no_such_method")
    try:
        method: PaymentMethod = yield CallStripe("payment_methods.retrieve", message.account, id)
    except StripeError as refusal:
        if refusal.status != 404:
            raise
        raise Refusal("no_such_method") from refusal
    return method


def _own_method(message: Message, customer: str) -> Generator[Effect, Any, PaymentMethod]:
    method = yield from _method(message)
    if not customer or method.customer != customer:
        raise Refusal("not_yours")
    return method
