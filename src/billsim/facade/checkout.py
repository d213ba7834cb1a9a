"""checkout: one flow for every product. Who is at the browser is checked, a way to pay is vaulted, and the mutation pipeline does the rest.

The facade decides nothing about billing: what is bought, and whether it is paid for, it reads in OPE once the pipeline has ended.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from billsim.facade.desk import TRIES, Refusal, RowsMovedError, Serving, answered, served
from billsim.facade.identity import customer_for
from billsim.facade.payment_methods import attach
from billsim.ports import CallStripe, CompareAndSet, Component, Effect, Message, Read, Start, Steps
from billsim.stores.ope import ACTIVE, PENDING, OpeSubscription
from billsim.stores.subs_customer import CustomerRow
from billsim.stripe.objects import Customer

NAME = "checkout"
PIPELINE = "subscriptions_api"
# What Turnstile, the check that a person sits at the browser, says of one that may go on.
PASSED = "passed"
INTERVALS = ("month", "year")
BOUGHT, WAITS, NOT_BOUGHT = "bought", "waits_for_payment", "not_bought"


def handle(message: Message) -> Steps:
    """Serve `request.checkout`."""
    yield from served(message, check_out)


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle, primary=True)


def check_out(message: Message) -> Serving:
    """Buy `product` on `plan` at `price` minor units an `interval`, `quantity` times, with `method` or else the default payment method.

    `turnstile`: `passed`, or nothing is touched. Answers `bought`, `waits_for_payment` or `not_bought`.
    """
    body = message.body
    if body.get("turnstile") != PASSED:
        raise Refusal("turnstile_refused")
    order = order_of(body)
    customer = yield from customer_for(message)
    if body.get("method"):
        vaulted = yield from attach(message)
        if "method" not in vaulted:
            return vaulted
    elif order["price"] and not (yield from _has_default(message.account, customer)):
        raise Refusal("no_payment_method")
    yield from _note_plan(message.account, order["plan"])
    asked = {"op": "create", **order, "when": "now", "on_session": True, "via": "dashboard"}
    yield Start(PIPELINE, message.account, "request.change", {**asked, "returns_after_ms": body.get("returns_after_ms", 0)})
    return answered((yield from _outcome(message.account, order["product"])))


def order_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be bought. Raises Refusal: `invalid_<field>`."""
    order = {"product": "", "plan": "", "price": None, "interval": "month", "quantity": 1}
    order |= {name: body[name] for name in order if name in body}
    for name in ("product", "plan"):
        if not isinstance(order[name], str) or not order[name]:
            raise Refusal(f"invalid_{name}")
    for name, least in (("price", 0), ("quantity", 1)):
        value = order[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise Refusal(f"invalid_{name}")
    if order["interval"] not in INTERVALS:
        raise Refusal("invalid_interval")
    return order


def _has_default(account: str, customer: str) -> Generator[Effect, Any, bool]:
    held: Customer = yield CallStripe("customers.retrieve", account, customer)
    return bool(held.invoice_settings.default_payment_method)


def _note_plan(account: str, plan: str) -> Steps:
    for _ in range(TRIES):
        row: CustomerRow = yield Read("subs_customer", account)
        if (yield CompareAndSet("subs_customer", account, row.version, {"checkout_plan": plan})) is not None:
            return
    raise RowsMovedError(account, "subs_customer")


def _outcome(account: str, product: str) -> Generator[Effect, Any, str]:
    bought: dict[str, OpeSubscription] = yield Read("ope", account)
    held = [row.status for row in bought.values() if any(item.product == product for item in row.items)]
    return BOUGHT if ACTIVE in held else WAITS if PENDING in held else NOT_BOUGHT
