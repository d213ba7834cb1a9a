"""slow_handler: a step of a handler takes minutes, and the world goes on meanwhile."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import ENGINE, Fault
from billsim.runtime.hazards import Fate

STEP = Quantiles("step", (1, 7))


class SlowHandler(Fault):
    """A paused process, an overloaded store: what was looked at before is old by then. The distribution is assumed."""

    name = "slow_handler"
    area = ENGINE
    what = "a look or a write of a handler takes up to `minutes`"
    heals = "by itself: the handler goes on, and must not go by what it saw before"
    of_each = "task"
    minutes, most_minutes = 10, 24 * 60

    def befalls(self, fate: Fate, task: str, account: str, repeated: bool) -> Fate:
        """Whether the task is slow, at which of its steps, and by how much."""
        if not self.strikes_task(task, account):
            return fate
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("slow", (longest_ms // 100, longest_ms // 20, longest_ms // 5, longest_ms))
        label = self.label_of_task(task)
        return fate._replace(slow_at=self.choices.ask(f"{label}/step", STEP), slow_ms=self.choices.ask(f"{label}/by", table))
