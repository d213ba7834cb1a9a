"""The platform's nightly job: woken at one minute of the day, every simulated day."""

from __future__ import annotations

from typing import Any

from billsim.actors.stage import Stage
from billsim.core.time import DAY_MS, MINUTE_MS, day_of


class Nightly:
    """Wakes `cron.nightly` at `minute` of each day (UTC). One pending wake at a time."""

    def __init__(self, stage: Stage, minute: int) -> None:
        self._stage = stage
        self._minute_ms = minute * MINUTE_MS
        self.stopped = False

    def start(self) -> None:
        """Schedule the first night from now on."""
        now = self._stage.kernel.now
        tonight = day_of(now) * DAY_MS + self._minute_ms
        self._schedule(tonight if tonight >= now else tonight + DAY_MS)

    def _schedule(self, instant_ms: int) -> None:
        label = f"e/cron/nightly.{day_of(instant_ms)}"
        self._stage.kernel.call_at(instant_ms, self._stage.choices.rank(label), self._wake, instant_ms)

    def _wake(self, instant_ms: Any) -> None:
        if not self.stopped:
            run_nightly(self._stage, f"nightly.{day_of(instant_ms)}")
            self._schedule(instant_ms + DAY_MS)


def run_nightly(stage: Stage, name: str) -> None:
    """Start the nightly job now, under a name of its own."""
    stage.request("cron.nightly", "", name, {})
