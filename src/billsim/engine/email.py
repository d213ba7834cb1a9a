"""E-mail: tells a customer what a decision calls for, under the notice's key, so that no customer is told twice. A consumer of async-processing.

Who orders a notice records its key as done once the message is sent, because the queue delivers at least once. Between the order and its turn in a
batch the customer may have paid: so the account is looked at again, and a notice that nothing calls for any more is withdrawn instead of sent.
"""

from __future__ import annotations

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine import orders
from billsim.engine.diff import NOTIFY
from billsim.engine.dunning_brain import TRIES, Decide
from billsim.engine.errors import RetryLater
from billsim.ports import AccountState, Act, CompareAndSet, Component, GatherAll, Message, Now, Read, Steps
from billsim.stores.subs_dunning import DunningRow

NAME = "email"


class Email:
    """The component."""

    def __init__(self, policy: DunningPolicy, decide: Decide) -> None:
        self._policy = policy
        self._decide = decide

    def handle(self, message: Message) -> Steps:
        """Send the notice with the key `body["key"]`, or withdraw it.

        Without a key, whatever was ordered and is called for: a contract that is over has kept it back. Keys keep the rest from going twice. What was
        not ordered is left to the brain, for the reads of this one gather may have fallen before and after a change.
        """
        key = str(message.body.get("key", ""))
        state: AccountState = yield GatherAll(message.account)
        now_ms: int = yield Now()
        decision = self._decide(_without(state, key), now_ms, self._policy)
        if not decision.applies:
            return
        ordered = (key,) if key else state.dunning.done if state.dunning is not None else ()
        called_for = [each for each in decision.consequences if each.kind == NOTIFY and each.key in ordered]
        for each in called_for:
            yield Act(NOTIFY, message.account, each.debt, each.step, each.key)
            yield orders.announcement(message.account, each)
        if key and not called_for:
            yield from _withdraw(message.account, key, state.dunning)


def _without(state: AccountState, key: str) -> AccountState:
    """The account as if the notice had never been ordered; without a key, as if none had."""
    row = state.dunning
    if row is None or (key and key not in row.done):
        return state
    return replace(state, dunning=replace(row, done=tuple(each for each in row.done if key and each != key)))


def _withdraw(account: str, key: str, row: DunningRow | None) -> Steps:
    """Take the key out of what is done, so that the notice can be ordered again once it is called for."""
    for _ in range(TRIES):
        if row is None or key not in row.done:
            return
        done = tuple(each for each in row.done if each != key)
        if (yield CompareAndSet("subs_dunning", account, row.version, {"done": done})) is not None:
            return
        row = yield Read("subs_dunning", account)
    raise RetryLater(NAME, account, TRIES)


def component(policy: DunningPolicy, decide: Decide) -> Component:
    """The component under its name and right to write."""
    return Component(NAME, "engine", Email(policy, decide).handle)
