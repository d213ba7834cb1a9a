"""out_of_order: an event arrives after one that was made later (https://docs.stripe.com/webhooks#event-ordering)."""

from __future__ import annotations

from billsim.core.time import MINUTE_MS
from billsim.faults.base import Fault
from billsim.pipe.weather import NEXT_EVENT, Journey


class OutOfOrder(Fault):
    """An event that nothing overtakes goes when the duration is over."""

    name = "out_of_order"
    what = "the customer's next event overtakes this one, which waits for it up to `minutes`"
    heals = "by itself: it arrives after the other"
    minutes, most_minutes = 60, 24 * 60

    def leaves(self, journey: Journey) -> Journey:
        """Kept until another has been sent."""
        if journey.waits_for or not self.strikes_event(journey.emitted):
            return journey
        return journey._replace(waits_for=NEXT_EVENT, at_most_ms=self.lasts_minutes * MINUTE_MS)
