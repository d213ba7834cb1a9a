"""same_second: two events that followed each other carry one `created`, which has whole seconds only, so that it orders nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from billsim.core.choices import Choices
from billsim.faults.base import Dial, Fault
from billsim.pipe.weather import Journey


class SameSecond(Fault):
    """The stamp of the customer's event before this one, if that is no older than the duration. More than a second is an exaggeration on purpose."""

    name = "same_second"
    what = "the event carries the same `created` as the customer's event before it, if that is no older than `minutes`"
    heals = "not needed: a handler must not order by `created`"
    minutes, most_minutes = 1, 60

    def __init__(self, dial: Dial, choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(dial, choices, accounts_of)
        self._last: dict[tuple[str, str], int] = {}

    def leaves(self, journey: Journey) -> Journey:
        """Stamped like the one before."""
        emitted = journey.emitted
        stamp, whose = emitted.event.created, (emitted.origin, emitted.customer)
        before = self._last.get(whose, 0)
        if stamp - before > self.lasts_minutes * 60 or not self.strikes_event(emitted):
            self._last[whose] = stamp
            return journey
        event = msgspec.structs.replace(emitted.event, created=before)
        return journey._replace(emitted=msgspec.structs.replace(emitted, event=event))
