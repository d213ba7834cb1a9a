"""Small told worlds under an engine: rows at so many hours after the start, and what stood open at the end."""

from __future__ import annotations

from typing import Any

from billsim.core.time import DAY_MS, HOUR_MS
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import GivenAccount, Scenario, TimelineRow

START_MS = 1_773_446_400_000


def row(hour: float, by: str, do: str, **params: Any) -> TimelineRow:
    """A row of the timeline."""
    return TimelineRow(at=START_MS + int(hour * HOUR_MS), by=by, do=do, params=params)


def run(engine: str, *rows: TimelineRow, seed: int = 0, days: int = 2, settings: dict[str, Any] | None = None, **ada: Any) -> RunResult:
    """The rows happen to `ada`, who is given as told; the world ends a day after `days`."""
    given, until = (GivenAccount(account="ada", **ada),), START_MS + days * DAY_MS
    scenario = Scenario(id="t/told", given=given, timeline=rows, start=START_MS, until=until, calm_hours=24, **(settings or {}))
    return run_scenario(scenario, engine=engine, seed=seed)


def standing(result: RunResult) -> dict[str, str]:
    """Of the drift that stands open at the end, code -> cause."""
    return {drift.code: drift.cause for drift in result.drift if drift.closed_ms is None}
