"""Path 5: the handlers of `customer.subscription.updated` and `.deleted`. They set the account's status and plans to what the event shows, whatever
has become of the subscription since, whatever else is owed, and whoever the account is: they were written before there were contracts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from billsim.core.policy import DELINQUENT, HEALTHY, RETRYING, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.legacy import entitlements
from billsim.legacy.steps import Case, occurred_ms, read_case, write_dunning
from billsim.ports import Act, Effect, Message, Read, Start, Steps, Write
from billsim.stores.cf_prod import FREE
from billsim.stores.ope import ACTIVE, CANCELED, OpeSubscription
from billsim.stripe.objects import Price, Subscription, SubscriptionItem

NAME = "subscription_events"
DELETED = "stripe.customer.subscription.deleted"
# At Stripe, what may be used.
USABLE = ("trialing", "active", "past_due")


class SubscriptionEvents:
    """The component."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Follow what the event says has changed."""
        subscription = message.event.data.object
        if not isinstance(subscription, Subscription):
            return
        if message.kind == DELETED:
            yield from self._ended(message, subscription)
            return
        before: Mapping[str, Any] = message.event.data.previous_attributes or {}
        if "status" in before:
            yield from _follow_status(message, subscription, before["status"])
        if subscription.status in USABLE and (before.get("status", USABLE[0]) not in USABLE or _sold_otherwise(subscription, before)):
            yield from _give_plans(message.account, subscription)

    def _ended(self, message: Message, subscription: Subscription) -> Steps:
        """What has ended is not bought any more, and what is owed for it will not be tried again."""
        row = yield from _row_of(message.account, subscription)
        if row is not None and row.status == ACTIVE:
            yield Write("ope", message.account, {"status": CANCELED}, row.key)
            for product in dict.fromkeys(item.price.product for item in subscription.items.data):
                yield Start(entitlements.NAME, message.account, "domain.subscription", {"plan": FREE, "product": product})
        case: Case = yield from read_case(message.account)
        # The schedule's last try is the business of the handler of failures.
        if case.dunning.status == RETRYING and case.dunning.retry_count < self._policy.max_attempts - 1:
            yield from _stop_retrying(case, subscription)


def _stop_retrying(case: Case, subscription: Subscription) -> Steps:
    debt = subscription.latest_invoice or "none"
    since_ms = (subscription.canceled_at or 0) * SECOND_MS
    yield from write_dunning(case, {"status": DELINQUENT, "escalation_level": 2, "since_ms": since_ms}, f"{debt}/{DELINQUENT}")
    yield Act("notify", case.account, debt, DELINQUENT)


def _follow_status(message: Message, subscription: Subscription, before: str) -> Steps:
    """Past due is retrying, and active again is healthy. Higher rungs of the ladder wait for the events of payments."""
    case: Case = yield from read_case(message.account)
    if subscription.status == "past_due" and case.dunning.status == HEALTHY:
        yield from write_dunning(case, {"status": RETRYING, "escalation_level": 1, "since_ms": occurred_ms(message)})
    elif subscription.status == "active" and before == "past_due" and case.dunning.status == RETRYING:
        yield from write_dunning(case, {"status": HEALTHY, "retry_count": 0, "escalation_level": 0, "since_ms": occurred_ms(message)})


def _give_plans(account: str, subscription: Subscription) -> Steps:
    row = yield from _row_of(account, subscription)
    if row is None:
        return
    for item in subscription.items.data:
        yield Start(entitlements.NAME, account, "domain.subscription", {"plan": _plan_of(item, row), "product": item.price.product})


def _row_of(account: str, subscription: Subscription) -> Generator[Effect, Any, OpeSubscription | None]:
    """Answer: the subscription of record that names this one, or None."""
    bought: dict[str, OpeSubscription] = yield Read("ope", account)
    return next((row for row in bought.values() if row.stripe_subscription == subscription.id), None)


def _plan_of(item: SubscriptionItem, row: OpeSubscription) -> str:
    """What was bought at this price; a price that nothing was bought at is named after its plan."""
    held = (each.plan for each in row.items if each.product == item.price.product and each.price == item.price.unit_amount)
    return next(held, plan_named_by(item.price))


def plan_named_by(price: Price) -> str:
    """The plan after which a price is named: `price_pro_monthly`, or with something of its own after a dot."""
    return price.id.removeprefix("price_").partition(".")[0]


def _sold_otherwise(subscription: Subscription, before: Mapping[str, Any]) -> bool:
    """Whether prices or quantities have changed, and not just the period."""
    if "items" not in before:
        return False
    now = [(item.price.id, item.quantity) for item in subscription.items.data]
    return now != _sold(before["items"].get("data", ()))


def _sold(items: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [(item["price"]["id"], item["quantity"]) for item in items]
