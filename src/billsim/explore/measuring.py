"""How good the search is: for each mutant and strategy, after how many runs a campaign meets it, and how small its story becomes.

A mutant counts as found by a run in which it shows something that `recompute` does not show in the same world and order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from billsim.core.measure import clock_ns
from billsim.explore.campaign import Campaign, wrong_with
from billsim.explore.found import HOLDS, shrunk_of
from billsim.explore.mutants import HELD_OUT, MUTANTS, TUNED, Mutant
from billsim.explore.workers import Workers, serve_all
from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario

HALVES = (TUNED, HELD_OUT)


class Measured(msgspec.Struct, frozen=True):
    """What a strategy made of a mutant. `runs` and `seconds` are those until it was found, or all that were spent (`found` False).

    `signature`, `seed` and `with_strategy` tell the run that found it. `rows`: of the shrunk story, None where there is none; `holds`: whether
    recompute holds under that story.
    """

    mutant: str
    strategy: str
    half: str
    found: bool
    runs: int
    seconds: float
    signature: str = ""
    seed: int | None = None
    with_strategy: str = ""
    rows: int | None = None
    shrink_s: float = 0.0
    holds: bool | None = None


class Search(NamedTuple):
    """A mutant to be looked for: in the runs of a campaign under one strategy, at most so many, and then shrunk for so long (0: not)."""

    mutant: str
    half: str
    scenarios: tuple[Scenario, ...]
    strategy: str
    seed: int
    runs: int
    shrink_s: float

    @property
    def campaign(self) -> Campaign:
        """The campaign that looks for it."""
        return Campaign(self.scenarios, MUTANTS[self.mutant].engine, self.seed, self.strategy)


def measure(
    mutants: Iterable[Mutant],
    scenarios: Sequence[Scenario],
    strategies: Sequence[str],
    *,
    runs: int,
    seed: int = 0,
    shrink_s: float = 0.0,
    jobs: int = 1,
    progress: Callable[[Measured], None] | None = None,
) -> list[Measured]:
    """Look for each mutant under each strategy; in the order of the mutants, and for each in that of the strategies."""
    searches = [
        Search(mutant.name, mutant.half, tuple(scenarios), strategy, seed, runs, shrink_s) for mutant in mutants for strategy in strategies
    ]
    found: dict[int, Measured] = {}
    with Workers(jobs, look_for) as workers:
        for place, measured in serve_all(workers, enumerate(searches)):
            found[place] = measured
            if progress is not None:
                progress(measured)
    return [found[place] for place in range(len(searches))]


def look_for(search: Search) -> Measured:
    """Play run after run until the mutant shows, and shrink what it shows."""
    campaign, began = search.campaign, clock_ns()
    for number in range(search.runs):
        run = campaign.run(number)
        shown = [found[0] for found in wrong_with(campaign, run)[0]]
        if not shown:
            continue
        sound = [found[0] for found in wrong_with(campaign, run, HOLDS)[0]]
        own = [each for each in shown if each not in sound]
        if own:
            seconds = round((clock_ns() - began) / 1e9, 3)
            found = Measured(search.mutant, search.strategy, search.half, True, number + 1, seconds, own[0], run.seed, run.strategy)
            return _with_a_story(search, number, found) if search.shrink_s else found
    return Measured(search.mutant, search.strategy, search.half, False, search.runs, round((clock_ns() - began) / 1e9, 3))


def _with_a_story(search: Search, number: int, found: Measured) -> Measured:
    campaign = search.campaign
    try:
        shrunk = shrunk_of(campaign, campaign.run(number), found.signature, search.shrink_s)
    except InputError:  # of imported events, say: it was found all the same
        return found
    holds = run_scenario(shrunk.scenario, seed=shrunk.seed, engine=HOLDS, bodies=False).verdict != "falls"
    return msgspec.structs.replace(found, rows=shrunk.rows, shrink_s=round(shrunk.seconds, 3), holds=holds)


def chosen(only: Sequence[str], half: str = "") -> list[Mutant]:
    """The mutants of these names (all: ()), of one half or both, sorted by name."""
    return [mutant for name, mutant in sorted(MUTANTS.items()) if name in (only or MUTANTS) and half in ("", mutant.half)]


def summed_up(measured: Sequence[Measured], strategy: str, half: str) -> dict[str, Any]:
    """What a strategy does with a half of the mutants, or with all (''). A mutant that was not found counts with all the runs that were spent."""
    of_it = [each for each in measured if each.strategy == strategy and half in ("", each.half)]
    rows = [each.rows for each in of_it if each.rows is not None]
    return {
        "strategy": strategy,
        "half": half or "both",
        "mutants": len(of_it),
        "found": sum(each.found for each in of_it),
        "runs_median": median([each.runs for each in of_it]),
        "runs_max": max((each.runs for each in of_it), default=None),
        "seconds_median": median([each.seconds for each in of_it]),
        "rows_median": median(rows),
        "rows_max": max(rows, default=None),
        "shrink_s_max": max((each.shrink_s for each in of_it if each.rows is not None), default=None),
    }


def median(values: Sequence[Any]) -> Any:
    """The middle value, of two the greater; None of nothing."""
    return sorted(values)[len(values) // 2] if values else None


def described(mutants: Iterable[Mutant]) -> list[Mapping[str, str]]:
    """What there is: a mutant's name, the safeguard that it lacks, the part that this is of, and its half."""
    return [{"name": mutant.name, "safeguard": mutant.safeguard, "part": mutant.part, "half": mutant.half} for mutant in mutants]
