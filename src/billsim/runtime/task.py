"""A task: one component handling one message. It is also what waits in the kernel's queue for its pending effect."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, Protocol

from billsim.core.kernel import Wake
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.ports import Component, GatherAll, Message, Read, Scan, Send
from billsim.stores.base import Shard

# The component whose time is measured: the one that all decisions are made in.
MEASURED = "dunning_brain"

# Where an AccountState has the rows of each store.
FIELDS = {
    "subs_dunning": "dunning",
    "subs_account": "profile",
    "subs_customer": "customer",
    "billing_prod": "ledger",
    "cf_prod": "entitlements",
    "ope": "ope",
    "www": "zones",
}
_UNSEEN = object()


class Answered(NamedTuple):
    """What an effect has come to, on its way back to the component: an answer, or the failure that it is thrown; waited for as an effect is."""

    answer: Any
    failure: Exception | None


class Task(Wake):
    """A component at work on a message: its generator, and the effect that it waits for. `shard` is its account's, None for a job that walks over
    accounts.

    `seen` is what it was shown: (when, effect, answer) of each read, scan, gather and request to Stripe. For a gather, when is its end and, of the
    stores that moved while it was under way, the instants at which they were read; a refused request has no answer. `begun` is the label of the
    running gather, when it began, and its shard. `spent_ns` is the real time that a measured component itself has taken, `whole_ns` that with its
    reads, writes and requests performed. `life` is what befalls it, where faults strike tasks.
    """

    __slots__ = (
        "component", "message", "name", "shard", "steps", "ended", "effect", "begun", "seen", "writes", "working_on",
        "measured", "spent_ns", "whole_ns", "life", "_go_on", "_used", "_written",
    )

    def __init__(self, go_on: GoOn, component: Component, message: Message, name: str, shard: Shard | None, ended: Ended) -> None:
        self.component = component
        self.message = message
        self.name = name
        self.shard = shard
        self.steps: Generator[Any, Any, None] = component.handle(message)
        self.ended = ended
        self.effect: Any = None
        self.begun: tuple[str, int, Any] = ("", 0, None)
        self.seen: list[tuple[Any, Any, Any]] = []
        self.writes = 0
        self.working_on = message.account
        self.measured = component.name == MEASURED
        self.spent_ns = 0
        self.whole_ns = 0
        self.life: Any = None
        self._go_on = go_on
        self._used: dict[str, int] = {}
        self._written: dict[tuple[str, str, str], int] = {}

    @property
    def cause(self) -> str:
        """What woke it, as records say it."""
        return f"{self.message.kind} {self.message.name}"

    def name_of(self, what: str) -> str:
        """The name of something this task does: its own name and what it touches; `#n` for the n-th repetition."""
        times = self._used[what] = self._used.get(what, 0) + 1
        return f"{self.name}/{what}" if times == 1 else f"{self.name}/{what}#{times}"

    def wrote(self, store: str, account: str, key: str, version: int) -> None:
        """Note the version of a row that it has written itself."""
        self.writes += 1
        self._written[store, account, key] = version

    def known_version(self, store: str, account: str, key: str) -> int:
        """The version of a row that it last read or wrote itself; 0 for one that was not there, -1 for one that it never looked at."""
        shown = next((version for _, effect, answer in reversed(self.seen) if (version := _shown(effect, answer, store, account, key)) >= 0), -1)
        return max(shown, self._written.get((store, account, key), -1))

    def fire(self) -> None:
        self._go_on(self, self.effect)


def _shown(effect: Any, answer: Any, store: str, account: str, key: str) -> int:
    """The version of a row in the answer to an effect; 0 for one that was not there, -1 where the answer does not speak of it."""
    held: Any = _UNSEEN
    if isinstance(effect, GatherAll):
        if effect.account == account and (store in effect.parts or (not effect.parts and store in FIELDS)):
            held = getattr(answer, FIELDS[store])
    elif isinstance(effect, Read):
        if (effect.store, effect.account) == (store, account) and effect.key in (None, key):
            held = answer
    elif isinstance(effect, Scan) and effect.store == store:
        held = next((row for row in answer if row.account == account and getattr(row, "key", "") == key), _UNSEEN)
    if held is _UNSEEN:
        return -1
    row = held.get(key) if isinstance(held, dict) else held
    return row.version if row is not None else 0


Ended = Callable[[Task, Exception | None], None]
GoOn = Callable[[Task, Any], None]


class Host(Protocol):
    """What a runtime needs of the world around it."""

    components: Mapping[str, Component]
    marks: dict[str, int]

    def touched(self, shard: Shard, record: WriteRecord | ActionRecord) -> None:
        """Something of the account changed in this step."""
        ...

    def occupied(self, shard: Shard | None, by: int) -> None:
        """A handler of an account, or of none, has begun (1) or ended (-1)."""
        ...

    def send(self, task: Task, effect: Send, label: str) -> None:
        """Publish to the domain events."""
        ...

    def failed(self, task: Task, failure: Exception) -> None:
        """A component raised something: a finding, unless it is among what delivery is meant to repeat."""
        ...
