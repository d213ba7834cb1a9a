"""stale_replica: a read goes to a replica that is behind: what it answers was committed, and is no longer so."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import STORES, Fault


class StaleReplica(Fault):
    """A component whose reads come from primaries is spared. Asked only where the row has moved within the duration, for else it tells nothing."""

    name = "stale_replica"
    area = STORES
    what = "a look at a store is answered by a replica that is behind by up to `minutes`"
    heals = "by itself: the replica catches up; who decides by what it reads asks the primary"
    of_each = "look at rows that have moved of late"
    minutes, most_minutes = 1, 60

    def replica_lag_ms(self, task: str, account: str, what: str) -> int:
        """Most replicas are behind by a little, few by the whole duration; the distribution is assumed."""
        if not self.strikes_look(task, account, what):
            return 0
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("behind", (longest_ms // 100, longest_ms // 20, longest_ms // 5, longest_ms))
        return self.choices.ask(f"{self.label_of_task(task)}/{what}/by", table)
