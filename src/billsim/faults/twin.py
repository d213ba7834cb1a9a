"""twin: one change, two Event objects (https://docs.stripe.com/webhooks#handle-duplicate-events)."""

from __future__ import annotations

from billsim.faults.base import Fault
from billsim.pipe.weather import Journey


class Twin(Fault):
    """The two have ids of their own, so that no filter by event id sees that they say the same."""

    name = "twin"
    what = "Stripe makes two Event objects, with two ids, for the one change"
    heals = "not needed: a handler must bear it"

    def leaves(self, journey: Journey) -> Journey:
        """A second Event object follows."""
        return journey._replace(twins=journey.twins + 1) if self.strikes_event(journey.emitted) else journey
