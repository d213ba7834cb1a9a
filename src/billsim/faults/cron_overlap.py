"""cron_overlap: a second run of the nightly job begins while the first one walks."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS, SECOND_MS
from billsim.faults.base import CRONS, Fault, Shift


class CronOverlap(Fault):
    """Somebody starts it by hand because it takes so long. The later it is, the fewer first runs are still at it."""

    name = "cron_overlap"
    area = CRONS
    what = "a second run of the nightly job begins up to `minutes` after the first, if that is still walking"
    heals = "not needed: two runs of a job must bear each other"
    of_each = "night"
    minutes, most_minutes = 5, 12 * 60
    scoped = False

    def shifts(self, night: str, shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
        """Once more, while the first walks; most come soon. The distribution is assumed."""
        if not shifts or not self.strikes_fact(night):
            return shifts
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("overlap", (3 * SECOND_MS, longest_ms // 20, longest_ms // 5, longest_ms))
        return (*shifts, Shift(self.choices.ask(f"{self.label('w', night)}/after", table), while_running=True))
