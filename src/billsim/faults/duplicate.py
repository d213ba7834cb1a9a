"""duplicate: Pub/Sub delivers the same event twice (https://cloud.google.com/pubsub/docs/subscriber#at-least-once-delivery)."""

from __future__ import annotations

from billsim.faults.base import Fault
from billsim.stripe.objects import Emitted


class Duplicate(Fault):
    """Both are under way at once: the second may be handled before the first is finished, and then no filter can know."""

    name = "duplicate"
    what = "Pub/Sub delivers the same event twice"
    heals = "the filter drops what has been finished before; a handler must bear the rest"

    def copies(self, emitted: Emitted) -> int:
        """Once more."""
        return 1 if self.strikes_event(emitted) else 0
