"""The pipe from end to end: Stripe's POST, ingress, Pub/Sub, event-filter, handler-registry, resolution to the account, the engine.

Stripe's own order is kept nowhere: each event travels by itself, and may be held, doubled or overtaken. Two loops repeat it: Stripe's own, until the
ingress answers 2xx, and Pub/Sub's, until the engine has handled it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from billsim.core.at_least_once import BACKOFF_JITTER, Done, Parcel, Retry
from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.latency import WEBHOOK
from billsim.core.signature import sign
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.core.trace import MessageRecord, as_record
from billsim.pipe import ingress, pubsub
from billsim.pipe.event_filter import EventFilter
from billsim.pipe.handler_registry import KINDS
from billsim.pipe.overtaking import Overtaking
from billsim.pipe.weather import Weather
from billsim.ports import Message
from billsim.stripe.objects import Emitted

_encode_into = msgspec.json.Encoder().encode_into
# Stripe documents that one change may arrive as two Event objects (https://docs.stripe.com/webhooks#handle-duplicate-events); how much later the
# second comes is assumed.
DUPLICATE_AFTER_MS = 30 * SECOND_MS
# Stripe posts again for up to 3 days, with exponential back-off (https://docs.stripe.com/webhooks#retries). It publishes no intervals: assumed.
STRIPE_RETRY = Retry(5 * MINUTE_MS, 12 * HOUR_MS)
STRIPE_GIVES_UP_MS = 3 * DAY_MS
# How the name of what Pub/Sub delivers twice ends; the copies that are Event objects of their own are numbered from 2.
AGAIN = "/d1"


class DeliveryError(Exception):
    """What receives a delivery fell over it, whatever was in it."""


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

    def acknowledged(self, emitted: Emitted, at_ms: int) -> None:
        """The ingress answers 2xx at an instant, which may be to come."""
        ...

    def passed(self, record: MessageRecord) -> None:
        """Add to the trace: an event goes its usual way."""
        ...

    def record(self, record: MessageRecord) -> None:
        """Add to the trace, whatever it tells of."""
        ...

    def took(self, account: str, ms: int) -> None:
        """An event took this long from its emission to the engine."""
        ...


class Rule(NamedTuple):
    """A story's hold or duplicate: an event type, and an account or '' for all."""

    event_type: str
    account: str


class Post(NamedTuple):
    """One try of Stripe's to deliver an event: the how-manieth (from 1), and when the first was due."""

    emitted: Emitted
    attempt: int
    since_ms: int

    def __repr__(self) -> str:
        return f"{self.emitted.name} post{self.attempt}"


class Counts(msgspec.Struct):
    """What went through, for the summary."""

    stripe: int = 0
    delivered: int = 0
    duplicates: int = 0
    redelivered: int = 0
    dead_letter: int = 0


class Pipe:
    """Carries every event that Stripe emits. `bodies`: encode, sign and verify each delivery, as the real ingress does. `weather`: the faults that
    events are exposed to. `undelivered` holds what Stripe has given up.

    What becomes of a POST is decided when it sets out, so that it and the delivery that it leads to are one step of the kernel; and an event that
    event-filter ignores is dropped at once, for nobody can tell when it arrives.
    """

    def __init__(
        self, kernel: Kernel, choices: Choices, receiver: Receiver, *, secret: str, bodies: bool = True, weather: Weather | None = None
    ) -> None:
        self.kernel = kernel
        self.choices = choices
        self.receiver = receiver
        self.counts = Counts()
        self.filter = EventFilter()
        self.subscription = pubsub.subscription(kernel, choices, self._receive, self._log)
        self.weather = weather
        self.undelivered: list[Post] = []
        self._overtaking = Overtaking(kernel, choices, self._let_go)
        self._passed = receiver.passed
        self._secret = secret
        # One place for all bodies: each has been verified before the next is encoded.
        self._body = bytearray() if bodies else None
        self._holds: list[Rule] = []
        self._held: list[Emitted] = []
        self._duplicates: list[tuple[Rule, int]] = []

    # -- on the road ---------------------------------------------------------------------------------------------------------------

    def emit(self, emitted: Emitted) -> None:
        """Stripe has an event to deliver."""
        self.counts.stripe += 1
        now, event, customer = self.kernel.now, emitted.event, emitted.customer
        handled = not self.filter.ignores(event)
        if handled:
            self.receiver.on_the_way(customer, 1)
        self._passed(as_record(MessageRecord, ("messages", now, "emitted", emitted.name, event.type, customer, 0)))
        if self._holds and any(self._matches(rule, emitted) for rule in self._holds):
            self._held.append(emitted)
            self._note("held", emitted)
        elif self.weather is not None:
            self._leave(emitted, self.weather)
        else:
            self._set_out(emitted, 1, now, handled)
            if self._duplicates:
                self._duplicate(emitted)

    def _leave(self, emitted: Emitted, weather: Weather) -> None:
        """Stripe sends an event as the faults will have it. A story that doubles it has doubled it enough."""
        journey = weather.leaves(emitted)
        if not self._duplicate(journey.emitted):
            for copy in range(2, journey.twins + 2):
                self._copy(journey.emitted, copy)
        if journey.waits_for:
            self._note("held", journey.emitted)
            self._overtaking.wait(journey)
            return
        self._post(journey.emitted, journey.after_ms)
        self._overtaking.passed(emitted)

    def _let_go(self, emitted: Emitted, after_ms: int) -> None:
        self._note("released", emitted)
        self._post(emitted, after_ms)

    def _post(self, emitted: Emitted, after_ms: int = 0) -> None:
        """Stripe's first try, now or later."""
        if after_ms:
            self._post_later(Post(emitted, 1, self.kernel.now + after_ms), after_ms)
        else:
            self._set_out(emitted, 1, self.kernel.now, self._is_handled(emitted))

    def _post_later(self, post: Post, after_ms: int) -> None:
        rank = self.choices.rank(f"{post.emitted.origin}/pipe/{post.emitted.name}/out{post.attempt}")
        self.kernel.call_at(self.kernel.now + after_ms, rank, self._set_out_at_last, post)

    def _set_out_at_last(self, post: Post) -> None:
        self._set_out(*post, self._is_handled(post.emitted))

    def _set_out(self, emitted: Emitted, attempt: int, since_ms: int, handled: bool) -> None:
        """Stripe's POST is on its way: its arrival, what the ingress answers, and what it publishes. `handled`: event-filter does not ignore it."""
        name, origin, weather = emitted.name, emitted.origin, self.weather
        label = f"{origin}/pipe/{name}/post{attempt}"
        delay, rank = self.choices.when(label, WEBHOOK)
        at_ms = self.kernel.now + delay
        if self._body is not None:
            # Each try is stamped and signed as it is made.
            body, at_s, secret = self._body, at_ms // 1000, self._secret
            _encode_into(emitted.event, body)
            ingress.verify(body, sign(body, secret, at_s), secret, at_s)
        if weather is not None and weather.refuses(emitted, attempt, at_ms):
            self.kernel.call_at(at_ms, rank, self._refused, Post(emitted, attempt, since_ms), label=label, open_ms=delay)
            return
        if attempt > 1:
            self.counts.redelivered += 1
            self._note("redelivered", emitted, attempt)
        self.receiver.acknowledged(emitted, at_ms)
        if not handled:
            self.counts.delivered += 1
            told = ("messages", self.kernel.now, "dropped", name, emitted.event.type, emitted.customer, attempt)
            self._passed(as_record(MessageRecord, told))
            return
        self.subscription.publish(emitted, name, origin, emitted.customer, delay)
        if weather is not None and weather.copies(emitted):
            self._publish_again(emitted, delay)

    def _refused(self, post: Post) -> None:
        """Stripe got no 2xx: it backs off and posts again, or has tried for three days and gives up."""
        emitted, attempt, since_ms = post
        self._note("refused", emitted, attempt)
        jitter = self.choices.ask(f"{emitted.origin}/pipe/{emitted.name}/backoff{attempt}", BACKOFF_JITTER)
        wait_ms = STRIPE_RETRY.backoff_ms(attempt) + jitter
        if self.kernel.now + wait_ms <= since_ms + STRIPE_GIVES_UP_MS:
            self._post_later(Post(emitted, attempt + 1, since_ms), wait_ms)
            return
        self._note("undelivered", emitted, attempt)
        self.undelivered.append(post)
        self._is_on_the_way(emitted, -1)

    def _publish_again(self, emitted: Emitted, delay_ms: int) -> None:
        """Pub/Sub delivers the same event once more."""
        again = msgspec.structs.replace(emitted, name=emitted.name + AGAIN)
        self.counts.duplicates += 1
        self._is_on_the_way(again, 1)
        self._note("duplicate", again)
        self.subscription.publish(again, again.name, again.origin, again.customer, delay_ms)

    def redrive(self) -> None:
        """The operator sends every dead letter once more, and has Stripe send again what it had given up."""
        self.subscription.redrive()
        given_up, self.undelivered = self.undelivered, []
        for emitted, attempt, _ in given_up:
            self._note("redriven", emitted, attempt)
            self._is_on_the_way(emitted, 1)
            self._set_out(emitted, attempt + 1, self.kernel.now, self._is_handled(emitted))

    # -- where it arrives ------------------------------------------------------------------------------------------------------------

    def _receive(self, parcel: Parcel, done: Done) -> None:
        emitted: Emitted = parcel.item
        self.counts.delivered += 1
        if parcel.attempt > 1:
            self.counts.redelivered += 1
        if self.weather is not None and self.weather.fails(parcel):
            done(DeliveryError(parcel.name))
            return
        if self.filter.has_finished(emitted.event):
            if not emitted.name.endswith(AGAIN):
                self.counts.duplicates += 1
            done(None)
            return
        accounts = self.receiver.accounts_of(emitted.customer) if emitted.customer else ()
        if len(accounts) == 1:
            now, account = self.kernel.now, accounts[0]
            self.receiver.took(account, now - emitted.at_ms)
            message = Message(emitted.name, emitted.origin, KINDS[emitted.event.type], account, now, emitted.event)
            self.receiver.forward(message, parcel.attempt, done)
        elif emitted.customer and not accounts:
            done(ResolutionError(emitted.customer))
        else:
            self._note("merged" if accounts else "no_customer", emitted)
            done(None)

    def _log(self, what: str, parcel: Parcel) -> None:
        emitted: Emitted = parcel.item
        if what in ("delivered", "finished"):
            now, event, customer = self.kernel.now, emitted.event, emitted.customer
            self._passed(as_record(MessageRecord, ("messages", now, what, emitted.name, event.type, customer, parcel.attempt)))
            if what == "finished":
                self.filter.finished(event, now)
                self.receiver.on_the_way(customer, -1)
            return
        self._note(what, emitted, parcel.attempt)
        if what == "dead_letter":
            self.counts.dead_letter += 1
            self.receiver.on_the_way(emitted.customer, -1)
        elif what == "redriven":
            self.receiver.on_the_way(emitted.customer, 1)

    def _is_on_the_way(self, emitted: Emitted, by: int) -> None:
        """An event that somebody handles has set out (1) or has come to its end (-1)."""
        if self._is_handled(emitted):
            self.receiver.on_the_way(emitted.customer, by)

    def _is_handled(self, emitted: Emitted) -> bool:
        return not self.filter.ignores(emitted.event)

    def _note(self, what: str, emitted: Emitted, attempt: int = 0) -> None:
        """Note a step of the way that only some events go: of those that all go, each adds its record itself."""
        self.receiver.record(MessageRecord("messages", self.kernel.now, what, emitted.name, emitted.event.type, emitted.customer, attempt))

    def memory(self) -> list[Any]:
        """What becomes of later events by, apart from those that are on the road."""
        given_up = [(post.emitted.name, post.attempt) for post in self.undelivered]
        held = [emitted.name for emitted in self._held]
        return [self.filter.memory(), self.subscription.memory(), given_up, held, self._holds, self._duplicates, self._overtaking.memory()]

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
        """End every hold, and let go what waits to be overtaken: faults stop."""
        for rule in tuple(self._holds):
            self.release(rule.event_type, rule.account)
        self._overtaking.end()

    def duplicate(self, event_type: str, account: str, times: int) -> None:
        """Deliver the next event of a type as this many Event objects for the one change."""
        self._duplicates.append((Rule(event_type, account), times))

    def _duplicate(self, emitted: Emitted) -> bool:
        """Send the copies that a story wants of this event; whether it does."""
        for index, (rule, times) in enumerate(self._duplicates):
            if self._matches(rule, emitted):
                del self._duplicates[index]
                for copy in range(2, times + 1):
                    self._copy(emitted, copy)
                return True
        return False

    def _copy(self, emitted: Emitted, copy: int) -> None:
        event = msgspec.structs.replace(emitted.event, id=f"{emitted.event.id}.d{copy}")
        twin = msgspec.structs.replace(emitted, event=event, name=f"{emitted.name}/d{copy}")
        self.counts.stripe += 1
        self.counts.duplicates += 1
        self._is_on_the_way(twin, 1)
        self._note("duplicate", twin)
        self._post(twin, (copy - 1) * DUPLICATE_AFTER_MS)

    def _matches(self, rule: Rule, emitted: Emitted) -> bool:
        return rule.event_type == emitted.event.type and (not rule.account or rule.account in self.receiver.accounts_of(emitted.customer))
