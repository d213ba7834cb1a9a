"""mirror_late: a night's mirror is taken in time, and comes late."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import MIRROR, Fault, Picture


class MirrorLate(Fault):
    """What is detected, and mended, is how things stood hours ago."""

    name = "mirror_late"
    area = MIRROR
    what = "a night's mirror can be looked at only up to `minutes` after it was taken"
    heals = "by itself; whoever acts on what it shows must look again"
    of_each = "night"
    minutes, most_minutes = 4 * 60, 12 * 60
    scoped = False

    def pictures(self, night: str, picture: Picture) -> Picture:
        """The distribution is assumed."""
        if not picture.taken or not self.strikes_fact(night):
            return picture
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("delayed", (longest_ms // 20, longest_ms // 5, longest_ms // 2, longest_ms))
        return picture._replace(late_ms=self.choices.ask(f"{self.label('w', night)}/by", table))
