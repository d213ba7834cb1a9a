"""`explore`: every order of a told story, and what that says: whether one falls, where they lead, which rows do not commute, which laws hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.engines import PROGRAM
from billsim.explore.algebra import Law, Thrift, laws
from billsim.explore.follow import Told, told
from billsim.explore.guide import WINDOW_MS
from billsim.explore.orders import MOST_RUNS, End, Explored, Search
from billsim.explore.pairs import as_data, first_pair
from billsim.explore.signature import signature
from billsim.explore.stage import Make, Story
from billsim.run import SHIPPED, RunResult
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Expect, ExpectedDrift, Outcome, Scenario, TimelineRow
from billsim.scenario.tales import tell

SWITCHES = 2
SECONDS = 60.0
# Where nothing bounds the switches, so many are tried first: most of what falls falls with few.
_FIRST = 2
# Why a search that came to its end is not complete.
TORN = "a gather could have read its branches in more ways than were tried"


class Asked(NamedTuple):
    """What to search: orders of so many `switches` at most (None: any number), in so many `runs` and `seconds` at most (None: any).

    `window_ms`: what is due within it races. `reduce`: of orders that only swap independent steps one is enough (without a bound of switches only).
    """

    switches: int | None = SWITCHES
    runs: int = MOST_RUNS
    seconds: float | None = SECONDS
    window_ms: int = WINDOW_MS
    reduce: bool = False


class Progress(NamedTuple):
    """How far a search is: orders of how many switches are being tried (None: of any number), branches tried and states met."""

    switches: int | None
    runs: int
    states: int


class Exploration(NamedTuple):
    """What exploring came to. `data` is the object of `--json`; `told` is the failing order as a story, None where none fails or where latencies
    do not show it again; `falling` is the end that it leads to.
    """

    data: dict[str, Any]
    verdict: str
    explored: Explored
    laws: dict[str, Law]
    pair: tuple[TimelineRow, TimelineRow] | None
    falling: End | None
    told: Told | None


class Stopped(KeyboardInterrupt):
    """Ctrl-C; `explored` is what had been covered."""

    def __init__(self, explored: Explored) -> None:
        super().__init__()
        self.explored = explored


def explore(
    scenario: Scenario,
    engine: str | Make = "recompute",
    *,
    seed: int = 0,
    asked: Asked = Asked(),  # noqa: B008 - a value
    platform: Platform = SHIPPED,
    progress: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Search the orders of a told story under an engine.

    Raises InputError for what cannot be explored, and Stopped.
    """
    scenario = _as_story(scenario, engine, seed)
    began, thrift = clock_ns(), Thrift()
    with Story(scenario, engine, seed, platform, window_ms=asked.window_ms, watch=thrift).open() as story:
        search, found = _search(story, asked, began, progress)
        story.rest()
        searched = clock_ns()
        try:
            obeyed = laws(story, scenario, engine, seed, found, search.paths, thrift, platform)
            falling, order = story.follow(found.first_failing) if found.first_failing is not None else (None, [])
            pair = first_pair(scenario, engine, seed, platform)
            shown = told(scenario, engine, seed, order, _shows(falling), platform) if falling is not None else None
        except KeyboardInterrupt:
            raise Stopped(found) from None
        torn_short = story.guide.torn_short
    verdict = "falls" if found.failing else "holds" if found.complete else "unknown"
    name = engine if isinstance(engine, str) else "engine"
    data = _as_data(scenario, name, seed, asked, found, (searched - began) // 1_000_000, verdict)
    why = None if found.complete else TORN if torn_short else "the budget of branches or of time was spent"
    data |= {"complete": found.complete, "left_out": why, "non_commuting": [as_data(row) for row in pair] if pair else None}
    data |= {"algebra": {law: each._asdict() for law, each in obeyed.items()}, "failing": _failing(falling, shown)}
    return Exploration(data, verdict, found, obeyed, pair, falling, shown)


def as_file(exploration: Exploration, engine: str, seed: int) -> Scenario | None:
    """The failing order as a story that says where it is from and what it shows; None where there is none."""
    shown = exploration.told
    if shown is None:
        return None
    drift = tuple(ExpectedDrift(account=each.account, code=each.code, cause=each.cause) for each in shown.result.drift if each.closed_ms is None)
    expect = {engine: Expect(every_order=Outcome(drift=drift))} if not shown.result.data["findings"] else {}
    return replace(shown.scenario, from_=f"explore seed={seed} engine={engine}", expect=expect, source="")


def _as_story(scenario: Scenario, engine: str | Make, seed: int) -> Scenario:
    if scenario.population is not None or scenario.events is not None:
        what = "a population" if scenario.population is not None else "an imported incident"
        raise InputError(f"explores the orders of a told story, and {scenario.id} is {what}", key="SCENARIO")
    if isinstance(engine, str) and engine.startswith(PROGRAM):
        raise InputError("takes its world back to earlier moments, and a program cannot be taken back: bring the engine as Python", key="--engine")
    return tell(scenario, Seeded(seed))


def _search(story: Story, asked: Asked, began_ns: int, progress: Callable[[Progress], None] | None) -> tuple[Search, Explored]:
    """Within the bound; without one, first within a small one, and then everything if time is left."""

    def enough() -> bool:
        return asked.seconds is not None and clock_ns() - began_ns > asked.seconds * 1e9

    def moved(search: Search) -> None:
        if progress is not None and search.runs % 50 == 1:
            progress(Progress(search.level if search.switches is not None else None, search.runs, search.states))

    within = -1
    for bound in [asked.switches] if asked.switches is not None else [_FIRST, None]:
        search = Search(story, switches=bound, reduce=asked.reduce, most_runs=asked.runs, enough=enough)
        try:
            found = search.run(moved)
        except KeyboardInterrupt:
            raise Stopped(search.explored()) from None
        if bound is None and story.guide.torn_short:
            found = found._replace(complete=False, within=-1)
        if found.failing or not found.complete:
            break
        within = bound if bound is not None else within
    return search, found if found.within is None else found._replace(within=max(within, found.within))


def _shows(falling: End) -> Callable[[RunResult], bool]:
    """Whether a run shows what was wrong at the end of an order."""

    def shows(result: RunResult) -> bool:
        found = {f"finding/{finding['signature']}" for finding in result.data["findings"]}
        found |= {f"drift/{drift.account}/{drift.code}" for drift in result.drift if drift.closed_ms is None}
        return found >= set(falling.signatures)

    return shows


def _as_data(scenario: Scenario, engine: str, seed: int, asked: Asked, found: Explored, wall_ms: int, verdict: str) -> dict[str, Any]:
    ends: dict[str, list[Any]] = {}
    for end, times in found.ends.items():
        known = ends.setdefault(end.digest, [0, end.signatures])
        known[0] += times
    return {
        "scenario": scenario.id,
        "seed": seed,
        "engine": engine,
        "verdict": verdict,
        "orders": found.orders,
        "failing_orders": found.failing,
        "states": found.states,
        "runs": found.runs,
        "pruned": found.pruned,
        "switches": asked.switches,
        "complete_within": found.within,
        "reduction": round(found.orders / max(1, found.runs), 1),
        "end_states": len(ends),
        "ends": [{"end": digest, "orders": times, "wrong": list(wrong)} for digest, (times, wrong) in ends.items()],
        "wall_s": wall_ms / 1000,
        "orders_per_s": found.orders * 1000 // max(1, wall_ms),
        "runs_per_s": found.runs * 1000 // max(1, wall_ms),
    }


def _failing(falling: End | None, shown: Told | None) -> dict[str, Any] | None:
    if falling is None:
        return None
    if shown is None:
        return {"wrong": list(falling.signatures), "answers": None, "signature": None}
    return {"wrong": list(falling.signatures), "answers": shown.answers, "signature": list(signature(shown.result))}
