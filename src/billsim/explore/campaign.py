"""A campaign: many runs of some scenarios under one engine, each told by its number alone, and what became of them.

The number of a run says which scenario, seed and strategy it has, by arithmetic; so a campaign can be cut anywhere, shared among processes, gone on
with, and any run of it repeated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from billsim.core.choices import MAX_SEED, ChoicesError
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.core.schedule import Schedule
from billsim.engines import UnknownEngineError
from billsim.explore.baseline import NOTHING_KNOWN, Baseline
from billsim.explore.signature import by_account
from billsim.explore.strategies import PORTFOLIO, STRATEGIES, swarm
from billsim.explore.workers import Workers
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.plan import Scenario

PORTFOLIO_NAME = "portfolio"
SWARM = "swarm"
_SWARM_EVERY = 4
# Short enough for a limit in time to be kept, long enough for what a batch costs in itself not to count.
_BATCH_NS = 200_000_000
_MOST_OF_A_BATCH = 2_000
# What is wrong with a run, or besides with the runs of a group, is told up to so many.
_KEPT = 100
_FAILING_KEPT = 1_000
RUN_FAILED = "finding/run_failed/"


class Numbered(NamedTuple):
    """A run of a campaign. `place` is that of its scenario among the campaign's; `strategy` is a strategy's name, `+swarm` where faults are off."""

    number: int
    place: int
    seed: int
    strategy: str


class Campaign(msgspec.Struct, frozen=True):
    """What a campaign is of. `seed` is its first; `strategy` is one of `strategy_names`."""

    scenarios: tuple[Scenario, ...]
    engine: str = "recompute"
    seed: int = 0
    strategy: str = PORTFOLIO_NAME
    platform: Platform = SHIPPED

    def run(self, number: int) -> Numbered:
        """The run of this number: scenarios take turns, and each has the seeds from the first on."""
        turn, place = divmod(number, len(self.scenarios))
        return Numbered(number, place, (self.seed + turn) % (MAX_SEED + 1), self._strategy(turn, self.scenarios[place]))

    def _strategy(self, turn: int, scenario: Scenario) -> str:
        """The portfolio takes its strategies in turn; in one round of four some of the scenario's faults are off."""
        if self.strategy != PORTFOLIO_NAME:
            return f"random+{SWARM}" if self.strategy == SWARM else self.strategy
        around, place = divmod(turn, len(PORTFOLIO))
        return f"{PORTFOLIO[place]}+{SWARM}" if around % _SWARM_EVERY == 1 and len(scenario.faults) > 1 else PORTFOLIO[place]

    def world(self, run: Numbered) -> Scenario:
        """The scenario that a run plays."""
        scenario = self.scenarios[run.place]
        return swarm(scenario, run.seed) if run.strategy.endswith(f"+{SWARM}") else scenario

    def play(self, run: Numbered, engine: str = "") -> tuple[RunResult, Schedule | None]:
        """Play a run, under the campaign's engine or another: its result, and the schedule that ordered it, if one did."""
        schedule = STRATEGIES[run.strategy.removesuffix(f"+{SWARM}")](run.seed)
        result = run_scenario(
            self.world(run), seed=run.seed, engine=engine or self.engine, platform=self.platform, bodies=False, schedule=schedule
        )
        return result, schedule


def strategy_names() -> tuple[str, ...]:
    """The strategies that a campaign may have: the portfolio, a random walk with faults off, and those that each may be followed by `+swarm`."""
    return (PORTFOLIO_NAME, SWARM, *STRATEGIES)


def check_strategy(name: str) -> None:
    """Raise InputError for a strategy that there is not."""
    if name not in strategy_names() and name.removesuffix(f"+{SWARM}") not in STRATEGIES:
        known = ", ".join(strategy_names())
        what = f"there is no strategy '{name}'; there are {known}, and +{SWARM} after each of the latter"
        raise InputError(what, key="--strategy", hint=nearest(name, strategy_names()))


class Failing(NamedTuple):
    """A run that fell, and what was wrong with each of its accounts, the gravest first."""

    number: int
    wrong: list[tuple[str, ...]]


class Batch(msgspec.Struct, frozen=True):
    """What became of the runs `first` to `first + runs - 1`.

    `marks`: by the scenario's place, in how many runs each mark was reached. `unfinished`: runs that something was still on its way in at the end.
    """

    first: int
    runs: int
    unfinished: int
    marks: dict[int, dict[str, int]]
    failing: list[Failing]

    @property
    def end(self) -> int:
        """The number of the first run after it."""
        return self.first + self.runs


class Order(NamedTuple):
    """Runs to be played. `until_new`: stop after the first that shows something that the baseline does not know."""

    first: int
    runs: int
    until_new: bool


class Player(NamedTuple):
    """Plays the runs of a campaign, in whichever process."""

    campaign: Campaign
    baseline: Baseline = NOTHING_KNOWN

    def __call__(self, order: Order) -> Batch:
        """Play them, in their order."""
        marks: dict[int, dict[str, int]] = {}
        failing: list[Failing] = []
        number, unfinished = order.first, 0
        for number in range(order.first, order.first + order.runs):
            run = self.campaign.run(number)
            found, data = wrong_with(self.campaign, run)
            unfinished += data is not None and data["verdict"] == "unknown" and not data["marks_missing"]
            of_scenario = marks.setdefault(run.place, {})
            for mark in data["marks"] if data is not None else ():
                of_scenario[mark] = of_scenario.get(mark, 0) + 1
            if found:
                failing.append(Failing(number, found[:_KEPT]))
                if order.until_new and any(map(self.baseline.new, found)):
                    break
        return Batch(order.first, number + 1 - order.first, unfinished, marks, failing)


def wrong_with(campaign: Campaign, run: Numbered, engine: str = "") -> tuple[list[tuple[str, ...]], dict[str, Any] | None]:
    """What was wrong with each account of a run, and the run's figures. One that cannot be brought to its end is a failure too, so that whatever else
    is found is not lost.
    """
    try:
        result, _ = campaign.play(run, engine)
    except (InputError, UnknownEngineError):
        raise
    except (Exception, ChoicesError) as failure:
        return [(f"{RUN_FAILED}{type(failure).__name__}",)], None
    return by_account(result), result.data


@dataclass
class Group:
    """Runs in which an account showed one signature. `also`: what else was wrong with such accounts. `known`: the baseline has it."""

    signature: str
    first: int
    known: bool
    runs: int = 0
    last: int = -1
    also: set[str] = field(default_factory=set)


class Tally:
    """What the runs of a campaign came to, up to `end`. `failing_runs`: the first 1,000 of them, and whether each shows anything new."""

    def __init__(self, campaign: Campaign, baseline: Baseline = NOTHING_KNOWN) -> None:
        self.end = 0
        self.unfinished = 0
        self.failing = 0
        self.failing_runs: list[tuple[Failing, bool]] = []
        self.groups: dict[str, Group] = {}
        self._campaign = campaign
        self._baseline = baseline
        self._marks: list[dict[str, int]] = [{} for _ in campaign.scenarios]

    def add(self, batch: Batch) -> None:
        """Count the next batch."""
        self.end = batch.end
        self.unfinished += batch.unfinished
        for place, marks in batch.marks.items():
            total = self._marks[place]
            for mark, runs in marks.items():
                total[mark] = total.get(mark, 0) + runs
        for failing in batch.failing:
            self._count(failing)

    def _count(self, failing: Failing) -> None:
        self.failing += 1
        new = {found: self._baseline.new(found) for found in failing.wrong}
        if len(self.failing_runs) < _FAILING_KEPT:
            self.failing_runs.append((failing, any(new.values())))
        for found in failing.wrong:
            key = new[found] or found[0]
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = Group(key, failing.number, known=not new[found])
            if group.last != failing.number:
                group.last = failing.number
                group.runs += 1
            if len(group.also) < _KEPT:
                group.also.update(each for each in found if each != key)

    @property
    def new(self) -> list[Group]:
        """The groups that the baseline does not know, in the order in which they were met."""
        return [group for group in self.groups.values() if not group.known]

    def marks(self) -> dict[str, int]:
        """In how many runs each mark was reached."""
        total: dict[str, int] = {}
        for marks in self._marks:
            for mark, runs in marks.items():
                total[mark] = total.get(mark, 0) + runs
        return dict(sorted(total.items()))

    def marks_missing(self) -> tuple[str, ...]:
        """The marks that a scenario asks for and that no run of it has reached; of the engine that is to hold alone, as in a single run."""
        if self._campaign.engine != "recompute":
            return ()
        played = self._campaign.scenarios[: self.end]
        asked = zip(played, self._marks, strict=False)
        return tuple(sorted({mark for scenario, marks in asked for mark in scenario.judge.sometimes if mark not in marks}))

    @property
    def verdict(self) -> str:
        """Whether nothing new is wrong, as far as can be told."""
        if self.new:
            return "falls"
        return "unknown" if not self.end or self.unfinished or self.marks_missing() else "holds"


@dataclass
class Limits:
    """When a campaign ends: after so many `runs` in all, `seconds` of this session, or at the `first` new failure; whichever comes first."""

    runs: int | None = None
    seconds: float | None = None
    first: bool = False


def run_campaign(
    tally: Tally,
    workers: Workers,
    limits: Limits,
    keep: Callable[[Batch], None],
    progress: Callable[[Tally], None],
) -> bool:
    """Go on with a campaign from where `tally` stands. Workers serve a `Player`; `keep` is given each batch, in the order of the runs.

    Returns True unless time was up before all runs were done.
    """
    due = _Due(tally.end, workers.jobs, limits)
    waiting: dict[int, Batch] = {}
    while not (limits.first and tally.new):
        while workers.free and (order := due.next()) is not None:
            workers.put(clock_ns(), order)
        if not workers.working:
            break
        began, batch = workers.take()
        due.took(batch.runs, clock_ns() - began)
        waiting[batch.first] = batch
        while tally.end in waiting and not (limits.first and tally.new):
            following = waiting.pop(tally.end)
            keep(following)
            tally.add(following)
        progress(tally)
    return not due.is_late


class _Due:
    """Which runs are to be given out next: batches that take about as long as they should, by what runs have taken until now."""

    def __init__(self, first: int, jobs: int, limits: Limits) -> None:
        self.is_late = False
        self._next = first
        self._limits = limits
        self._until_ns = None if limits.seconds is None else clock_ns() + int(limits.seconds * 1e9)
        self._run_ns = 0
        self._jobs = jobs

    def next(self) -> Order | None:
        """The next order; None when the limits are reached."""
        left = _MOST_OF_A_BATCH if self._limits.runs is None else self._limits.runs - self._next
        if left <= 0:
            return None
        now_ns = clock_ns()
        if self._until_ns is not None and now_ns >= self._until_ns:
            self.is_late = True
            return None
        room_ns = _BATCH_NS if self._until_ns is None else min(_BATCH_NS, self._until_ns - now_ns)
        fitting = room_ns // self._run_ns if self._run_ns else 1
        runs = max(1, min(left, _MOST_OF_A_BATCH, fitting, max(1, left // self._jobs)))
        order = Order(self._next, runs, self._limits.first)
        self._next += runs
        return order

    def took(self, runs: int, ns: int) -> None:
        """A batch took this long."""
        latest = max(1, ns // max(1, runs))
        self._run_ns = (self._run_ns + latest) // 2 if self._run_ns else latest
