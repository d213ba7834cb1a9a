"""stale_snapshot: by the time an event arrives, a fetch of its object gives something newer than its payload."""

from __future__ import annotations

from billsim.core.time import MINUTE_MS
from billsim.faults.base import Fault
from billsim.pipe.weather import CHANGED_OBJECT, Journey


class StaleSnapshot(Fault):
    """A payload is the object as it was when the event was made; this one is delivered only when that is no longer so."""

    name = "stale_snapshot"
    what = "the event waits until its object has changed again at Stripe, up to `minutes`, and so tells of what is past"
    heals = "by itself: it arrives, and what came after it has been told too"
    minutes, most_minutes = 2 * 24 * 60, 3 * 24 * 60

    def leaves(self, journey: Journey) -> Journey:
        """Kept until its object has moved on."""
        if journey.waits_for or not self.strikes_event(journey.emitted):
            return journey
        return journey._replace(waits_for=CHANGED_OBJECT, at_most_ms=self.lasts_minutes * MINUTE_MS)
