"""mirror_missing: there is no mirror of a night."""

from __future__ import annotations

from billsim.faults.base import MIRROR, Fault, Picture


class MirrorMissing(Fault):
    """The transfer failed, or nobody was allowed to read. Views have nothing to look at that night."""

    name = "mirror_missing"
    area = MIRROR
    what = "a night has no mirror, and nothing is detected"
    heals = "the next night's mirror holds all that has changed since the last one; new drift is then that of both nights"
    of_each = "night"
    scoped = False

    def pictures(self, night: str, picture: Picture) -> Picture:
        """None at all."""
        return picture._replace(taken=False) if self.strikes_fact(night) else picture
