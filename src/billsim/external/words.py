"""Status words: an engine that a team brings speaks its platform's, and everything else billsim's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from billsim.core.platform import reversed_names
from billsim.core.policy import DunningPolicy
from billsim.ports import AccountState, CompareAndSet, Decides, Decision, Effect, Handles, Message, Scan, Steps, Transact, Write
from billsim.stores.subs_dunning import DunningRow

_STORE, _FIELD = "subs_dunning", "status"


def speaking(thing: Handles | Decides, statuses: Mapping[str, str]) -> Handles | Decides:
    """The same engine, of either form, for a platform whose statuses are called so. A word that is not the platform's passes as it is."""
    if not statuses:
        return thing
    return _HandlesInItsWords(thing, statuses) if isinstance(thing, Handles) else _DecidesInItsWords(thing, statuses)


class _DecidesInItsWords:
    def __init__(self, brain: Decides, statuses: Mapping[str, str]) -> None:
        self._brain = brain
        self._theirs, self._ours = statuses, reversed_names(statuses)

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        decision = self._brain.decide(told(state, self._theirs), now_ms, policy)
        return msgspec.structs.replace(decision, status=self._ours.get(decision.status, decision.status))


class _HandlesInItsWords:
    def __init__(self, hands: Handles, statuses: Mapping[str, str]) -> None:
        self.primary = bool(getattr(hands, "primary", False))
        self._hands = hands
        self._theirs, self._ours = statuses, reversed_names(statuses)

    def handle(self, message: Message) -> Steps:
        steps, answer, failure = self._hands.handle(message), None, None  # type: Steps, Any, Exception | None
        while True:
            try:
                effect = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration:
                return
            answer, failure = None, None
            try:
                answer = told((yield heard(effect, self._ours)), self._theirs)
            except Exception as raised:
                failure = raised


def told(value: Any, theirs: Mapping[str, str]) -> Any:
    """What an engine is handed, in its words: a dunning row, or what holds such rows."""
    if isinstance(value, DunningRow):
        return msgspec.structs.replace(value, status=theirs.get(value.status, value.status))
    if isinstance(value, AccountState):
        return msgspec.structs.replace(value, dunning=told(value.dunning, theirs))
    if isinstance(value, tuple):
        return tuple(told(each, theirs) for each in value)
    return value


def heard(effect: Effect, ours: Mapping[str, str]) -> Effect:
    """What an engine asks for, in billsim's words."""
    if isinstance(effect, Write | CompareAndSet) and effect.store == _STORE:
        return msgspec.structs.replace(effect, fields=_fields(effect.fields, ours))
    if isinstance(effect, Transact) and effect.store == _STORE:
        changes = tuple(msgspec.structs.replace(change, fields=_fields(change.fields, ours)) for change in effect.changes)
        return msgspec.structs.replace(effect, changes=changes)
    if isinstance(effect, Scan) and effect.store == _STORE and _FIELD in effect.where:
        wanted = tuple(ours.get(word, word) for word in effect.where[_FIELD])
        return msgspec.structs.replace(effect, where={**effect.where, _FIELD: wanted})
    return effect


def _fields(fields: dict[str, Any], ours: Mapping[str, str]) -> dict[str, Any]:
    return {**fields, _FIELD: ours.get(fields[_FIELD], fields[_FIELD])} if _FIELD in fields else fields
