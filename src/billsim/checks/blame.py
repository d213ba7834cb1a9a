"""Blame: questions the writer of what opened a drift, and remembers of each account what its handlers did wrong before."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from billsim.checks.cause import Case, of_handler, permit_of
from billsim.checks.codes import STRIPE_DRIFT, UNJUSTIFIED
from billsim.checks.fields import harms
from billsim.checks.truth import Expected, truth
from billsim.checks.witness import Testimony, Working, looked, testimony
from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stores.base import Shard

_KEPT = 12
_COPY = re.compile(r"/(?:d|attempt)\d+")


class Memory:
    """Of one account, the latest few: `wrote`, tasks -> their component and the message that woke them, in the order of their first writes; and
    `caused`, what a task had done wrong, and why.
    """

    __slots__ = ("wrote", "caused")

    def __init__(self) -> None:
        self.wrote: dict[str, tuple[str, str]] = {}
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
        if code == STRIPE_DRIFT:  # Of two sides it set one, as it was to, unless what it went by was old.
            right = not told.moved
        else:
            right = isinstance(opener, WriteRecord) and code != UNJUSTIFIED and not harms(opener, code, expected, self._policy)
        case = Case(opener, told, right, _is_repeated(memory, opener, told), lambda: self._is_right_by_another_path(shard, code, opener))
        cause = of_handler(case)
        if told.task and (told.moved or case.repeated):
            _keep(memory.caused, told.task, (cause, told))
        return cause, told

    def looked(self, record: WriteRecord | ActionRecord) -> bool:
        """Whether the writer of a record knew what it did, as far as that can be known. To be asked right after its step."""
        return looked(self.line_of(record.task), record.store if isinstance(record, WriteRecord) else "")

    def remember(self, memory: Memory, record: WriteRecord) -> None:
        """Note which task wrote because of which message, in the name of the first of its line; copies travel close together, so the latest few are
        enough.
        """
        task, component, cause = record.task, record.component, record.cause
        if task in memory.wrote:
            return
        if cause.endswith(task[2:]):  # started by another task, whose name its message has
            line = self.line_of(task)
            if line:
                first = line[-1]
                task, component, cause = first.name, first.component.name, f"{first.message.kind} {first.message.name}"
        _keep(memory.wrote, task, (component, cause))

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
    if told.message is not None:
        name = _event_name(f"{told.message.kind} {told.message.name}")
    elif isinstance(record, WriteRecord):
        name = _event_name(record.cause)
    else:  # a task that has ended is known by its own name alone: that of the message, and the component
        name = _COPY.sub("", record.task.removeprefix("e/").removesuffix(f"/{record.component}"))
    who, own = told.component or record.component, told.task or record.task
    acted = [task for task, (component, cause) in memory.wrote.items() if component == who and _event_name(cause) == name]
    return name != "" and bool(acted) and acted[0] != own


def _event_name(cause: str) -> str:
    """The name of the Stripe event that a cause names, without the suffix of a copy; '' where it names something else."""
    kind, _, name = cause.partition(" ")
    if not kind.startswith("stripe."):
        return ""
    return _COPY.sub("", name) if "/d" in name else name


def _keep(kept: dict[str, Any], key: str, value: Any) -> None:
    kept.setdefault(key, value)
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
