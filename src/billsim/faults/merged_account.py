"""merged_account: two accounts stand on one Stripe customer, so that whose the money is cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.core.choices import Quantiles
from billsim.faults.base import Mishap
from billsim.faults.data import DataFault


class MergedAccount(DataFault):
    """Support joined them by mistake. Nothing may be written for either until they are parted, what is heard of the customer meanwhile is lost."""

    name = "merged_account"
    what = "an account is put on the Stripe customer of another, for up to `minutes`"
    heals = "support parts them again, and says so for both"
    minutes = 24 * 60

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """Whose, when, for how long, and with whom; nobody is alone with himself."""
        if len(accounts) < 2:
            return []
        others = Quantiles("other", (0, len(accounts) - 1))
        found = []
        for mishap in self.among(accounts, storm_ms):
            nth = self.choices.ask(f"{self.label('w', mishap.account)}/other", others)
            other = accounts[nth] if accounts[nth] != mishap.account else accounts[-1]
            found.append(mishap._replace(other=other))
        return found
