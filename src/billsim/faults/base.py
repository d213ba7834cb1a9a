"""What every fault is: a name, a rate, a scope, a label under which chance is asked, and how it heals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import msgspec

from billsim.core.at_least_once import Parcel
from billsim.core.choices import Choices, chance
from billsim.pipe.weather import Journey
from billsim.ports import Message
from billsim.runtime.hazards import Fate
from billsim.runtime.stripe_client import Setback, Try
from billsim.stripe.objects import Emitted

PIPE, QUEUES, ENGINE = "pipe", "queues", "engine"
STORES, CRONS, DATA = "stores", "crons", "data"
STRIPE = "stripe"
MIRROR = "mirror"


class Dial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a scenario sets a fault. `ppm`: parts per million of what it may strike. `accounts`, `events` and `methods` narrow that down ((): all);
    `minutes` is how long it lasts at most (None: as the fault has it).
    """

    ppm: int
    accounts: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    minutes: int | None = None


class Shift(NamedTuple):
    """A start of the nightly job: so long after its minute, and `while_running` only if the one before has not come to its end by then."""

    after_ms: int = 0
    while_running: bool = False


class Picture(NamedTuple):
    """How a night is mirrored, if it is: `spread_ms` from the first table to the last, and to be looked at `late_ms` after that."""

    taken: bool = True
    spread_ms: int = 0
    late_ms: int = 0


class Mishap(NamedTuple):
    """Something that happens to an account's data: what, how long after the storm began, and how long it stays so. `other`: a second account that it
    is about, '' for none.
    """

    fault: str
    account: str
    after_ms: int
    lasts_ms: int
    other: str = ""


class Fault:
    """A fault, with its rate and scope. It overrides the hooks at which it strikes.

    `of_each` says what `ppm` is of; `minutes` is its default duration and `most_minutes` the longest, 0 for a fault that has none; `scoped`:
    accounts (and in the pipe event types, at Stripe requests) may narrow it.
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
        self._methods = frozenset(dial.methods)
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

    def strikes_look(self, task: str, account: str, what: str) -> bool:
        """Whether it strikes this look of a task's at a store; a look at everybody's rows is in the scope of nobody. Asked once."""
        if self._accounts and account not in self._accounts:
            return False
        return self.choices.ask(f"{self.label_of_task(task)}/{what}", self._chance) == 1

    def strikes_fact(self, name: str, account: str = "") -> bool:
        """Whether it strikes this thing of the world's own: a night, an account. Asked once."""
        if self._accounts and account not in self._accounts:
            return False
        return self.choices.ask(self.label("w", name), self._chance) == 1

    def strikes_work(self, message: Message) -> bool:
        """Whether it strikes the handling of a message. Asked once."""
        if self._accounts and message.account not in self._accounts:
            return False
        return self.choices.ask(self.label(message.origin, message.name), self._chance) == 1

    def strikes_request(self, sent: Try) -> bool:
        """Whether it strikes this try of a request to Stripe. Asked once."""
        if (self._accounts and sent.account not in self._accounts) or (self._methods and sent.method not in self._methods):
            return False
        return self.choices.ask(self.label_of_task(sent.name), self._chance) == 1

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

    def doubles(self, message: Message) -> bool:
        """Whether a second instance of the engine handles a message too."""
        return False

    def thwarts(self, sent: Try) -> Setback | None:
        """What befalls a try of a request to Stripe."""
        return None

    def replica_lag_ms(self, task: str, account: str, what: str) -> int:
        """How far the replica is behind that answers a task's look at a store."""
        return 0

    def cache_lag_ms(self, task: str, account: str, what: str) -> int:
        """How old the cache is that answers a task's look at it."""
        return 0

    def shifts(self, night: str, shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
        """When the nightly job is started on a night."""
        return shifts

    def pictures(self, night: str, picture: Picture) -> Picture:
        """How a night is mirrored."""
        return picture

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """What happens to the data of these accounts during a storm of this length."""
        return []
