"""idempotency_key_reused: a request goes out under the key of another one (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

from billsim.faults.base import STRIPE, Fault
from billsim.runtime.stripe_client import KEY_REUSED, Setback, Try


class IdempotencyKeyReused(Fault):
    """A bug of the client's. If the other request was the same to the letter, its answer comes again, and nothing is done."""

    name = "idempotency_key_reused"
    area = STRIPE
    what = "a request of the platform's carries the idempotency key of another one, and Stripe refuses it with 400"
    heals = "the next try carries its own; the engine must not take the refusal for one of what it asked for"
    of_each = "request to Stripe"

    def thwarts(self, sent: Try) -> Setback | None:
        """Whether a try carries the wrong key; what only reads carries none."""
        return Setback(KEY_REUSED) if not sent.reads and self.strikes_request(sent) else None
