"""Events that are kept at the start until something has overtaken them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billsim.core.choices import Choices
from billsim.core.kernel import Call, Kernel
from billsim.core.time import SECOND_MS
from billsim.pipe.weather import CHANGED_OBJECT, Journey
from billsim.stripe.objects import Emitted

# Longer than the slowest webhook and Pub/Sub take together, so that what overtakes has arrived.
AHEAD_MS = 6 * SECOND_MS


class _Waiting:
    """One event that waits, and the timer that ends its waiting."""

    __slots__ = ("journey", "timer")

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.timer: Call | None = None

    def __repr__(self) -> str:
        return self.journey.emitted.name


class Overtaking:
    """Keeps events, and sends each on its way with `post(emitted, after_ms)` when what it waits for has happened.

    The world's own events wait for the world's own alone, so that an engine's echoes do not shift them.
    """

    def __init__(self, kernel: Kernel, choices: Choices, post: Callable[[Emitted, int], None]) -> None:
        self._kernel = kernel
        self._choices = choices
        self._post = post
        self._waiting: dict[str, list[_Waiting]] = {}

    def wait(self, journey: Journey) -> None:
        """Keep an event until it has been overtaken."""
        waiting, emitted = _Waiting(journey), journey.emitted
        rank = self._choices.rank(f"{emitted.origin}/pipe/{emitted.name}/waited")
        waiting.timer = self._kernel.call_at(self._kernel.now + journey.at_most_ms, rank, self._gives_up, waiting)
        self._waiting.setdefault(emitted.customer, []).append(waiting)

    def passed(self, emitted: Emitted) -> None:
        """Another event has been sent: those that waited for it follow."""
        here = self._waiting.get(emitted.customer)
        if here is None:
            return
        for waiting in [waiting for waiting in here if is_overtaken(waiting.journey, emitted)]:
            self._send(waiting, AHEAD_MS)

    def memory(self) -> list[str]:
        """The names of the events that wait."""
        return sorted(waiting.journey.emitted.name for here in self._waiting.values() for waiting in here)

    def end(self) -> None:
        """Nothing waits any longer."""
        for waiting in [waiting for here in self._waiting.values() for waiting in here]:
            self._send(waiting, 0)

    def _gives_up(self, waiting: Any) -> None:
        self._send(waiting, 0)

    def _send(self, waiting: _Waiting, after_ms: int) -> None:
        emitted = waiting.journey.emitted
        here = self._waiting[emitted.customer]
        here.remove(waiting)
        if not here:
            del self._waiting[emitted.customer]
        if waiting.timer is not None:
            waiting.timer.cancelled = True
        self._post(emitted, after_ms + waiting.journey.after_ms)


def is_overtaken(journey: Journey, other: Emitted) -> bool:
    """Whether what an event waits for has happened with another of its customer's."""
    waiting = journey.emitted
    if waiting.origin == "w" and other.origin != "w":
        return False
    if journey.waits_for != CHANGED_OBJECT:
        return True
    said, says = waiting.event.data.object, other.event.data.object
    return bool(getattr(said, "id", None) == getattr(says, "id", "") and said != says)
