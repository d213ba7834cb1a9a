"""stripe_error: something breaks inside of Stripe, and a request is answered with 500 (https://docs.stripe.com/error-low-level#server-errors)."""

from __future__ import annotations

from billsim.core.choices import chance
from billsim.faults.base import STRIPE, Fault
from billsim.runtime.stripe_client import BROKEN, Setback, Try

# That the request had been begun, so that its 500 is kept under its idempotency key: a share that is assumed.
BEGUN = chance("begun", 500_000)


class StripeBroken(Fault):
    """Nothing is done either way. What broke after it was begun brings the same 500 for a day, however often it is sent under that key."""

    name = "stripe_error"
    area = STRIPE
    what = "Stripe answers a request of the platform's with 500, and nothing is done; half of them are kept under their idempotency key"
    heals = "the client library sends it again; where the 500 is kept, the engine must look, and ask under another key"
    of_each = "request to Stripe"

    def thwarts(self, sent: Try) -> Setback | None:
        """Whether a try breaks, and whether Stripe had begun."""
        if not self.strikes_request(sent):
            return None
        return Setback(BROKEN, begun=not sent.reads and self.choices.ask(f"{self.label_of_task(sent.name)}/begun", BEGUN) == 1)
