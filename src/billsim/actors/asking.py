"""Whoever sends a request to the platform sends it again when that comes to nothing: a browser or a service once, a scheduler its job twice.

It is the same request, under the same name, and the platform may have done all of it, some of it, or nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from billsim.core.at_least_once import Done
from billsim.core.choices import Choices, Quantiles
from billsim.core.kernel import Kernel
from billsim.ports import Message
from billsim.runtime.hazards import tries_of
from billsim.stripe.objects import StripeError

# How long after the failure: assumed.
BACKOFF = Quantiles("asks_again", (1_000, 1_500, 3_000))
ASKED_AGAIN = "request_sent_again"


class Platform(Protocol):
    """The world, as whoever asks needs it."""

    kernel: Kernel
    choices: Choices

    def forward(self, message: Message, attempt: int, done: Done) -> None:
        """Have the platform handle a message."""
        ...

    def busy(self, account: str, by: int) -> None:
        """Something is on its way for an account, or has ended."""
        ...

    def reached(self, mark: str, account: str, task: str) -> None:
        """Record that something worth reaching was reached."""
        ...


def ask(platform: Platform, message: Message, attempt: int = 1) -> None:
    """Send a request, for the `attempt`-th time."""
    platform.forward(message, attempt, partial(_answered, platform, message, attempt))


def _answered(platform: Platform, message: Message, attempt: int, failure: Exception | None) -> None:
    if failure is None or attempt >= tries_of(message.kind) or not _may_be_cured(failure):
        return
    name = f"e/{message.name}/attempt{attempt + 1}/sent"
    platform.reached(ASKED_AGAIN, message.account, name)
    platform.busy(message.account, 1)
    delay, rank = platform.choices.when(name, BACKOFF)

    def send(_nothing: Any) -> None:
        platform.busy(message.account, -1)
        ask(platform, message, attempt + 1)

    platform.kernel.call_at(platform.kernel.now + delay, rank, send)


def _may_be_cured(failure: Exception) -> bool:
    """Whether the same request may come to something else: not where Stripe has refused it for what it is."""
    if isinstance(failure, StripeError):
        return failure.status in (0, 409, 429) or failure.status >= 500 or failure.type == "idempotency_error"
    return bool(getattr(failure, "retry", False))
