"""The old subscriptions-api: what an account has bought changes in OPE at once, and Stripe is told afterwards.

A purchase or a change stands before it is paid for. No request to Stripe has an idempotency key, so that whoever repeats an order buys twice; what
Stripe refuses is nobody's concern; and a browser that comes back from the bank writes what its page had when it left.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.legacy import entitlements
from billsim.ports import CallStripe, Effect, Message, Read, Sleep, Start, Steps, Write
from billsim.stores.cf_prod import FREE
from billsim.stores.ope import ACTIVE, CANCELED, PENDING, OpeItem, OpeSubscription
from billsim.stores.subs_customer import CustomerRow
from billsim.stripe.objects import Customer, Price, StripeError, Subscription

NAME = "subscriptions_api"
DOORS = ("request.change", "domain.change_requested")
CREATE, CANCEL, PERIOD_END = "create", "cancel", "period_end"
# How the name of a plan says how often it is billed.
ANNUAL, MONTHLY = ("_annual", "_yearly"), ("_monthly",)
REFUSED = (400, 402, 404)
LIVE = ("active", "trialing")


class Order(msgspec.Struct, frozen=True):
    """What a request asks for. `subscription`: an OPE key, '' for the first that is not over. What is '' or None stays as it is."""

    op: str = ""
    subscription: str = ""
    product: str = ""
    plan: str = ""
    price: int | None = None
    interval: str = ""
    quantity: int | None = None
    when: str = "now"
    on_session: bool = False
    returns_after_ms: int = 0


def handle(message: Message) -> Steps:
    """Carry out the order of a message, whoever has sent it and however often it comes."""
    told = {"on_session": message.body.get("via") == "dashboard", **message.body}
    order = msgspec.convert({key: value for key, value in told.items() if key in Order.__struct_fields__}, Order)
    bought: dict[str, OpeSubscription] = yield Read("ope", message.account)
    if order.op == CREATE:
        yield from _buy(message.account, bought, order)
        return
    row = _ordered(bought, order)
    if row is None:
        return
    if order.op == CANCEL:
        yield from _cancel(row, order)
    else:
        yield from _change(row, order)


def _ordered(bought: dict[str, OpeSubscription], order: Order) -> OpeSubscription | None:
    live = [row for row in bought.values() if row.status != CANCELED and order.subscription in ("", row.key)]
    return live[0] if live else None


# -- what is bought --------------------------------------------------------------------------------------------------------------------


def _buy(account: str, bought: dict[str, OpeSubscription], order: Order) -> Steps:
    """A row of its own in OPE, and the plan; then Stripe. The customer's browser, back from the bank, says which subscription it has become."""
    key, nth = f"ope_{account}", 1
    while key in bought:
        nth += 1
        key = f"ope_{account}-{nth}"
    item = OpeItem(order.product, order.plan, order.price or 0, order.quantity or 1)
    yield Write("ope", account, {"status": ACTIVE, "interval": interval_of(order, "month"), "items": (item,)}, key)
    yield from _unlock(account, item)
    made = yield from _made(account, item, order)
    if made is None:
        return
    if order.on_session and made.status == "incomplete":
        yield Sleep(order.returns_after_ms)
    yield Write("ope", account, {"stripe_subscription": made.id}, key)


def _made(account: str, item: OpeItem, order: Order) -> Generator[Effect, Any, Subscription | None]:
    """Answer: the subscription at Stripe, None where it would not have it."""
    customer = yield from _customer(account)
    price = yield from _price(account, item, order)
    params = {
        "customer": customer,
        "items": [{"price": price, "quantity": item.quantity}],
        "payment_behavior": "allow_incomplete",
        "off_session": not order.on_session,
    }
    try:
        made: Subscription = yield CallStripe("subscriptions.create", account, "", params)
    except StripeError as refusal:
        if refusal.status not in REFUSED:
            raise
        return None
    return made


def _customer(account: str) -> Generator[Effect, Any, str]:
    """The account's customer; one that Stripe does not know is made in passing."""
    row: CustomerRow | None = yield Read("subs_customer", account)
    if row is not None and row.stripe_customer:
        return row.stripe_customer
    made: Customer = yield CallStripe("customers.create", account, "")
    yield Write("subs_customer", account, {"stripe_customer": made.id})
    return made.id


def _price(account: str, item: OpeItem, order: Order) -> Generator[Effect, Any, str]:
    """The price that is named after the plan, as it is; made as ordered where there is none."""
    id = f"price_{item.plan}"
    try:
        found: Price = yield CallStripe("prices.retrieve", account, id)
        return found.id
    except StripeError as refusal:
        if refusal.status != 404:
            raise
    terms = {"currency": "usd", "product": item.product, "unit_amount": item.price, "recurring": {"interval": order.interval or "month"}}
    try:
        yield CallStripe("prices.create", account, id, terms)
    except StripeError as refusal:
        if refusal.status not in REFUSED:
            raise
    return id


def interval_of(order: Order, before: str) -> str:
    """How often it is billed, as the plan's name says, or else as it was `before`; what was ordered is left to the price."""
    if order.plan.endswith(ANNUAL):
        return "year"
    return "month" if order.plan.endswith(MONTHLY) else before


# -- what is changed -------------------------------------------------------------------------------------------------------------------


def _change(row: OpeSubscription, order: Order) -> Steps:
    """OPE and the plan, then Stripe, whatever comes of it there. But for another interval Stripe comes first."""
    old = next((item for item in row.items if order.product in ("", item.product)), None)
    if old is None:
        return
    new = replace(
        old,
        plan=order.plan or old.plan,
        price=old.price if order.price is None else order.price,
        quantity=old.quantity if order.quantity is None else order.quantity,
    )
    items = tuple(new if item is old else item for item in row.items)
    stands = {"items": items, "interval": interval_of(order, row.interval)}
    if order.interval not in ("", row.interval):
        yield from _begin_anew(row, new, stands, order)
        return
    yield Write("ope", row.account, stands, row.key)
    if new.plan != old.plan:
        yield from _unlock(row.account, new)
    changed = yield from _changed(row, old, new, order)
    if changed is not None and changed.pending_update is not None:
        yield from _wait_for_the_browser(row, changed, stands, order)


def _begin_anew(row: OpeSubscription, new: OpeItem, stands: dict[str, Any], order: Order) -> Steps:
    """Another interval is another subscription at Stripe, paid or not: it takes the old one's place in OPE, which then ends."""
    made = yield from _made(row.account, new, order)
    if made is None:
        return
    if order.on_session and made.status == "incomplete":
        yield Sleep(order.returns_after_ms)
    yield Write("ope", row.account, {**stands, "stripe_subscription": made.id}, row.key)
    yield from _unlock(row.account, new)
    yield from _tell(row, "subscriptions.cancel", {})


def _changed(row: OpeSubscription, old: OpeItem, new: OpeItem, order: Order) -> Generator[Effect, Any, Subscription | None]:
    """Answer: the subscription as Stripe then has it, None where it would not."""
    grows = new.price * new.quantity > old.price * old.quantity
    try:
        held: Subscription = yield CallStripe("subscriptions.retrieve", row.account, row.stripe_subscription)
        billed = next((item for item in held.items.data if item.price.product == old.product), None)
        price = billed.price.id if billed is not None and new.plan == old.plan else (yield from _price(row.account, new, order))
        item = {"price": price, "quantity": new.quantity, **({"id": billed.id} if billed is not None else {})}
        behavior = "pending_if_incomplete" if grows and order.on_session else "allow_incomplete"
        settled = "none" if order.when == PERIOD_END else "always_invoice" if grows else "create_prorations"
        params = {"items": [item], "payment_behavior": behavior, "proration_behavior": settled, "off_session": not order.on_session}
        changed: Subscription = yield CallStripe("subscriptions.update", row.account, row.stripe_subscription, params)
    except StripeError as refusal:
        if refusal.status not in REFUSED:
            raise
        return None
    return changed


def _wait_for_the_browser(row: OpeSubscription, changed: Subscription, stands: dict[str, Any], order: Order) -> Steps:
    """Nobody but the browser that comes back ends the waiting: whoever has closed it, or is back before the bank has answered, waits for ever."""
    yield Write("ope", row.account, {"status": PENDING}, row.key)
    yield Sleep(order.returns_after_ms)
    returned: Subscription = yield CallStripe("subscriptions.retrieve", row.account, changed.id)
    if returned.pending_update is None and returned.status in LIVE:
        yield Write("ope", row.account, {"status": ACTIVE, **stands}, row.key)


# -- what ends -------------------------------------------------------------------------------------------------------------------------


def _cancel(row: OpeSubscription, order: Order) -> Steps:
    """Now: in OPE, with its plan; Stripe is told once, of what OPE named at the beginning. With the period: Stripe is told, and will say when."""
    if order.when == PERIOD_END:
        yield from _tell(row, "subscriptions.update", {"cancel_at_period_end": True})
        return
    yield Write("ope", row.account, {"status": CANCELED}, row.key)
    for item in row.items:
        yield Start(entitlements.NAME, row.account, "domain.subscription", {"plan": FREE, "product": item.product})
    if row.stripe_subscription:
        yield from _tell(row, "subscriptions.cancel", {})


def _tell(row: OpeSubscription, method: str, params: dict[str, Any]) -> Steps:
    try:
        yield CallStripe(method, row.account, row.stripe_subscription, params)
    except StripeError:
        # The customer has cancelled here, and that is what she is told.
        return


def _unlock(account: str, item: OpeItem) -> Steps:
    yield Start(entitlements.NAME, account, "domain.subscription", {"plan": item.plan, "product": item.product})
