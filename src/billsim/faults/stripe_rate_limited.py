"""stripe_rate_limited: Stripe refuses a request with 429, before it is begun (https://docs.stripe.com/rate-limits)."""

from __future__ import annotations

from billsim.core.choices import chance
from billsim.faults.base import STRIPE, Fault
from billsim.runtime.stripe_client import RATE_LIMITED, Setback, Try

# That Stripe-Should-Retry says so, as it does of a lock timeout: a share that is assumed.
TOLD = chance("told", 300_000)


class StripeRateLimited(Fault):
    """The client library sends it again only where it is told to; otherwise it is the component's failure."""

    name = "stripe_rate_limited"
    area = STRIPE
    what = "Stripe refuses a request of the platform's with 429, and nothing is done"
    heals = "the client library sends it again where it is told so; else what woke the handler is delivered again after its back-off"
    of_each = "request to Stripe"

    def thwarts(self, sent: Try) -> Setback | None:
        """Whether a try is refused, and whether it was over a lock."""
        if not self.strikes_request(sent):
            return None
        return Setback(RATE_LIMITED, begun=self.choices.ask(f"{self.label_of_task(sent.name)}/told", TOLD) == 1)
