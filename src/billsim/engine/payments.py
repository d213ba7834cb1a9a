"""Payment orchestration: every request to Stripe that a change of a subscription needs, and how each of them is paid.

A request is named by the message that asked for the change and by its step, so that whoever repeats it, after a crash or beside someone else,
repeats the same one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.ports import AccountState, CallStripe, Effect
from billsim.stores.ope import OpeChange, OpeItem, OpeSubscription
from billsim.stripe.objects import Price, StripeError, Subscription, SubscriptionItem

# Under how many idempotency keys a step is tried where Stripe breaks.
KEYS = 3
ENDED = ("canceled", "incomplete_expired")
PURCHASE, GROWTH, REST = "purchase", "growth", "rest"
# Methods by which money takes days. None of them is among those of pending updates (https://docs.stripe.com/billing/subscriptions/pending-updates).
DELAYED = ("sepa_debit", "us_bank_account", "bacs_debit", "au_becs_debit", "acss_debit")

Controls = Mapping[tuple[str, bool], str]
# The payment_behavior of a request, by what it is for and whether the customer is there. What waits for a payment waits 23 hours for a customer who
# can confirm or try another card; without one it is made or refused at once (https://docs.stripe.com/billing/subscriptions/overview#payment-behavior).
CONTROLS: Controls = {
    (PURCHASE, True): "default_incomplete",
    (PURCHASE, False): "error_if_incomplete",
    (GROWTH, True): "pending_if_incomplete",
    (GROWTH, False): "error_if_incomplete",
}
# A delayed method is taken at its word, as Stripe does; and what costs nothing needs no payment.
OTHERWISE = "allow_incomplete"

Request = Generator[Effect, Any, Subscription]


def payment_behavior(what: str, on_session: bool, instrument: str, controls: Controls = CONTROLS) -> str:
    """How a request that is a `purchase`, `growth` or the `rest` is paid with an instrument (`card`, `sepa_debit`)."""
    return OTHERWISE if instrument in DELAYED else controls.get((what, on_session), OTHERWISE)


def instrument_of(state: AccountState, subscription: Subscription | None) -> str | None:
    """The type of what a subscription, or a new one of the account, is paid with; None where there is nothing to pay with."""
    customer = state.stripe.customer
    default = customer.invoice_settings.default_payment_method if customer is not None else None
    id = (subscription.default_payment_method if subscription is not None else None) or default
    method = state.stripe.payment_methods.get(id or "")
    return method.type if method is not None and method.customer is not None else None


def stands(subscription: Subscription | None, items: tuple[OpeItem, ...], interval: str) -> bool:
    """Whether Stripe bills exactly these items."""
    if subscription is None or subscription.status in (*ENDED, "incomplete"):
        return False
    billed = [(item.price.product, item.price.unit_amount, item.quantity, _interval(item.price)) for item in subscription.items.data]
    return sorted(billed) == sorted((item.product, item.price, item.quantity, interval) for item in items)


def is_waiting(subscription: Subscription | None) -> bool:
    """Whether Stripe waits for a payment before a purchase or a change stands."""
    return subscription is not None and (subscription.status == "incomplete" or subscription.pending_update is not None)


def has_ended(subscription: Subscription | None) -> bool:
    """Whether nothing can become of the subscription any more."""
    return subscription is not None and subscription.status in ENDED


# -- requests --------------------------------------------------------------------------------------------------------------------------


def purchase(state: AccountState, row: OpeSubscription, change: OpeChange) -> Request:
    """Create the subscription. Raises StripeError, 402 where nothing is made because it cannot be paid."""
    items = []
    for item in change.items:
        price = yield from _price(state, item, change.interval)
        items.append({"price": price, "quantity": item.quantity})
    params = {
        "customer": state.stripe.customer.id,
        "items": items,
        "payment_behavior": change.payment_behavior,
        "off_session": not change.on_session,
    }
    look = CallStripe("subscriptions.retrieve", row.account, row.stripe_subscription)
    request = CallStripe("subscriptions.create", row.account, row.stripe_subscription, params, key_of(change, "create"))
    made: Subscription = yield from _asked(request, look)
    return made


def update(state: AccountState, subscription: Subscription, change: OpeChange) -> Request:
    """Make the subscription bill what is to stand, settled and paid as the change says. Raises StripeError, 402 where it cannot be paid."""
    items = yield from _item_changes(state, subscription, change)
    params: dict[str, Any] = {"proration_behavior": change.proration_behavior}
    if items:
        params |= {"items": items, "payment_behavior": change.payment_behavior, "off_session": not change.on_session}
        if change.proration_behavior != "none":
            params["proration_date"] = change.at_s
    if subscription.cancel_at_period_end:
        params["cancel_at_period_end"] = False
    step = f"update/{change.proration_behavior}"
    updated: Subscription = yield from _asked(CallStripe("subscriptions.update", state.account, subscription.id, params, key_of(change, step)))
    return updated


def end_with_the_period(state: AccountState, subscription: Subscription, change: OpeChange) -> Request:
    """Have Stripe cancel the subscription when its period is over. Raises StripeError."""
    params = {"cancel_at_period_end": True}
    updated: Subscription = yield from _asked(CallStripe("subscriptions.update", state.account, subscription.id, params, key_of(change, "end")))
    return updated


def cancel(state: AccountState, subscription: Subscription, change: OpeChange) -> Generator[Effect, Any, None]:
    """Cancel the subscription now. Raises StripeError, but not for one that has ended meanwhile, which is what was wanted."""
    try:
        yield from _asked(CallStripe("subscriptions.cancel", state.account, subscription.id, {}, key_of(change, "cancel")))
    except StripeError as refusal:
        if refusal.status != 404:
            raise


def confirm(state: AccountState, subscription: Subscription, change: OpeChange) -> Generator[Effect, Any, None]:
    """With the customer there: pay the purchase that waits for it. A decline is an answer to the customer, who may try something else."""
    invoice = state.stripe.invoices.get(subscription.latest_invoice or "")
    if invoice is None or not invoice.payments:
        return
    try:
        yield from _asked(CallStripe("payment_intents.confirm", state.account, invoice.payments[-1].payment_intent, {}, key_of(change, "confirm")))
    except StripeError as refusal:
        # 402: declined. 400: there is nothing to confirm any more.
        if not refusal.says(400, 402):
            raise


def key_of(change: OpeChange, step: str) -> str:
    """The idempotency key of one step of a change, the same for whoever takes it."""
    return f"change-{short(f'{change.request}/{step}')}"


def _asked(request: CallStripe, look: CallStripe | None = None) -> Generator[Effect, Any, Any]:
    """Have Stripe do something under a key. Raises StripeError.

    A 500 is the answer to its key for a day, so what broke is asked again under the next one. `look`: what tells whether it had been done all the
    same, for what must not be done twice.
    """
    for nth in range(KEYS):
        try:
            return (yield replace(request, idempotency_key=f"{request.idempotency_key}-{nth}") if nth else request)
        except StripeError as refusal:
            if refusal.status < 500 or nth == KEYS - 1:
                raise
        if look is not None and (done := (yield from _found(look))) is not None:
            return done
    raise AssertionError("the last try has answered or has raised")


def _found(look: CallStripe) -> Generator[Effect, Any, Any]:
    try:
        return (yield look)
    except StripeError as refusal:
        if refusal.status != 404:
            raise
        return None


def _item_changes(state: AccountState, subscription: Subscription, change: OpeChange) -> Generator[Effect, Any, list[dict[str, Any]]]:
    """What to tell Stripe of each item. An item is named, or a price would be added to it; so is its quantity, or it would become one
    (https://docs.stripe.com/billing/subscriptions/change-price#changing).
    """
    told, held = [], {item.price.product: item for item in subscription.items.data}
    for item in change.items:
        old = held.pop(item.product, None)
        if old is not None and _bills(old, item, change.interval):
            continue
        if old is not None and _is_priced(old.price, item, change.interval):
            told.append({"id": old.id, "quantity": item.quantity})
            continue
        price = yield from _price(state, item, change.interval)
        told.append({**({"id": old.id} if old is not None else {}), "price": price, "quantity": item.quantity})
    return told + [{"id": old.id, "deleted": True} for old in held.values()]


def _bills(held: SubscriptionItem, item: OpeItem, interval: str) -> bool:
    return held.quantity == item.quantity and _is_priced(held.price, item, interval)


def _is_priced(price: Price, item: OpeItem, interval: str) -> bool:
    return price.product == item.product and price.unit_amount == item.price and _interval(price) == interval


def _interval(price: Price) -> str:
    return price.recurring.interval if price.recurring is not None else ""


def _price(state: AccountState, item: OpeItem, interval: str) -> Generator[Effect, Any, str]:
    """The id of the price: the plan's, or one of its own where the plan has another price; made where Stripe does not have it."""
    currency = state.stripe.customer.currency or "usd"
    own = f"price_{item.plan}.{short(f'{item.product}/{item.price}/{interval}/{currency}')}"
    for id in (f"price_{item.plan}", own):
        price = yield from _found_or_made(state.account, id, item, interval, currency)
        if _is_priced(price, item, interval) and price.currency == currency:
            return id
    raise StripeError(400, "invalid_request_error", "resource_already_exists", f"{own} is not what its id says.")


def _found_or_made(account: str, id: str, item: OpeItem, interval: str, currency: str) -> Generator[Effect, Any, Price]:
    look = CallStripe("prices.retrieve", account, id)
    found: Price | None = yield from _found(look)
    if found is not None:
        return found
    terms = {"currency": currency, "product": item.product, "unit_amount": item.price, "recurring": {"interval": interval}}
    try:
        made: Price = yield from _asked(CallStripe("prices.create", account, id, terms, f"price-{short(f'{id}/{sorted(terms.items())}')}"), look)
        return made
    except StripeError as refusal:
        if refusal.code != "resource_already_exists":
            raise
    first: Price = yield look
    return first
