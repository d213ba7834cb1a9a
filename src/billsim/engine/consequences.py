"""Consequence orchestration: carries out what a decision calls for, one thing at a time, and looks at the account again before each.

Each consequence has a key made of its debt and its step. The outside world executes a key once, so that a task that died between executing and
recording may simply execute again, and what was executed is announced as a domain event before it is recorded. A notice is handed to `email`, which
looks at the account again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy
from billsim.engine import orders
from billsim.engine.diff import NOTIFY, interrupted
from billsim.engine.dunning_brain import TRIES, Decide
from billsim.ports import AccountState, Act, CallStripe, CompareAndSet, Consequence, Effect, GatherAll, Message, Now, Read, Steps
from billsim.stripe.objects import StripeError

NAME = "consequences"
# More than an account can be called for at once: each is followed by a fresh look, and this only bounds a decision that never gets enough.
MOST = 64


class Consequences:
    """The component."""

    def __init__(self, policy: DunningPolicy, decide: Decide) -> None:
        self._policy = policy
        self._decide = decide

    def handle(self, message: Message) -> Steps:
        """Execute and record what is called for and not yet done, the first of it first, until nothing is left."""
        for _ in range(MOST):
            state: AccountState = yield GatherAll(message.account)
            now_ms: int = yield Now()
            decision = self._decide(state, now_ms, self._policy)
            called = (*interrupted(state), *decision.consequences) if decision.applies else ()
            if not called:
                return
            if not (yield from _execute(state, called[0], message.name)) or len(called) == 1:
                return


def _execute(state: AccountState, consequence: Consequence, task: str) -> Generator[Effect, Any, bool]:
    """Answer: whether it was carried out and recorded."""
    if consequence.kind == "cancel" and not (yield from _cancel(state, consequence, task)):
        return False
    if consequence.kind == NOTIFY:
        yield orders.notice(state.account, consequence)
    else:
        yield Act(consequence.kind, state.account, consequence.debt, consequence.step, consequence.key)
        yield orders.announcement(state.account, consequence)
    return (yield from _record(state, consequence.key))


def _cancel(state: AccountState, consequence: Consequence, task: str) -> Generator[Effect, Any, bool]:
    """End the subscription at Stripe, then in OPE. Answer: False if OPE moved meanwhile.

    One that is canceled at Stripe already, or gone, is what was wanted; any other refusal is raised.
    """
    bought = state.ope[consequence.subscription]
    if bought.status == "canceled":
        return True
    id = bought.stripe_subscription
    counterpart = state.stripe.subscriptions.get(id)
    if counterpart is not None and counterpart.status not in ("canceled", "incomplete_expired"):
        try:
            yield CallStripe("subscriptions.cancel", state.account, id, {}, f"cancel-{short(f'{task}/{consequence.key}')}")
        except StripeError as refusal:
            if not refusal.says(400, 404):
                raise
    return (yield CompareAndSet("ope", state.account, bought.version, {"status": "canceled"}, bought.key)) is not None


def _record(state: AccountState, key: str) -> Generator[Effect, Any, bool]:
    """Note in the dunning row that the key is done. Answer: False if the row moved under every try."""
    row = state.dunning
    for _ in range(TRIES):
        done = row.done if row is not None else ()
        if key in done:
            return True
        if (yield CompareAndSet("subs_dunning", state.account, row.version if row is not None else 0, {"done": (*done, key)})) is not None:
            return True
        row = yield Read("subs_dunning", state.account)
    return False
