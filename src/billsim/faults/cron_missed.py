"""cron_missed: the scheduler does not start the nightly job on a night."""

from __future__ import annotations

from billsim.faults.base import CRONS, Fault, Shift


class CronMissed(Fault):
    """A scheduler that was restarted at that minute, a node that was down."""

    name = "cron_missed"
    area = CRONS
    what = "the nightly job is not started on a night"
    heals = "the next night's finds what was left; what is due by the clock must not hang on one job"
    of_each = "night"
    scoped = False

    def shifts(self, night: str, shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
        """None at all."""
        return () if self.strikes_fact(night) else shifts
