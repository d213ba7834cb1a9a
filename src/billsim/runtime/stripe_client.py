"""The platform's client library of Stripe, where requests to it may go wrong. Only where such a fault is on: otherwise every request is answered.

It does as the official library does with its defaults (Python, 16.1.0, `_http_client.py`): it gives up waiting after 80 seconds, and sends a request
again up to twice, under the same idempotency key, after a failed connection, a 409 or a 5xx, or whenever the header Stripe-Should-Retry says so. Of a
429 it does not, but for a lock timeout. What then still fails is the component's to deal with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from billsim.core.choices import Choices, Quantiles
from billsim.core.ids import short
from billsim.core.kernel import Kernel
from billsim.core.latency import STRIPE_READ, STRIPE_WRITE
from billsim.core.time import SECOND_MS
from billsim.ports import CallStripe, GatherAll
from billsim.runtime.gather import branches, given_up
from billsim.runtime.hazards import READS
from billsim.runtime.task import Answered, Task
from billsim.stripe.objects import StripeError

RATE_LIMITED, BROKEN, UNANSWERED, KEY_REUSED = "rate_limited", "broken", "unanswered", "key_reused"
# What a gather reads of Stripe is one request here, under this name.
GATHER = "gather"
TRIES = 3
TIMEOUT_MS = 80 * SECOND_MS
FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 500, 5 * SECOND_MS
# Of the back-off, in thousandths; but it is never shorter than the first.
JITTER = Quantiles("client_jitter", (500, 1000))
# Marks.
ASKED_AGAIN, DONE_UNHEARD = "stripe_asked_again", "stripe_done_unheard"


class Try(NamedTuple):
    """One try of a request to Stripe: under which name, for which account, and what."""

    name: str
    account: str
    method: str
    reads: bool


class Setback(NamedTuple):
    """What befalls a try. `begun` says how far Stripe got: a request that is not answered was performed; one that breaks has its 500 kept under its
    key; of one that is limited, that it met another and may be sent again.
    """

    kind: str
    begun: bool = False


class Setbacks(Protocol):
    """The faults that requests to Stripe are exposed to."""

    def setback(self, sent: Try) -> Setback | None:
        """What befalls a try; None: nothing. Asked once for each."""
        ...


class Desk(Protocol):
    """The runtime, as the client needs it."""

    kernel: Kernel
    choices: Choices
    stripe_trips: int

    def ask_stripe(self, task: Task, effect: CallStripe, *, breaks: bool = False) -> Answered:
        """Have Stripe perform a request now; or, where it `breaks`, begin it and fail."""
        ...

    def tell(self, task: Task, effect: CallStripe, answered: Answered) -> Any:
        """Let a task know what came of its request."""
        ...

    def begin_gather(self, task: Task, effect: GatherAll) -> Any:
        """Begin to read an account."""
        ...

    def key_of_another(self, key: str) -> str | None:
        """The idempotency key of some other request."""
        ...

    def mark(self, mark: str, account: str, task: str) -> None:
        """Record that something worth reaching was reached."""
        ...


class Sent(CallStripe, frozen=True, gc=False):
    """A request on its way; `name` is that of its first try."""

    name: str = ""
    tries: int = 1


class Look(GatherAll, frozen=True, gc=False):
    """A gather that failed before."""

    tries: int = 1


class Unheard(NamedTuple):
    """A request whose answer is waited for in vain."""

    effect: Sent | Look


class Again(NamedTuple):
    """A gather that is to begin once more."""

    look: Look


class StripeClient:
    """Performs `CallStripe` and `GatherAll` in the runtime's place. `gather` brings what a gather has read; `waiting`: what a performer answers
    that takes time.
    """

    def __init__(self, desk: Desk, setbacks: Setbacks, gather: Callable[[Task, Any], Any], waiting: object) -> None:
        self._desk = desk
        self._setbacks = setbacks
        self._gather = gather
        self._waiting = waiting

    def begin(self, task: Task, effect: CallStripe) -> Any:
        """Send a request on its way."""
        name = task.name_of(f"{effect.method}/{effect.id}")
        return self._send(task, Sent(effect.method, effect.account, effect.id, effect.params, effect.idempotency_key, name), 0)

    def arrived(self, task: Task, sent: Sent) -> Any:
        """A request has reached Stripe, or what stands in its way."""
        reads = sent.method.endswith(READS)
        setback = self._setbacks.setback(Try(_name_of(sent), sent.account, sent.method, reads))
        if setback is None:
            return self._desk.tell(task, sent, self._desk.ask_stripe(task, sent))
        sent = _keyed(sent) if not reads else sent
        if setback.kind == KEY_REUSED:
            return self._sent_under_the_wrong_key(task, sent)
        if setback.begun and not reads and setback.kind in (UNANSWERED, BROKEN):
            answered = self._desk.ask_stripe(task, sent, breaks=setback.kind == BROKEN)
            if setback.kind == BROKEN:
                return self._failed(task, sent, answered.failure) if answered.failure is not None else self._desk.tell(task, sent, answered)
            self._desk.mark(DONE_UNHEARD, sent.account, task.name)
        return self._befallen(task, sent, setback)

    def gathered(self, task: Task, effect: GatherAll) -> Any:
        """A gather has read what it asked for, unless Stripe's part of it fails."""
        look = effect if isinstance(effect, Look) else Look(effect.account, effect.parts)
        name, _, shard = task.begun
        setback = self._setbacks.setback(Try(name, look.account, GATHER, True)) if branches(look.parts).stripe_trips else None
        if setback is None:
            return self._gather(task, effect)
        given_up(shard)
        return self._befallen(task, look, setback)

    def unheard(self, task: Task, unheard: Unheard) -> Any:
        """The time that an answer is waited for is over."""
        seconds = TIMEOUT_MS // SECOND_MS
        failure = StripeError(0, "api_connection_error", "timeout", f"No answer within {seconds} seconds.")
        return self._failed(task, unheard.effect, failure)

    def again(self, task: Task, again: Again) -> Any:
        """Begin a gather once more."""
        task.effect = again.look
        return self._desk.begin_gather(task, again.look)

    def _befallen(self, task: Task, asked: Sent | Look, setback: Setback) -> Any:
        if setback.kind == UNANSWERED:
            task.effect = Unheard(asked)
            self._desk.kernel.after(TIMEOUT_MS, self._desk.choices.rank(f"{_place(task, asked)}/timeout"), task)
            return self._waiting
        if setback.kind == RATE_LIMITED:
            code, told = ("lock_timeout", True) if setback.begun else ("rate_limit", None)
            return self._failed(task, asked, StripeError(429, "invalid_request_error", code, "Request rate limit exceeded.", told))
        return self._failed(task, asked, StripeError(500, "api_error", "api_error", "An error occurred inside of Stripe."))

    def _sent_under_the_wrong_key(self, task: Task, sent: Sent) -> Any:
        own = sent.idempotency_key
        assert own is not None, "what is struck has a key"
        wrong = Sent(sent.method, sent.account, sent.id, sent.params, self._desk.key_of_another(own) or own, sent.name, sent.tries)
        return self._desk.tell(task, wrong, self._desk.ask_stripe(task, wrong))

    def _failed(self, task: Task, asked: Sent | Look, failure: Exception) -> Any:
        """Send it again, if that is worth trying; or tell the component."""
        if asked.tries >= TRIES or not _is_worth_repeating(failure):
            task.seen.append((self._desk.kernel.now, asked, None))
            raise failure
        self._desk.mark(ASKED_AGAIN, asked.account, task.name)
        backoff_ms = self._backoff_ms(_place(task, asked), asked.tries)
        if isinstance(asked, Look):
            task.effect = Again(Look(asked.account, asked.parts, asked.tries + 1))
            self._desk.kernel.after(backoff_ms, self._desk.choices.rank(f"{_place(task, asked)}/again"), task)
            return self._waiting
        return self._send(
            task, Sent(asked.method, asked.account, asked.id, asked.params, asked.idempotency_key, asked.name, asked.tries + 1), backoff_ms
        )

    def _send(self, task: Task, sent: Sent, after_ms: int) -> Any:
        desk, name = self._desk, _name_of(sent)
        desk.stripe_trips += 1
        task.effect = sent
        delay, rank = desk.choices.when(name, STRIPE_READ if sent.method.endswith(READS) else STRIPE_WRITE)
        desk.kernel.after(after_ms + delay, rank, task, name, delay)
        return self._waiting

    def _backoff_ms(self, name: str, tries: int) -> int:
        longest = min(FIRST_BACKOFF_MS << (tries - 1), LONGEST_BACKOFF_MS)
        return max(FIRST_BACKOFF_MS, longest * self._desk.choices.ask(f"{name}/backoff", JITTER) // 1000)


def _name_of(sent: Sent) -> str:
    return sent.name if sent.tries == 1 else f"{sent.name}/try{sent.tries}"


def _place(task: Task, asked: Sent | Look) -> str:
    """What a question about a request is asked under."""
    return _name_of(asked) if isinstance(asked, Sent) else str(task.begun[0])


def _keyed(sent: Sent) -> Sent:
    """As the library does, a request that comes without an idempotency key is given one of its own, or it could not be sent twice."""
    key = sent.idempotency_key or f"client-{short(sent.name)}"
    return Sent(sent.method, sent.account, sent.id, sent.params, key, sent.name, sent.tries)


def _is_worth_repeating(failure: Exception) -> bool:
    if not isinstance(failure, StripeError):
        return False
    if failure.should_retry is not None:
        return failure.should_retry
    return failure.status in (0, 409) or failure.status >= 500
