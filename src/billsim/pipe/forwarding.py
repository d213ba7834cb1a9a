"""The pipe from end to end: Stripe's POST, ingress, Pub/Sub, event-filter, handler-registry, resolution to the account, the engine.

Stripe's own order is kept nowhere: each event travels by itself, and may be held, doubled or overtaken.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from billsim.core.at_least_once import Done, Parcel
from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.latency import WEBHOOK
from billsim.core.time import SECOND_MS
from billsim.core.trace import MessageRecord
from billsim.pipe import ingress, pubsub
from billsim.pipe.event_filter import EventFilter
from billsim.pipe.handler_registry import HANDLERS
from billsim.ports import Message
from billsim.stripe.objects import Emitted

_encode = msgspec.json.Encoder().encode
# Stripe documents that one change may arrive as two Event objects (https://docs.stripe.com/webhooks#handle-duplicate-events); how much later the
# second comes is assumed.
DUPLICATE_AFTER_MS = 30 * SECOND_MS


class ResolutionError(Exception):
    """No account is known for an event's customer: the delivery is repeated, and ends in the dead letter."""


class Receiver(Protocol):
    """What the pipe needs of the world."""

    def accounts_of(self, customer: str) -> tuple[str, ...]:
        """The accounts that subs_customer maps to a Stripe customer."""
        ...

    def forward(self, message: Message, attempt: int, done: Done) -> None:
        """Wake the engine; `done` is called when all that it woke has ended."""
        ...

    def on_the_way(self, customer: str, by: int) -> None:
        """A message that may change the customer's accounts has set out (1) or has come to its end (-1)."""
        ...

    def acknowledged(self, emitted: Emitted) -> None:
        """The ingress has answered 2xx."""
        ...

    def record(self, record: MessageRecord) -> None:
        """Add to the trace."""
        ...

    def took(self, account: str, ms: int) -> None:
        """An event took this long from its emission to the engine."""
        ...


class Rule(NamedTuple):
    """A story's hold or duplicate: an event type, and an account or '' for all."""

    event_type: str
    account: str


class Counts(msgspec.Struct):
    """What went through, for the summary."""

    stripe: int = 0
    delivered: int = 0
    duplicates: int = 0
    redelivered: int = 0
    dead_letter: int = 0


class Pipe:
    """Carries every event that Stripe emits. `bodies`: encode, sign and verify each delivery, as the real ingress does."""

    def __init__(self, kernel: Kernel, choices: Choices, receiver: Receiver, *, secret: str, bodies: bool = True) -> None:
        self.kernel = kernel
        self.choices = choices
        self.receiver = receiver
        self.counts = Counts()
        self.filter = EventFilter()
        self.subscription = pubsub.subscription(kernel, choices, self._receive, self._log)
        self._secret = secret
        self._bodies = bodies
        self._holds: list[Rule] = []
        self._held: list[Emitted] = []
        self._duplicates: list[tuple[Rule, int]] = []

    # -- on the road ---------------------------------------------------------------------------------------------------------------

    def emit(self, emitted: Emitted) -> None:
        """Stripe has an event to deliver."""
        self.counts.stripe += 1
        if emitted.event.type in HANDLERS:
            self.receiver.on_the_way(emitted.customer, 1)
        self._note("emitted", emitted)
        if any(self._matches(rule, emitted) for rule in self._holds):
            self._held.append(emitted)
            self._note("held", emitted)
            return
        self._post(emitted)
        self._duplicate(emitted)

    def _post(self, emitted: Emitted, after_ms: int = 0) -> None:
        delay, rank = self.choices.when(f"{emitted.origin}/pipe/{emitted.name}/post1", WEBHOOK)
        self.kernel.call_at(self.kernel.now + after_ms + delay, rank, self._arrive, emitted)

    def _arrive(self, emitted: Emitted) -> None:
        if self._bodies:
            body, now_s = _encode(emitted.event), self.kernel.now // 1000
            ingress.verify(body, ingress.sign(body, self._secret, now_s), self._secret, now_s)
        self.receiver.acknowledged(emitted)
        self.subscription.publish(emitted, emitted.name, emitted.origin, emitted.customer)

    def _receive(self, parcel: Parcel, done: Done) -> None:
        emitted: Emitted = parcel.item
        self.counts.delivered += 1
        if parcel.attempt > 1:
            self.counts.redelivered += 1
        refused = self.filter.refuses(emitted.event)
        if refused is not None:
            if refused == "finished":
                self.counts.duplicates += 1
            done(None)
            return
        accounts = self._resolve(emitted)
        if accounts is None:
            done(ResolutionError(emitted.customer))
            return

        def handled(failure: Exception | None) -> None:
            if failure is None:
                self.filter.finished(emitted.event, self.kernel.now)
            done(failure)

        if len(accounts) != 1:
            self._note("merged" if accounts else "no_customer", emitted)
            handled(None)
            return
        self.receiver.took(accounts[0], self.kernel.now - emitted.at_ms)
        message = Message(emitted.name, emitted.origin, f"stripe.{emitted.event.type}", accounts[0], self.kernel.now, emitted.event)
        self.receiver.forward(message, parcel.attempt, handled)

    def _resolve(self, emitted: Emitted) -> tuple[str, ...] | None:
        """The event's accounts; () for an event that belongs to no customer, None for a customer that no account is known for."""
        if not emitted.customer:
            return ()
        return self.receiver.accounts_of(emitted.customer) or None

    def _log(self, what: str, parcel: Parcel) -> None:
        emitted: Emitted = parcel.item
        event_type = emitted.event.type
        self.receiver.record(MessageRecord("messages", self.kernel.now, what, emitted.name, event_type, emitted.customer, parcel.attempt))
        if what == "dead_letter":
            self.counts.dead_letter += 1
        if event_type in HANDLERS:
            if what in ("finished", "dead_letter"):
                self.receiver.on_the_way(emitted.customer, -1)
            elif what == "redriven":
                self.receiver.on_the_way(emitted.customer, 1)

    def _note(self, what: str, emitted: Emitted) -> None:
        self.receiver.record(MessageRecord("messages", self.kernel.now, what, emitted.name, emitted.event.type, emitted.customer, 0))

    # -- what a story does to it -----------------------------------------------------------------------------------------------------

    def hold(self, event_type: str, account: str) -> None:
        """Keep events of a type (of one account, or of all: '') from now on, instead of delivering them."""
        self._holds.append(Rule(event_type, account))

    def release(self, event_type: str, account: str) -> None:
        """Deliver what is held by this rule, in the order in which it was emitted, and hold no more."""
        rule = Rule(event_type, account)
        self._holds = [held for held in self._holds if held != rule]
        held, self._held = self._held, []
        for emitted in held:
            if self._matches(rule, emitted):
                self._note("released", emitted)
                self._post(emitted)
            else:
                self._held.append(emitted)

    def release_all(self) -> None:
        """End every hold: faults stop."""
        for rule in tuple(self._holds):
            self.release(rule.event_type, rule.account)

    def duplicate(self, event_type: str, account: str, times: int) -> None:
        """Deliver the next event of a type as this many Event objects for the one change."""
        self._duplicates.append((Rule(event_type, account), times))

    def _duplicate(self, emitted: Emitted) -> None:
        for index, (rule, times) in enumerate(self._duplicates):
            if self._matches(rule, emitted):
                del self._duplicates[index]
                for copy in range(2, times + 1):
                    self._copy(emitted, copy)
                return

    def _copy(self, emitted: Emitted, copy: int) -> None:
        event = msgspec.structs.replace(emitted.event, id=f"{emitted.event.id}.d{copy}")
        twin = msgspec.structs.replace(emitted, event=event, name=f"{emitted.name}/d{copy}")
        self.counts.stripe += 1
        self.counts.duplicates += 1
        if event.type in HANDLERS:
            self.receiver.on_the_way(twin.customer, 1)
        self._note("duplicate", twin)
        self._post(twin, (copy - 1) * DUPLICATE_AFTER_MS)

    def _matches(self, rule: Rule, emitted: Emitted) -> bool:
        return rule.event_type == emitted.event.type and (not rule.account or rule.account in self.receiver.accounts_of(emitted.customer))
