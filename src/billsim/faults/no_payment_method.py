"""no_payment_method: a customer at Stripe has nothing left to pay with."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.faults.base import Mishap
from billsim.faults.data import DataFault


class NoPaymentMethod(DataFault):
    """A card that its issuer has closed, a wallet that was disconnected: Stripe detaches it, and what falls due finds nothing to charge."""

    name = "no_payment_method"
    what = "the payment methods of an account's customer are detached at Stripe, for up to `minutes`"
    heals = "the customer gives a new card"
    minutes = 3 * 24 * 60

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """Whose, when, and for how long."""
        return self.among(accounts, storm_ms)
