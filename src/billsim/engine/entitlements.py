"""Entitlements: what an account may use, in cf_prod, from OPE and the dunning decision."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.engine.diff import entitlement_changes
from billsim.engine.dunning_brain import TRIES, Decide
from billsim.ports import AccountState, Effect, GatherAll, Message, Now, Steps, Transact
from billsim.stores.base import Change

NAME = "entitlements"


class Entitlements:
    """The component, with its own right to write cf_prod; it decides afresh instead of believing whoever woke it."""

    def __init__(self, policy: DunningPolicy, decide: Decide) -> None:
        self._policy = policy
        self._decide = decide

    def handle(self, message: Message) -> Steps:
        """Give the account's products the plans decided. After a lost race it looks again; whoever started it looks after it in the end."""
        for _ in range(TRIES):
            state: AccountState = yield GatherAll(message.account)
            now_ms: int = yield Now()
            decision = self._decide(state, now_ms, self._policy)
            if not decision.applies or (yield from _set_plans(state, entitlement_changes(state, decision))):
                return


def _set_plans(state: AccountState, changes: dict[str, str]) -> Generator[Effect, Any, bool]:
    """All products at once. Answer: False if one of them was no longer as it was read."""
    if not changes:
        return True
    held = {product: row.version for product, row in state.entitlements.items()}
    rows = tuple(Change(state.account, {"plan": plan}, product, held.get(product, 0)) for product, plan in changes.items())
    return (yield Transact("cf_prod", state.account, rows)) is True
