"""late: Stripe sends an event minutes or hours after the change."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import Fault
from billsim.pipe.weather import Journey


class Late(Fault):
    """Most are late by a little, some by the whole duration; the distribution is assumed."""

    name = "late"
    what = "the event is sent late, by up to `minutes`"
    heals = "by itself: it arrives"
    minutes, most_minutes = 240, 3 * 24 * 60

    def leaves(self, journey: Journey) -> Journey:
        """Sent later than it should be."""
        if not self.strikes_event(journey.emitted):
            return journey
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("late", (longest_ms // 100, longest_ms // 20, longest_ms // 5, longest_ms))
        by_ms = self.choices.ask(f"{self.label(journey.emitted.origin, journey.emitted.name)}/by", table)
        return journey._replace(after_ms=journey.after_ms + by_ms)
