"""The old entitlements writer: it sets what it is told, or what OPE says, over whatever is there."""

from __future__ import annotations

from billsim.legacy import plan_levels
from billsim.ports import Message, Read, Send, Steps, Write
from billsim.stores.cf_prod import FREE
from billsim.stores.ope import OpeSubscription
from billsim.stores.www import LEVEL_OF

NAME = "entitlements"


def handle(message: Message) -> Steps:
    """Give every product of the account the plan `body["plan"]`; where that is empty, the plan that was bought (free once canceled).

    `body["product"]`: that one alone. The zones follow.
    """
    bought: dict[str, OpeSubscription] = yield Read("ope", message.account)
    told, alone = str(message.body.get("plan", "")), message.body.get("product", "")
    plans: dict[str, str] = {}
    for subscription in sorted(bought.values(), key=lambda each: each.status == "active"):
        for item in subscription.items:
            if alone in ("", item.product):
                plans[item.product] = told or (item.plan if subscription.status == "active" else FREE)
    for product, plan in plans.items():
        yield Write("cf_prod", message.account, {"plan": plan}, product)
    if LEVEL_OF in plans:
        yield Send(plan_levels.KIND, message.account, {"plan": plans[LEVEL_OF]})
