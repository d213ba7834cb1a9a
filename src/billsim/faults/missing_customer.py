"""missing_customer: an account is mapped to no Stripe customer."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.faults.base import Mishap
from billsim.faults.data import DataFault


class MissingCustomer(DataFault):
    """A clean-up that took the wrong rows. Stripe goes on billing the customer, and nobody knows whose its events are."""

    name = "missing_customer"
    what = "an account's row in subs_customer loses its Stripe customer for up to `minutes`"
    heals = "the row is put back, and said so; what was delivered meanwhile is in the dead letter"
    minutes = 24 * 60

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """Whose, when, and for how long."""
        return self.among(accounts, storm_ms)
