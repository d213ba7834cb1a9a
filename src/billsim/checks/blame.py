"""Blame: questions the writer of what opened a drift, and remembers of each account what its handlers did wrong before."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from billsim.checks.cause import Case, of_handler, permit_of
from billsim.checks.codes import UNJUSTIFIED
from billsim.checks.fields import harms
from billsim.checks.truth import Expected, truth
from billsim.checks.witness import Testimony, Working, testimony
from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stores.base import Shard

_KEPT = 8
_COPY = re.compile(r"/(?:d|attempt)\d+")


class Memory:
    """Of one account, the latest few: which task of a component first acted upon which message, and what a task had done wrong, and why."""

    __slots__ = ("handled", "caused")

    def __init__(self) -> None:
        self.handled: dict[str, str] = {}
        self.caused: dict[str, tuple[str, Testimony]] = {}


class Blame:
    """The world may replace `line_of`: task name -> that task, who started it, and so on up to the first; () for tasks that have ended."""

    def __init__(self, policy: DunningPolicy) -> None:
        self.line_of: Callable[[str], Sequence[Working]] = lambda _task: ()
        self._policy = policy

    def of_handler(
        self, memory: Memory, shard: Shard, code: str, opener: WriteRecord | ActionRecord, expected: Expected
    ) -> tuple[str, Testimony]:
        """The cause of a drift that a handler's own write or act opened, and what the handler went by. To be asked right after its step.

        What a task believed wrongly it believes to its end: its later writes, and those of whom it started, have the same cause.
        """
        told = testimony(self.line_of(opener.task), opener, shard, self._policy)
        known = memory.caused.get(told.task) if told.task else None
        if known is not None:
            return known[0], told if told.moved else told._replace(moved=known[1].moved)
        right = isinstance(opener, WriteRecord) and code != UNJUSTIFIED and not harms(opener, code, expected, self._policy)
        case = Case(opener, told, right, _is_repeated(memory, opener, told), lambda: self._is_right_by_another_path(shard, code, opener))
        cause = of_handler(case)
        if told.task and (told.moved or case.repeated):
            _keep(memory.caused, told.task, (cause, told))
        return cause, told

    def remember(self, memory: Memory, record: WriteRecord) -> None:
        """Note which task of a component first wrote because of which message; copies travel close together, so the latest few are enough."""
        line = self.line_of(record.task)
        first = line[-1] if line else None
        told = Testimony(first.message, first.component.name, first.name) if first is not None else Testimony()
        _keep(memory.handled, f"{told.component or record.component}|{_message_name(record, told.message)}", told.task or record.task)

    def _is_right_by_another_path(self, shard: Shard, code: str, opener: WriteRecord | ActionRecord) -> bool:
        """Under the grace of some other instrument, truth would have nothing against it."""
        if len(set(self._policy.grace_ms.values())) < 2:
            return False
        for grace_ms in self._policy.grace_ms.values():
            policy = msgspec.structs.replace(self._policy, grace_ms={"default": grace_ms})
            expected = truth(shard, policy, opener.at_ms)
            if isinstance(opener, ActionRecord) and permit_of(opener) in expected.permits:
                return True
            if isinstance(opener, WriteRecord) and code != UNJUSTIFIED and not harms(opener, code, expected, policy):
                return True
        return False


def _is_repeated(memory: Memory, record: WriteRecord | ActionRecord, told: Testimony) -> bool:
    """The component that the message woke had acted upon it, or upon a copy of it, in an earlier task."""
    name = _message_name(record, told.message)
    first = memory.handled.get(f"{told.component or record.component}|{name}") if name else None
    return first is not None and first != (told.task or record.task)


def _message_name(record: WriteRecord | ActionRecord, message: Any) -> str:
    """The name of the message that woke the writer, without the suffix of a copy; '' where it was not a Stripe event.

    A task that has ended is known by its own name alone: that of the message, and the component.
    """
    if isinstance(record, ActionRecord) and message is None:
        return _COPY.sub("", record.task.removeprefix("e/").removesuffix(f"/{record.component}"))
    cause = f"{message.kind} {message.name}" if message is not None else record.cause if isinstance(record, WriteRecord) else ""
    kind, _, name = cause.partition(" ")
    if not kind.startswith("stripe."):
        return ""
    return _COPY.sub("", name) if "/d" in name else name


def _keep(kept: dict[str, Any], key: str, value: Any) -> None:
    kept.setdefault(key, value)
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
