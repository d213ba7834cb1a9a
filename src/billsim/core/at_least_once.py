"""Delivery at least once: a topic that delivers until the receiver is done, backs off when it fails, and ends in a dead letter.

Google's Pub/Sub and the platform's queues work alike in this, so both are this one part with other figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from billsim.core.choices import Choices, Quantiles
from billsim.core.kernel import Kernel, Wake
from billsim.core.time import SECOND_MS

Done = Callable[[Exception | None], None]

BACKOFF_JITTER = Quantiles("backoff_jitter", (0, 1000))
# The attempts after a redrive are counted from here.
REDRIVEN = 100


class Retry(NamedTuple):
    """First back-off, the longest, and how many attempts there are before the dead letter. Milliseconds.

    The defaults are Pub/Sub's (10 s, 600 s: https://cloud.google.com/pubsub/docs/handling-failures#subscription_retry_policy; 5 attempts:
    https://cloud.google.com/pubsub/docs/dead-letter-topics).
    """

    first_ms: int = 10 * SECOND_MS
    longest_ms: int = 600 * SECOND_MS
    attempts: int = 5

    def backoff_ms(self, attempt: int) -> int:
        """How long after the `attempt`-th failure (from 1): doubling, up to the longest."""
        return int(min(self.longest_ms, self.first_ms << (attempt - 1)))


class Parcel(Wake):
    """One thing under way: what, under which name, and how often it has been tried. It is also what the kernel's queue holds while it travels."""

    __slots__ = ("topic", "item", "name", "origin", "account", "attempt")

    def __init__(self, topic: Topic, item: Any, name: str, origin: str, account: str) -> None:
        self.topic = topic
        self.item = item
        self.name = name
        self.origin = origin
        self.account = account
        self.attempt = 0

    def fire(self) -> None:
        """It has reached the receiver."""
        topic = self.topic
        topic._log("delivered", self)
        topic._receive(self, self.done)

    def done(self, failure: Exception | None) -> None:
        """The receiver has dealt with it, or has failed."""
        topic = self.topic
        if failure is None and (topic._loses_ack is None or not topic._loses_ack(self)):
            topic._log("finished", self)
        else:
            topic.failed(self)


Receive = Callable[[Parcel, Done], None]
Log = Callable[[str, Parcel], None]


class Topic:
    """Delivers parcels to `receive(parcel, done)`; `log(what, parcel)` hears of each step: delivered, finished, retried, dead_letter, redriven.

    `loses_ack`, where there is one, says of a parcel that was dealt with whether its acknowledgement is lost.
    """

    def __init__(
        self,
        kernel: Kernel,
        choices: Choices,
        name: str,
        latency: Quantiles,
        receive: Receive,
        log: Log,
        *,
        retry: Retry = Retry(),  # noqa: B008 - a value
        loses_ack: Callable[[Parcel], bool] | None = None,
    ) -> None:
        self.kernel = kernel
        self.choices = choices
        self.name = name
        self.latency = latency
        self.retry = retry
        self.dead: list[Parcel] = []
        self._receive = receive
        self._log = log
        self._loses_ack = loses_ack

    def publish(self, item: Any, name: str, origin: str, account: str, delay_ms: int = 0) -> None:
        """Send an item on its way after `delay_ms`; it arrives after the topic's latency."""
        self._dispatch(Parcel(self, item, name, origin, account), delay_ms)

    def memory(self) -> list[Any]:
        """What is not on its way any more, and may be again: the dead letters."""
        return [(parcel.name, parcel.attempt) for parcel in self.dead]

    def redrive(self) -> int:
        """Send every dead letter once more, with fresh attempts; how many there were."""
        dead, self.dead = self.dead, []
        for parcel in dead:
            parcel.attempt += REDRIVEN - parcel.attempt % REDRIVEN
            self._log("redriven", parcel)
            self._dispatch(parcel, 0)
        return len(dead)

    def _dispatch(self, parcel: Parcel, delay_ms: int) -> None:
        parcel.attempt += 1
        label = f"{parcel.origin}/{self.name}/{parcel.name}/attempt{parcel.attempt}"
        latency, rank = self.choices.when(label, self.latency)
        self.kernel.after(delay_ms + latency, rank, parcel, label, latency)

    def failed(self, parcel: Parcel) -> None:
        """A parcel has not been dealt with, as far as anybody here knows: it is delivered again, or has been often enough."""
        attempt = parcel.attempt
        if attempt % REDRIVEN >= self.retry.attempts:
            self.dead.append(parcel)
            self._log("dead_letter", parcel)
        else:
            self._log("retried", parcel)
            jitter = self.choices.ask(f"{parcel.origin}/{self.name}/{parcel.name}/backoff{attempt}", BACKOFF_JITTER)
            self._dispatch(parcel, self.retry.backoff_ms(attempt % REDRIVEN) + jitter)
