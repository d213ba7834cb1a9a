"""missing_price: something bought has no price at Stripe, and so is not billed."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.faults.base import Mishap
from billsim.faults.data import DataFault


class MissingPrice(DataFault):
    """What a sales team entered by hand: the catalog knows the plan, Stripe has never heard of its price."""

    name = "missing_price"
    what = "an account's subscription of record gets an item whose price is not in Stripe, for up to `minutes`"
    heals = "the catalog brings the price to Stripe, and the item to its subscription"
    minutes = 24 * 60

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """Whose, when, and for how long."""
        return self.among(accounts, storm_ms)
