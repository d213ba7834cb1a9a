"""ingress_outage: for a while the ingress answers every POST with 503."""

from __future__ import annotations

from billsim.core.time import HOUR_MS, MINUTE_MS
from billsim.faults.base import Fault
from billsim.stripe.objects import Emitted


class IngressOutage(Fault):
    """An outage begins with an hour; whether it does is a fact about that hour, which whoever posts in it may ask."""

    name = "ingress_outage"
    what = "the ingress answers 503 for `minutes` from the beginning of an hour"
    heals = "it comes back, and Stripe posts again with back-off"
    of_each = "hour"
    minutes, most_minutes = 20, 24 * 60
    scoped = False

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        """An outage that began no longer ago than it lasts is still on."""
        lasts_ms = self.lasts_minutes * MINUTE_MS
        hour = now_ms // HOUR_MS
        oldest = (now_ms - lasts_ms) // HOUR_MS + 1
        return any(self.choices.fact(self.label("w", str(began)), self._chance) for began in range(oldest, hour + 1))
