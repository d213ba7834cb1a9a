"""async-processing: work that may wait, delivered in batches. At least once; a batch of which one message fails is delivered again as a whole.

It behaves like a Cloudflare Queue with its defaults (https://developers.cloudflare.com/queues/configuration/batching-retries/): a batch is
delivered when it has 10 messages or its first has waited for 5 seconds, and the failure of one message repeats all of its batch, because the
consumer does not acknowledge them one by one.
An engine sends to it what it names `async.<job>`, and consumes it with whatever such a message wakes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from billsim.core.at_least_once import Done, Log, Parcel, Receive, Retry, Topic
from billsim.core.choices import Choices
from billsim.core.kernel import Call, Kernel
from billsim.core.latency import QUEUE
from billsim.core.time import SECOND_MS

KIND = "async."
MOST = 10
LONGEST_MS = 5 * SECOND_MS
# Three retries by default (https://developers.cloudflare.com/queues/configuration/dead-letter-queues/). The back-off is this platform's own: assumed.
RETRY = Retry(attempts=4)


class BatchError(Exception):
    """Another message of the same batch failed, so this one comes again."""


class Member(NamedTuple):
    """A message of a batch, and whom to tell when it has been dealt with."""

    parcel: Parcel
    done: Done


def queue(kernel: Kernel, choices: Choices, consume: Receive, log: Log, *, loses_ack: Callable[[Parcel], bool] | None = None) -> Topic:
    """The queue, whose messages reach `consume` in batches."""
    return Batched(kernel, choices, Batches(kernel, choices, consume), log, loses_ack)


class Batched(Topic):
    """A topic that delivers into batches."""

    def __init__(self, kernel: Kernel, choices: Choices, batches: Batches, log: Log, loses_ack: Callable[[Parcel], bool] | None) -> None:
        super().__init__(kernel, choices, "async-processing", QUEUE, batches.receive, log, retry=RETRY, loses_ack=loses_ack)
        self._batches = batches

    def memory(self) -> list[Any]:
        """The dead letters, and what waits for its batch to be delivered."""
        return [super().memory(), self._batches.memory()]


class Batches:
    """Collects what arrives and delivers it together."""

    def __init__(self, kernel: Kernel, choices: Choices, consume: Receive) -> None:
        self._kernel = kernel
        self._choices = choices
        self._consume = consume
        self._open: list[Member] = []
        self._timer: Call | None = None

    def memory(self) -> list[str]:
        """The names of what waits."""
        return [member.parcel.name for member in self._open]

    def receive(self, parcel: Parcel, done: Done) -> None:
        """A message has arrived; the first of a batch sets its timer, the last one delivers it."""
        self._open.append(Member(parcel, done))
        if len(self._open) == MOST:
            self._deliver(None)
        elif self._timer is None:
            rank = self._choices.rank(f"{parcel.origin}/async-processing/{parcel.name}/batch{parcel.attempt}")
            self._timer = self._kernel.call_at(self._kernel.now + LONGEST_MS, rank, self._deliver)

    def _deliver(self, _timer: Any) -> None:
        batch, self._open = self._open, []
        if self._timer is not None:
            self._timer.cancelled = True
            self._timer = None
        outcome = _Outcome(batch)
        for index, member in enumerate(batch):
            self._consume(member.parcel, outcome.of(index))


class _Outcome:
    """What became of a batch: told to its members when the last has been dealt with."""

    def __init__(self, batch: list[Member]) -> None:
        self._batch = batch
        self._failures: list[Exception | None] = [None] * len(batch)
        self._left = len(batch)

    def of(self, index: int) -> Done:
        def done(failure: Exception | None) -> None:
            self._failures[index] = failure
            self._left -= 1
            if not self._left:
                self._tell()

        return done

    def _tell(self) -> None:
        first = next((failure for failure in self._failures if failure is not None), None)
        for member, failure in zip(self._batch, self._failures, strict=True):
            member.done(failure if first is None or failure is not None else BatchError(member.parcel.name))
