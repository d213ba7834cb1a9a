"""What the engine orders of itself: through async-processing, to be done a little later and in batches, or for an instant to come."""

from __future__ import annotations

from billsim.ports import Consequence, Send, Start

EMAIL = "async.email"
PLAN_LEVELS = "async.plan_levels"
# What is announced of a consequence that was executed, by its kind.
ANNOUNCED = {
    "notify": "customer_notified",
    "flag": "account_flagged",
    "cancel": "subscription_canceled",
    "ban": "account_banned",
    "unban": "account_unbanned",
}
# The order to carry on with the changes of an account that are on their way.
CHANGE_DUE = "change_due"


def notice(account: str, consequence: Consequence) -> Send:
    """Tell the customer what a `notify` consequence says. Its key is all that travels: what it says is decided again when it is sent."""
    return Send(EMAIL, account, {"key": consequence.key})


def announcement(account: str, consequence: Consequence) -> Send:
    """The domain event of a consequence that was executed."""
    told = {"debt": consequence.debt, "step": consequence.step, "key": consequence.key, "subscription": consequence.subscription}
    return Send(ANNOUNCED[consequence.kind], account, told)


def plan_levels(account: str) -> Send:
    """Bring the levels of the account's zones to its plan."""
    return Send(PLAN_LEVELS, account)


def change_due(account: str, subscription: str, due_ms: int) -> Send:
    """Carry on with the changes of an account from an instant on."""
    return Send(CHANGE_DUE, account, {"subscription": subscription}, due_ms=due_ms)


def carry_on(account: str) -> Start:
    """Carry on with the changes of an account, now."""
    return Start("subscriptions_api", account, f"domain.{CHANGE_DUE}")
