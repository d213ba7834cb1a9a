"""pm-view: what an account may be charged through, as its customers see it. Stripe holds it; the noted default is looked after in passing."""

from __future__ import annotations

from billsim.facade import cache
from billsim.facade.cache import Loading
from billsim.facade.desk import Serving, answered, looked_up, shown
from billsim.facade.identity import METHODS, PARTS, copied, known_customer
from billsim.ports import AccountState, Component, GatherAll, Message, Steps
from billsim.stripe.objects import PaymentMethod

NAME = "pm_view"
_WALLETS = {"paypal": "PayPal", "sepa_debit": "SEPA direct debit"}


def handle(message: Message) -> Steps:
    """Serve `request.view_methods`; or throw the view away, when Stripe says that a payment method has changed."""
    if message.kind.startswith("stripe."):
        yield from cache.forget(message.account, METHODS)
    else:
        yield from shown(message, view)


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle)


def view(message: Message) -> Serving:
    """The payment methods, as they were at most a minute ago: id, type, what to call it, and which is the default."""
    methods = yield from cache.cached(message.account, METHODS, looked_up(message, _shown))
    return answered(methods=methods)


def label(method: PaymentMethod) -> str:
    """What a customer calls a payment method."""
    if method.card is not None:
        return f"{method.card.brand.title()} ending in {method.card.last4}, {method.card.exp_month:02}/{method.card.exp_year % 100:02}"
    return _WALLETS.get(method.type, method.type)


def _shown(account: str) -> Loading:
    """Raises Refusal for a merged account: nobody is shown what somebody else pays with."""
    if not (yield from known_customer(account)):
        return []
    state: AccountState = yield GatherAll(account, PARTS)
    customer, row = state.stripe.customer, state.customer
    default = customer.invoice_settings.default_payment_method if customer is not None else None
    if customer is not None and row is not None and row.payment_method != (default or ""):
        yield from copied(account)
    return [
        {"id": id, "type": method.type, "label": label(method), "default": id == default}
        for id, method in state.stripe.payment_methods.items()
        if method.customer is not None
    ]
