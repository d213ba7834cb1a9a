"""lost: a POST never reaches the ingress, or its answer never reaches Stripe, which posts again."""

from __future__ import annotations

from billsim.faults.base import Fault
from billsim.stripe.objects import Emitted


class Lost(Fault):
    """Each try is asked about by itself."""

    name = "lost"
    what = "a POST of Stripe's is lost on the way"
    heals = "Stripe posts again with back-off, for up to three days; what it gives up, the operator has it send again"
    of_each = "POST"

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        """Nothing answers this try."""
        return self.strikes_event(emitted, f"/post{post}")
