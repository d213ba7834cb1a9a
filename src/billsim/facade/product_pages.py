"""The per-product pages of before the one checkout, each with its own order form.

Nobody checks the browser, PayPal goes into the vault of a token that is not Stripe's, names and e-mail addresses stay here, and the product is
unlocked before it is paid for. What was typed into the form is written over whatever has become of the rows since the page was loaded.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.facade.checkout import order_of
from billsim.facade.desk import Refusal, Serving, answered, key_of, served
from billsim.facade.payment_methods import PAYPAL, STRIPE
from billsim.ports import CallStripe, Component, Effect, Message, Read, Send, Steps, Write
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import BRAINTREE, CustomerRow
from billsim.stripe.objects import PaymentMethod, StripeError

NAME = "product_pages"


def handle(message: Message) -> Steps:
    """Serve `request.checkout`, as the page of its product does."""
    yield from served(message, order)


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle)


def order(message: Message) -> Serving:
    """Buy what `billsim.facade.checkout` would, and take `name` and `email` as typed. The order itself goes into the queue."""
    account, body = message.account, message.body
    page: AccountRow = yield Read("subs_account", account)
    mapping: CustomerRow | None = yield Read("subs_customer", account)
    if mapping is None or not mapping.stripe_customer:
        raise Refusal("no_stripe_customer")
    asked = order_of(body)
    vault = mapping.vault
    if body.get("method"):
        vault = yield from _vaulted(message, mapping.stripe_customer)
    yield Write("subs_customer", account, {"checkout_plan": asked["plan"], "vault": vault})
    typed = {"name": body.get("name", page.name), "email": body.get("email", page.email), "flags": page.flags}
    yield Write("subs_account", account, typed)
    yield Write("cf_prod", account, {"plan": asked["plan"]}, asked["product"])
    yield Send("change_requested", account, {"op": "create", **asked, "when": "now", "on_session": False, "via": "dashboard"})
    return answered("ordered")


def _vaulted(message: Message, customer: str) -> Generator[Effect, Any, str]:
    """Attach the payment method and make it the default, with no setup intent and no mandate. Answer: the vault that it is in."""
    account, id = message.account, str(message.body["method"])
    try:
        method: PaymentMethod = yield CallStripe("payment_methods.attach", account, id, {"customer": customer}, key_of(message, "attach"))
    except StripeError as refusal:
        if not refusal.says(400, 402, 404):
            raise
        raise Refusal("declined") from refusal
    settings = {"invoice_settings": {"default_payment_method": id}}
    yield CallStripe("customers.update", account, customer, settings, key_of(message, "default"))
    return BRAINTREE if method.type == PAYPAL else STRIPE
