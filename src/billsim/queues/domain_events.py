"""domain-events: the bus between the engine and everything after it. At least once; a message may be delayed to an instant."""

from __future__ import annotations

from collections.abc import Callable

from billsim.core.at_least_once import Log, Parcel, Receive, Topic
from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.latency import QUEUE


def queue(kernel: Kernel, choices: Choices, receive: Receive, log: Log, *, loses_ack: Callable[[Parcel], bool] | None = None) -> Topic:
    """The queue that the engine's consumers read."""
    return Topic(kernel, choices, "domain-events", QUEUE, receive, log, loses_ack=loses_ack)
