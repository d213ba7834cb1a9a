"""What every fault is: a name, a rate, a scope, a label under which chance is asked, and how it heals."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from billsim.core.at_least_once import Parcel
from billsim.core.choices import Choices, chance
from billsim.pipe.weather import Journey
from billsim.runtime.hazards import Fate
from billsim.stripe.objects import Emitted

PIPE, QUEUES, ENGINE = "pipe", "queues", "engine"


class Dial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a scenario sets a fault. `ppm`: parts per million of what it may strike. `accounts` and `events` narrow that down ((): all); `minutes`
    is how long it lasts at most (None: as the fault has it).
    """

    ppm: int
    accounts: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    minutes: int | None = None


class Fault:
    """A fault, with its rate and scope. It overrides the hooks at which it strikes.

    `of_each` says what `ppm` is of; `minutes` is its default duration and `most_minutes` the longest, 0 for a fault that has none; `scoped`:
    accounts (and in the pipe event types) may narrow it.
    """

    name: ClassVar[str]
    area: ClassVar[str] = PIPE
    what: ClassVar[str]
    heals: ClassVar[str]
    of_each: ClassVar[str] = "event"
    minutes: ClassVar[int] = 0
    most_minutes: ClassVar[int] = 0
    scoped: ClassVar[bool] = True

    def __init__(self, dial: Dial, choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> None:
        self.choices = choices
        self.lasts_minutes = self.minutes if dial.minutes is None else dial.minutes
        self._chance = chance(self.name, dial.ppm)
        self._accounts = frozenset(dial.accounts)
        self._events = frozenset(dial.events)
        self._accounts_of = accounts_of

    def label(self, origin: str, name: str) -> str:
        """What chance is asked under: it names the fault and the thing, never the moment."""
        return f"{origin}/fault/{self.name}/{name}"

    def strikes_event(self, emitted: Emitted, step: str = "") -> bool:
        """Whether it strikes this event, if that is in its scope at all. Asked once for each `step` of an event."""
        if self._events and emitted.event.type not in self._events:
            return False
        if self._accounts and not any(account in self._accounts for account in self._accounts_of(emitted.customer)):
            return False
        return self.choices.ask(self.label(emitted.origin, emitted.name + step), self._chance) == 1

    def strikes_message(self, parcel: Parcel) -> bool:
        """Whether it strikes this message of a queue. Asked once."""
        if self._accounts and parcel.account not in self._accounts:
            return False
        return self.choices.ask(self.label(parcel.origin, parcel.name), self._chance) == 1

    def strikes_task(self, task: str, account: str) -> bool:
        """Whether it strikes this task of the engine. Asked once."""
        if self._accounts and account not in self._accounts:
            return False
        return self.choices.ask(self.label_of_task(task), self._chance) == 1

    def label_of_task(self, task: str) -> str:
        """What is asked of a task is asked under its name, which tells of its causes."""
        origin, _, name = task.partition("/")
        return self.label(origin, name)

    # -- the hooks, at which nothing happens unless a fault overrides them

    def leaves(self, journey: Journey) -> Journey:
        """How an event leaves Stripe."""
        return journey

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        """Whether Stripe gets no 2xx for this POST."""
        return False

    def copies(self, emitted: Emitted) -> int:
        """How often Pub/Sub delivers the event besides."""
        return 0

    def fails_event(self, parcel: Parcel) -> bool:
        """Whether a Pub/Sub delivery fails."""
        return False

    def fails_message(self, parcel: Parcel) -> bool:
        """Whether the consumer of a queue falls over a message."""
        return False

    def loses_ack(self, parcel: Parcel) -> bool:
        """Whether the acknowledgement of a message is lost."""
        return False

    def befalls(self, fate: Fate, task: str, account: str, repeated: bool) -> Fate:
        """What befalls a task of the engine; `repeated`: what woke it is delivered again should it fail."""
        return fate
