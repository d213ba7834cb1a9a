"""The smallest story in which views miss what there is: a run that shows a blind spot, shrunk as failures are while they stay blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.core.time import iso
from billsim.core.trace import DriftRecord
from billsim.explore import edits
from billsim.explore.shrink import until_interrupted
from billsim.explore.trial import Budget, Step, Trial
from billsim.grading.watching import Watched, watch, with_warehouse
from billsim.run import RunResult, run_scenario
from billsim.scenario.orders import count_orders
from billsim.scenario.plan import Expect, ExpectedDrift, Outcome, Scenario
from billsim.scenario.tales import told
from billsim.warehouse.dataform import Graph
from billsim.warehouse.grade import Grade, grade, is_pictured
from billsim.warehouse.screening import DETECTED, Screen
from billsim.warehouse.snapshots import Snapshot


class BlindSpot(NamedTuple):
    """A story in which drift of `code` is missed, with `seed`, as small as was found with `runs`.

    `pictured`: a mirror had it, so that a view might have told of it; else it lives and dies between two nights. `stopped`: Ctrl-C came before more
    could go.
    """

    scenario: Scenario
    code: str
    pictured: bool
    seed: int
    runs: int
    exhausted: bool
    stopped: bool = False


def candidates(marks: Grade) -> dict[str, bool]:
    """The codes that are missed, and whether in spite of a mirror that had them: those first, and of those first what is found at other times."""
    missed: dict[str, bool] = {}
    for each in marks.missed:
        missed.setdefault(each.drift.code, each.pictured)
    return dict(sorted(missed.items(), key=lambda item: (not item[1], not marks.by_code[item[0]].found, item[0])))


def blind_spot(
    watched: Watched,
    graph: Graph,
    code: str,
    pictured: bool,
    *,
    seed: int,
    engine: str,
    budget: Budget,
    progress: Callable[[Step], None] | None = None,
) -> BlindSpot | None:
    """The smallest story, within a budget, in which the project misses drift of a code, as it does in a run; None where the run's own story does not
    miss it again. Ctrl-C ends it with the smallest story so far, if there is one that is no population.
    """
    blind = _Blind(graph, code, pictured, engine, budget, watched.platform, progress)
    answers = dict(watched.result.tape or ())
    if not blind.begin(edits.untold(told(watched.scenario, seed)), seed, answers):
        return None
    exhausted, stopped = until_interrupted(blind)
    return BlindSpot(_finished(blind), code, pictured, blind.seed, blind.runs, exhausted, stopped)


class _Blind(Trial):
    """Takes a story for as long as drift of one code is missed in it, in the same way: by all views, or by all mirrors."""

    def __init__(
        self,
        graph: Graph,
        code: str,
        pictured: bool,
        engine: str,
        budget: Budget,
        platform: Platform,
        progress: Callable[[Step], None] | None,
    ) -> None:
        super().__init__(engine, f"drift/{code}", None, budget, platform, progress)
        self.code = code
        self.pictured = pictured
        self.missed: list[DriftRecord] = []
        self._latest: list[DriftRecord] = []
        # No more of the project than tells of drift: the rest is not asked.
        detected = graph.find(DETECTED)
        needed = graph.definitions if detected is None else graph.needs([detected.target])
        self._screen = Screen(replace(graph, definitions=needed))
        self._snapshots: tuple[Snapshot, ...] = ()

    def run(self, scenario: Scenario, _engine: str | None) -> RunResult:
        """Run a story, with its tape and its mirrors."""
        watched = watch(scenario, seed=self.seed, engine=self.engine, platform=self.platform, keep_tape=True)
        self._snapshots = watched.snapshots
        self._screen.follow(watched.policy)
        return watched.result

    def fails(self, result: RunResult) -> bool:
        """Whether the run that was just made misses what is to be missed."""
        self._latest = self._missed_of(result)
        return bool(self._latest)

    def guilty(self) -> list[str]:
        """The accounts of whom drift is missed."""
        return list(dict.fromkeys([each.account for each in self.missed]))

    def wrong_ms(self) -> int:
        """When the last drift that is missed had opened."""
        return max([each.opened_ms for each in self.missed])

    def _take(self, scenario: Scenario, result: RunResult) -> None:
        super()._take(scenario, result)
        self.missed = self._latest

    def _is_pictured(self, drift: DriftRecord) -> bool:
        return any(is_pictured(drift, *snapshot[:2]) for snapshot in self._snapshots)

    def _missed_of(self, result: RunResult) -> list[DriftRecord]:
        drift = [each for each in result.drift if each.code == self.code]
        pictured = [each for each in drift if self._is_pictured(each)]
        if not self.pictured:
            return [each for each in drift if not self._is_pictured(each)] if self._snapshots else []
        if not pictured:
            return []
        self._screen.clear()
        nights = [self._screen.look(snapshot) for snapshot in self._snapshots]
        return [each.drift for each in grade(pictured, nights).missed]


def _finished(blind: _Blind) -> Scenario:
    """The story as a file has it: what is missed, and what stands open or has been and gone in it."""
    missed, code = blind.missed[0], blind.code
    until = "stays" if missed.closed_ms is None else f"is gone at {iso(missed.closed_ms)}"
    seen = "and no view tells of it" if blind.pictured else "between two mirrors, so that no view can tell of it"
    rule = f"Views are blind to this: {code} of {missed.account} opens at {iso(missed.opened_ms)} and {until}, {seen}."
    story = replace(blind.best, id=f"blind_spots/{code}", rule=rule, from_=f"views grade engine={blind.engine} seed={blind.seed}", source="")
    story = with_warehouse(story)
    run = run_scenario(story, seed=blind.seed, engine=blind.engine, bodies=False, platform=blind.platform)
    standing = [ExpectedDrift(account=each.account, code=each.code) for each in run.drift if each.closed_ms is None]
    closed = [ExpectedDrift(account=each.account, code=each.code) for each in run.drift if each.closed_ms is not None]
    outcome = Outcome(drift=tuple(dict.fromkeys(standing)), closed=tuple(dict.fromkeys(closed)))
    alone = blind.seed == 0 and count_orders(story) == 1
    return replace(story, expect={blind.engine: Expect(every_order=outcome)}) if alone else story
