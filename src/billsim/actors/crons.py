"""The platform's nightly job: woken at one minute of the day, every simulated day, as far as its scheduler works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from billsim.actors.stage import Stage
from billsim.core.time import DAY_MS, MINUTE_MS, day_of, iso

CRON_OVERLAPPED, CRON_MISSED = "cron_overlapped", "cron_missed"


class Shift(Protocol):
    """A start of the job: so long after its minute, and `while_running` only if the first one has not come to its end by then."""

    @property
    def after_ms(self) -> int: ...
    @property
    def while_running(self) -> bool: ...


class Scheduler(Protocol):
    """The faults that a scheduler is exposed to."""

    def shifts(self, night: str) -> Sequence[Shift]:
        """When the job is started on a night. Asked once for each."""
        ...


class House(Stage, Protocol):
    """The world, as its jobs see it."""

    def is_at_work(self, name: str) -> bool:
        """Whether what a message of this name woke has not come to its end."""
        ...

    def reached(self, mark: str, account: str, task: str) -> None:
        """Something worth reaching was reached."""
        ...


class Again(NamedTuple):
    """A further start of a night's job, under a name of its own."""

    name: str
    first: str
    while_running: bool


class Nightly:
    """Wakes `cron.nightly` at `minute` of each day (UTC). One pending wake at a time. `scheduler`: the faults of whoever does so, if any are on."""

    def __init__(self, house: House, minute: int, scheduler: Scheduler | None = None) -> None:
        self._house = house
        self._minute_ms = minute * MINUTE_MS
        self._scheduler = scheduler
        self.stopped = False

    def start(self) -> None:
        """Schedule the first night from now on."""
        now = self._house.kernel.now
        tonight = day_of(now) * DAY_MS + self._minute_ms
        self._schedule(tonight if tonight >= now else tonight + DAY_MS)

    def _schedule(self, instant_ms: int) -> None:
        label = f"e/cron/nightly.{day_of(instant_ms)}"
        self._house.kernel.call_at(instant_ms, self._house.choices.rank(label), self._wake, instant_ms)

    def _wake(self, instant_ms: Any) -> None:
        if self.stopped:
            return
        night = f"nightly.{day_of(instant_ms)}"
        if self._scheduler is None:
            run_nightly(self._house, night)
        else:
            self._begin(night, self._scheduler.shifts(night))
        self._schedule(instant_ms + DAY_MS)

    def _begin(self, night: str, shifts: Sequence[Shift]) -> None:
        """Start the job as often as its scheduler does."""
        house = self._house
        if not shifts:
            house.reached(CRON_MISSED, "", night)
        for nth, shift in enumerate(shifts, 1):
            if nth == 1:
                run_nightly(house, night)
                continue
            again = Again(f"{night}.again{nth}", night, shift.while_running)
            house.kernel.call_at(house.kernel.now + shift.after_ms, house.choices.rank(f"e/cron/{again.name}"), self._wake_again, again)

    def _wake_again(self, again: Any) -> None:
        at_work = self._house.is_at_work(again.first)
        if self.stopped or (again.while_running and not at_work):
            return
        if at_work:
            self._house.reached(CRON_OVERLAPPED, "", again.name)
        run_nightly(self._house, again.name)


def run_nightly(stage: Stage, name: str) -> None:
    """Start the nightly job now, under a name of its own."""
    stage.request("cron.nightly", "", name, {})


def run_driftcontrol(stage: Stage, name: str, body: dict[str, Any]) -> None:
    """Start remediation now, under a name of its own; `body` holds its candidates, and what its valves compare them with."""
    stage.request("cron.driftcontrol", "", name, {"date": iso(stage.kernel.now)[:10], **body})
