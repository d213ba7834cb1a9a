"""What may befall a task at its work: its process dies before a write, or one of its steps takes minutes. Only where such a fault is on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.ports import Act, CallStripe, CompareAndSet, GatherAll, Read, Scan, Send, Transact, Write
from billsim.runtime.task import Task

READS = (".retrieve", ".list")
_WRITES = (Write, CompareAndSet, Transact, Act, Send)
_STEPS = (Read, GatherAll, Scan, Write, CompareAndSet, Transact)
# What a customer or a scheduler asks for is not in a queue: it goes to one instance, and whoever asked repeats it a few times, not for ever.
ANSWERED = ("request.", "cron.")
# A browser or a service sends a request again once; a scheduler starts a job that fails twice more.
_TRIES = {"request.": 2, "cron.": 3}

_ATTEMPT = re.compile(r"/attempt(\d+)/")

Begin = Callable[[Task, Any], Any]


class ProcessDied(Exception):
    """The process in which a task ran is gone: no part of it is told, and what woke it is delivered again."""

    retry = True

    def __init__(self, task: str) -> None:
        super().__init__(task)

    def __str__(self) -> str:
        return f"the process of {self.args[0]} died"


def tries_of(kind: str) -> int:
    """How often a request of this kind is sent before whoever sends it gives up; 0 for a message of a queue, which is delivered until it is done."""
    return next((tries for begins, tries in _TRIES.items() if kind.startswith(begins)), 0)


class Fate(NamedTuple):
    """What befalls a task. It dies instead of making its `dies_before`-th write, and its `slow_at`-th step begins `slow_ms` late; 0: it does not.

    A write is whatever may be seen from outside: of a row, a request to Stripe, an act, a message. A step is a look at stores and Stripe or a write
    of derived rows: what is then done to the outside world or to an authority is done as fast as ever, for nobody could look between those two.
    """

    dies_before: int = 0
    slow_at: int = 0
    slow_ms: int = 0


class Hazards(Protocol):
    """The faults that tasks are exposed to."""

    def fate(self, task: str, account: str, repeated: bool) -> Fate:
        """What befalls a task. `repeated`: should it fail, what woke it is delivered again. Asked once for each."""
        ...


class Late(NamedTuple):
    """An effect that has yet to begin, on its way back to its task."""

    effect: Any


class _Life:
    """A task's fate, and how far it is."""

    __slots__ = ("fate", "writes", "steps")

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.writes = 0
        self.steps = 0


class Exposure:
    """Stands between tasks and what begins their effects. `root`: the task that a message woke, of one of these names; `waiting`: what a beginning
    answers that takes time.
    """

    def __init__(
        self, hazards: Hazards, kernel: Kernel, choices: Choices, begin: dict[type, Begin], root: Callable[[str], Task], waiting: object
    ) -> None:
        self._hazards = hazards
        self._kernel = kernel
        self._choices = choices
        self._begin = begin
        self._root = root
        self._waiting = waiting

    def begin(self, task: Task, effect: Any) -> Any:
        """Begin an effect, if its task lives to do so; late, if that is its fate."""
        life: _Life | None = task.life
        if life is None:
            life = task.life = _Life(self._fate_of(task))
        if isinstance(effect, _STEPS) and getattr(effect, "store", "") != "ope":
            life.steps += 1
            if life.steps == life.fate.slow_at:
                task.effect = Late(effect)
                self._kernel.after(life.fate.slow_ms, self._choices.rank(f"{task.name}/late"), task)
                return self._waiting
        return self._begin_or_die(task, life, effect)

    def at_last(self, task: Task, late: Late) -> Any:
        """Begin an effect that was late."""
        task.effect = late.effect
        return self._begin_or_die(task, task.life, late.effect)

    def _begin_or_die(self, task: Task, life: Any, effect: Any) -> Any:
        if isinstance(effect, _WRITES) or (isinstance(effect, CallStripe) and not effect.method.endswith(READS)):
            life.writes += 1
            if life.writes == life.fate.dies_before:
                raise ProcessDied(task.name)
        return self._begin[type(effect)](task, effect)

    def _fate_of(self, task: Task) -> Fate:
        root = self._root(task.name)
        tries = tries_of(root.message.kind)
        repeated = not tries or _attempt(root.name) < tries
        return self._hazards.fate(task.name, task.message.account, repeated)


def _attempt(name: str) -> int:
    """For the how-manieth time a task's message came, as its name tells."""
    found = _ATTEMPT.search(name)
    return int(found[1]) if found else 1
