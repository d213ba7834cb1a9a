"""Counts drift while a run records it, day by day: nothing is kept of a single one, however many there are."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from billsim.core.remediation import OFF
from billsim.core.time import DAY_MS
from billsim.core.trace import DriftRecord
from billsim.rehearsal.nights import instants
from billsim.world import World


class Tally:
    """A sink of the trace. Day 0 is the instant at which remediation began (`began_ms`), day 1 the 24 hours after it.

    By (day, code): drift that `opened`, that remediation `healed`, and that `ended` otherwise; by code `made_worse`, what remediation opened, and
    `old_until_ms`, when drift ended last that two mirrors or more had pictured; of that, remediation has healed `old_healed`.
    """

    def __init__(self, world: World, began_ms: Callable[[], int]) -> None:
        self._world = world
        self._began_ms = began_ms
        self._mirrors_ms: list[int] = []
        self.opened: Counter[tuple[int, str]] = Counter()
        self.healed: Counter[tuple[int, str]] = Counter()
        self.ended: Counter[tuple[int, str]] = Counter()
        self.made_worse: Counter[str] = Counter()
        self.old_until_ms: dict[str, int] = {}
        self.old_healed = 0
        self.last_ended_ms: int | None = None

    @property
    def began_ms(self) -> int:
        """When remediation began: at the handover, where the platform was handed over, and with the run elsewhere."""
        return self._began_ms()

    def day_of(self, instant_ms: int) -> int:
        """The day of an instant; whatever was before remediation began is of day 0."""
        since_ms = instant_ms - self.began_ms
        return since_ms // DAY_MS + 1 if since_ms > 0 else 0

    def sink(self, batch: list[Any]) -> None:
        """Take a batch of trace records."""
        for record in batch:
            if record[0] == "drift":
                self._count(record)

    def standing(self) -> dict[int, Counter[str]]:
        """How much drift stands open at the end of each day on which that changes, by code."""
        moved: dict[int, Counter[str]] = {}
        for counts, sign in ((self.opened, 1), (self.healed, -1), (self.ended, -1)):
            for (day, code), count in counts.items():
                moved.setdefault(day, Counter())[code] += sign * count
        stands: Counter[str] = Counter()
        found = {}
        for day in sorted(moved):
            stands.update(moved[day])
            found[day] = Counter({code: count for code, count in stands.items() if count})
        return found

    def _count(self, drift: DriftRecord) -> None:
        own = getattr(self._world.engine, "own", ())
        self.opened[self.day_of(drift.opened_ms), drift.code] += 1
        self.made_worse[drift.code] += _component(drift.opening) in own
        if drift.closed_ms is None:
            return
        healed = _component(drift.closing) in own
        (self.healed if healed else self.ended)[self.day_of(drift.closed_ms), drift.code] += 1
        self.last_ended_ms = max(drift.closed_ms, self.last_ended_ms or drift.closed_ms)
        if self._is_old(drift.opened_ms, drift.closed_ms):
            self.old_until_ms[drift.code] = max(drift.closed_ms, self.old_until_ms.get(drift.code, 0))
            self.old_healed += healed

    def _is_old(self, opened_ms: int, closed_ms: int) -> bool:
        """Whether two mirrors or more had pictured it."""
        known = self._mirrors_ms
        known += instants(self._world)[len(known) :]
        return bisect_left(known, closed_ms) - bisect_left(known, opened_ms) > 1


def attend(world: World, began_ms: Callable[[], int]) -> Tally | None:
    """Count in a world that is about to run, if its scenario has remediation."""
    told = world.scenario.remediation
    if told is None or told.mode == OFF:
        return None
    tally = Tally(world, began_ms)
    world.trace.sinks.append(tally.sink)
    return tally


def by_code(counts: Mapping[tuple[int, str], int], day: int | None = None) -> dict[str, int]:
    """What was counted of each code, on one day or on all (None)."""
    found: Counter[str] = Counter()
    for (on, code), count in counts.items():
        if day is None or on == day:
            found[code] += count
    return dict(sorted((code, count) for code, count in found.items() if count))


def _component(provenance: Any) -> str:
    return getattr(provenance, "component", "")
