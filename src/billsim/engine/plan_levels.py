"""Plan levels: brings the zones of an account, in www, to the plan that the account may use. A consumer of async-processing.

A message says only *that* a plan has changed. What the plan is, is read when the message is dealt with, so that doubled, late and reordered messages
do no harm.
"""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.engine.decide import governed
from billsim.engine.diff import zones_behind
from billsim.engine.dunning_brain import TRIES
from billsim.engine.errors import RetryLater
from billsim.ports import AccountState, Component, GatherAll, Message, Steps, Transact
from billsim.stores.base import Change

NAME = "plan_levels"
PARTS = ("subs_account", "subs_customer", "cf_prod", "www", "stripe.customer")


class PlanLevels:
    """The component, with the right to write www."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Set what is behind, and look again until nothing is: the plan may have moved meanwhile. Raises RetryLater if it keeps moving."""
        for _ in range(TRIES):
            state: AccountState = yield GatherAll(message.account, PARTS)
            if not governed(state, self._policy):
                return
            behind = zones_behind(state, {product: row.plan for product, row in state.entitlements.items()})
            if not behind:
                return
            changes = tuple(Change(message.account, {"plan": level}, name, state.zones[name].version) for name, level in behind.items())
            yield Transact("www", message.account, changes)
        raise RetryLater(NAME, message.account, TRIES)


def component(policy: DunningPolicy) -> Component:
    """The component under its name and right to write."""
    return Component(NAME, "www_sync", PlanLevels(policy).handle)
