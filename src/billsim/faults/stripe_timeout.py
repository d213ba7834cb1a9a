"""stripe_timeout: no answer comes to a request, which may have been performed or not (https://docs.stripe.com/error-low-level#network-errors)."""

from __future__ import annotations

from billsim.core.choices import chance
from billsim.faults.base import STRIPE, Fault
from billsim.runtime.stripe_client import UNANSWERED, Setback, Try

# That the answer is lost and not the request: a share that is assumed.
DONE = chance("done", 500_000)


class StripeTimeout(Fault):
    """Who asks cannot tell: only the same idempotency key makes it safe to ask again."""

    name = "stripe_timeout"
    area = STRIPE
    what = "a request of the platform's gets no answer within 80 seconds; half of them were performed all the same"
    heals = "the client library sends it again under the same idempotency key; so must the engine when it is woken again"
    of_each = "request to Stripe"

    def thwarts(self, sent: Try) -> Setback | None:
        """Whether a try is not answered, and whether it was performed."""
        if not self.strikes_request(sent):
            return None
        return Setback(UNANSWERED, begun=not sent.reads and self.choices.ask(f"{self.label_of_task(sent.name)}/done", DONE) == 1)
