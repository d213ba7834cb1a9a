"""The callers of a population: every day some accounts, and services on their behalf, do something at a touchpoint.

Who does what, and at what time of the day, is asked of the account and the day, whatever happened to it before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from billsim.actors.stage import Stage
from billsim.core.choices import Options, Quantiles
from billsim.core.time import DAY_MS, HOUR_MS, day_of
from billsim.scenario.plan import Scenario, TimelineRow
from billsim.scenario.population import account_name
from billsim.scenario.population_data import MILLION, callers_of
from billsim.scenario.touchpoints import DASHBOARD

# At which time of a day something is done, in equal shares: mostly by day. Assumed.
AT = Quantiles("caller_at", tuple(hour * HOUR_MS for hour in (0, 6, 8, 10, 12, 14, 15, 16, 18, 20, 24)))
_NOTHING = -1


class Doing(NamedTuple):
    """What is done for an account on a day, by its touchpoint."""

    account: str
    day: int
    point: str


class Performer(Protocol):
    """Whoever performs rows."""

    stage: Stage

    def do(self, task: str, row: TimelineRow) -> None:
        """Do what a row says, now, as the act `task`."""
        ...


class Callers:
    """Everyone who calls for a scenario's population. `stopped`: nobody calls any more."""

    def __init__(self, performer: Performer, scenario: Scenario) -> None:
        self._performer = performer
        self._scenario = scenario
        rates = callers_of(scenario)
        self._points = tuple(rates)
        shares = dict(enumerate(rates.values()))
        self._does = Options("caller_does", {**shares, _NOTHING: MILLION - sum(shares.values())}) if rates else None
        self.stopped = False

    def start(self) -> None:
        """The first day begins now, if anybody ever calls."""
        if self._does is not None:
            self._schedule(self._performer.stage.kernel.now)

    def _schedule(self, instant_ms: int) -> None:
        stage = self._performer.stage
        stage.kernel.call_at(instant_ms, stage.choices.rank(f"w/callers/{day_of(instant_ms)}"), self._begin_day, instant_ms)

    def _begin_day(self, instant_ms: Any) -> None:
        population, does, stage = self._scenario.population, self._does, self._performer.stage
        if self.stopped or population is None or does is None:
            return
        day = day_of(instant_ms)
        for number in range(1, population.accounts + 1):
            account = account_name(population, number)
            label = f"w/caller/{account}/day{day}"
            chosen = stage.choices.ask(f"{label}/does", does)
            if chosen != _NOTHING:
                delay, rank = stage.choices.when(f"{label}/at", AT)
                doing = Doing(account, day, self._points[chosen])
                stage.kernel.call_at(instant_ms + delay, rank, self._act, doing, label=f"{label}/at", open_ms=delay)
        if instant_ms + DAY_MS < self._scenario.until:
            self._schedule(instant_ms + DAY_MS)

    def _act(self, doing: Any) -> None:
        stage = self._performer.stage
        if not self.stopped and stage.stores.read("subs_account", doing.account) is not None:
            self._performer.do(f"caller/{doing.account}/day{doing.day}", row_of(doing, stage.kernel.now))


def begins(scenario: Scenario) -> Iterator[tuple[int, int]]:
    """The days on which somebody calls, and the instants at which they begin."""
    return ((day_of(instant_ms), instant_ms) for instant_ms in range(scenario.start, scenario.until, DAY_MS))


def row_of(doing: Doing, at_ms: int) -> TimelineRow:
    """The same as a row of a told story."""
    caller, _, operation = doing.point.partition(".")
    if caller == DASHBOARD:
        return TimelineRow(at=at_ms, by=doing.account, do="call", params={"operation": operation})
    return TimelineRow(at=at_ms, by=caller, do="call", params={"account": doing.account, "operation": operation})
