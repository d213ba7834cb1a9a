"""mirror_torn: a night's mirror takes its tables one after the other, while writes go on."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.core.time import MINUTE_MS
from billsim.faults.base import MIRROR, Fault, Picture


class MirrorTorn(Fault):
    """A busy night: rows that were written together are seen apart, so that views find drift that never was, and miss some that is."""

    name = "mirror_torn"
    area = MIRROR
    what = "a night's mirror takes up to `minutes` from its first table to its last, while writes go on"
    heals = "the next night's mirror shows it whole; whoever acts on what it showed must look again"
    of_each = "night"
    minutes, most_minutes = 60, 6 * 60
    scoped = False

    def pictures(self, night: str, picture: Picture) -> Picture:
        """Most nights that are slow are so by some minutes; the distribution is assumed."""
        if not picture.taken or not self.strikes_fact(night):
            return picture
        longest_ms = self.lasts_minutes * MINUTE_MS
        table = Quantiles("torn", (longest_ms // 20, longest_ms // 5, longest_ms // 2, longest_ms))
        return picture._replace(spread_ms=self.choices.ask(f"{self.label('w', night)}/over", table))
