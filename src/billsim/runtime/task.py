"""A task: one component handling one message. It is also the kernel's event, and waits in the queue for its pending effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from billsim.core.kernel import Kernel, Wake
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.ports import Component, Message, Send, Steps
from billsim.stores.base import Shard


class Task(Wake):
    """A component at work on a message: its generator, the effect it waits for, and what it has read (store, account, key -> version).

    `seen` is what it was shown: (when, effect, answer) of each read, scan, gather and request to Stripe. For a gather, when is the instants of its
    branches; a refused request has no answer. `spent_ns` is the real time that the component itself has taken, `whole_ns` that with its reads, writes
    and requests performed.
    """

    def __init__(self, kernel: Kernel, due: Due, component: Component, message: Message, name: str, shard: Shard | None, ended: Ended) -> None:
        super().__init__(kernel)
        self.component = component
        self.message = message
        self.name = name
        self.shard = shard
        self.cause = f"{message.kind} {message.name}"
        self.steps: Steps = component.handle(message)
        self.ended = ended
        self.effect: Any = None
        self.answer: Any = None
        self.failure: Exception | None = None
        self.answering = False
        self.instants: list[int] = []
        self.reads: dict[tuple[str, str, str], int] = {}
        self.seen: list[tuple[Any, Any, Any]] = []
        self.writes = 0
        self.spent_ns = 0
        self.whole_ns = 0
        self.working_on = message.account
        self._used: dict[str, int] = {}
        self._due = due

    def label(self, what: str) -> str:
        """The name of something this task does: its own name and what it touches; `#n` for the n-th repetition."""
        times = self._used.get(what, 0) + 1
        self._used[what] = times
        return f"{self.name}/{what}" if times == 1 else f"{self.name}/{what}#{times}"

    def fire(self, _event: Any) -> None:
        self._due(self)


Ended = Callable[[Task, Exception | None], None]
Due = Callable[[Task], None]


class Host(Protocol):
    """What a runtime needs of the world around it."""

    components: Mapping[str, Component]
    marks: dict[str, int]

    def touched(self, shard: Shard, record: WriteRecord | ActionRecord) -> None:
        """Something of the account changed in this step."""
        ...

    def busy(self, account: str, by: int) -> None:
        """A handler of the account has begun (1) or ended (-1)."""
        ...

    def send(self, task: Task, effect: Send, label: str) -> None:
        """Publish to the domain events."""
        ...

    def failed(self, task: Task, failure: Exception) -> None:
        """A component raised something: a finding, unless it is among what delivery is meant to repeat."""
        ...
