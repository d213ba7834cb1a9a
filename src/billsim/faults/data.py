"""What the faults of data have in common: each strikes an account at most once, at some instant of the storm, and is put right after a while."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import DATA, Fault, Mishap


class DataFault(Fault):
    """Who is struck, when, and for how long are facts about the account."""

    area = DATA
    of_each = "account"
    most_minutes = 30 * 24 * 60

    def among(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """Whom it strikes. When is spread evenly over the storm; most of it is short, by assumption."""
        longest_ms = self.lasts_minutes * MINUTE_MS
        after = Quantiles("after", (0, storm_ms))
        lasts = Quantiles("lasts", (longest_ms // 100, longest_ms // 20, longest_ms // 5, longest_ms))
        ask, found = self.choices.ask, []
        for account in accounts:
            if self.strikes_fact(account, account):
                label = self.label("w", account)
                found.append(Mishap(self.name, account, ask(f"{label}/after", after), ask(f"{label}/lasts", lasts)))
        return found
