"""stale_cache: the facade's cache shows a copy that it should have thrown away."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import STORES, Fault


class StaleCache(Fault):
    """A copy outlives its time to live, or a throw-away is not heard of: a clock that is off, a node of the cache that was cut off. Kept answers and
    the counters of the limits, which are no copies, are spared.
    """

    name = "stale_cache"
    area = STORES
    what = "the facade's cache shows a copy that has expired or was thrown away up to `minutes` ago"
    heals = "by itself: the copy is gone at the next look; what is written must not be made from it"
    of_each = "look at a copy that should be gone"
    minutes, most_minutes = 10, 24 * 60

    def cache_lag_ms(self, task: str, account: str, what: str) -> int:
        """Evenly spread over the duration: assumed."""
        if not self.strikes_look(task, account, what):
            return 0
        table = Quantiles("old", (1, self.lasts_minutes * MINUTE_MS))
        return self.choices.ask(f"{self.label_of_task(task)}/{what}/by", table)
