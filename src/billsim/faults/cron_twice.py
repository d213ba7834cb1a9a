"""cron_twice: two schedulers start the nightly job of one night."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import SECOND_MS
from billsim.faults.base import CRONS, Fault, Shift

# How far apart their clocks are: assumed.
APART = Quantiles("apart", (0, 2 * SECOND_MS))


class CronTwice(Fault):
    """Both read their list before either has done anything."""

    name = "cron_twice"
    area = CRONS
    what = "the nightly job is started twice on a night, within two seconds"
    heals = "not needed: a job must bear it"
    of_each = "night"
    scoped = False

    def shifts(self, night: str, shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
        """Once more, a moment later. A night without the job has no second one."""
        if not shifts or not self.strikes_fact(night):
            return shifts
        return (*shifts, Shift(self.choices.ask(f"{self.label('w', night)}/apart", APART)))
