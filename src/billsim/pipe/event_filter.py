"""event-filter: drops events without a handler, events of another livemode, and events that were *finished* before.

It remembers an event only after success, so that a failed delivery is never mistaken for a finished one.
"""

from __future__ import annotations

from collections import deque

from billsim.core.time import DAY_MS
from billsim.pipe.handler_registry import HANDLERS
from billsim.stripe.objects import Event

# Stripe redelivers for up to 3 days (https://docs.stripe.com/webhooks#retries); what is older is forgotten.
REMEMBERED_MS = 4 * DAY_MS


class EventFilter:
    """Decides on one event at a time. `livemode` is the mode of this deployment."""

    def __init__(self, *, livemode: bool = True) -> None:
        self.livemode = livemode
        self._finished: set[str] = set()
        self._order: deque[tuple[int, str]] = deque()

    def ignores(self, event: Event) -> bool:
        """Whether the event is dropped whenever it comes: no handler is for it, or it is of another livemode."""
        return event.type not in HANDLERS or event.livemode is not self.livemode

    def has_finished(self, event: Event) -> bool:
        """Whether all handlers of the event have finished it before."""
        return event.id in self._finished

    def memory(self) -> list[str]:
        """What it goes by: the ids of the events that were finished."""
        return sorted(self._finished)

    def finished(self, event: Event, now_ms: int) -> None:
        """Remember an event that all its handlers have finished."""
        if event.id in self._finished:
            return
        self._finished.add(event.id)
        self._order.append((now_ms, event.id))
        while self._order[0][0] < now_ms - REMEMBERED_MS:
            self._finished.discard(self._order.popleft()[1])
