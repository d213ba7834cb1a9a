"""Tries smaller stories, one run each, and keeps the smallest that still fails in the same way; within a budget of runs and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace
from xxhash import xxh3_128_digest

from billsim.core.choices import ChoicesError
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.explore.labels import Labels, Rename
from billsim.explore.signature import key_of, of_drift, signature
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.rules import check

T = TypeVar("T")


class Spent(Exception):
    """The budget, or the part of it that may be spent here, is used up."""


class Budget(NamedTuple):
    """How much shrinking may cost: runs, and seconds of real time."""

    runs: int = 400
    seconds: float = 10.0


class Step(NamedTuple):
    """How far shrinking is: runs made and allowed, and what the smallest story has by now."""

    runs: int
    most_runs: int
    accounts: int
    rows: int
    pins: int


class Trial:
    """The smallest story so far (`best`), the run that it makes (`result`), and what another must do to be taken for it.

    `want`: the signature that must stay; where it was the gravest, it stays the gravest. `against`: an engine under which the story must hold, at
    least as far as this failure goes.
    `pins_all`: every answer of the run is pinned, so that what becomes of one part of the story does not move the others; else the story's own pins
    are all there are. `unlimited`: whatever the budget.
    """

    def __init__(
        self, engine: str, want: str, against: str | None, budget: Budget, platform: Platform, progress: Callable[[Step], None] | None
    ) -> None:
        self.engine = engine
        self.want = want
        self.against = against
        self.seed = 0
        self.runs = 0
        self.pins_all = True
        self.unlimited = False
        self.best: Scenario
        self.result: RunResult
        self._is_gravest = True
        self._holds_wholly = False
        self._tried: set[bytes] = set()
        self._labels: Labels
        self._budget = budget
        self._most_runs, self._most_ns = budget.runs, int(budget.seconds * 1e9)
        self.platform = platform
        self._progress = progress
        self._began_ns = clock_ns()

    @property
    def seconds(self) -> float:
        """Real time spent so far."""
        return (clock_ns() - self._began_ns) / 1e9

    def begin(self, scenario: Scenario, seed: int, answers: Mapping[str, int]) -> bool:
        """Take the first story as it is, if it fails as it must; where no failure was named, its own is the one. Raises what running it raises."""
        self.seed = seed
        first = replace(scenario, answers={**scenario.answers, **answers})
        result = self._run(first)
        self.want = self.want or key_of(result)
        self._is_gravest = key_of(result) == self.want
        if not self.want or not self.fails(result):
            return False
        self._take(first, result)
        if self.against is not None and not self._holds(self.best, self.against):
            self.against = None
        return True

    @property
    def holds_under(self) -> str | None:
        """The engine under which the best story holds, of those that were asked."""
        return self.against if self._holds_wholly else None

    def guilty(self) -> list[str]:
        """The accounts of which the failure tells."""
        named = [drift.account for drift in self.result.drift if drift.closed_ms is None and of_drift(drift) == self.want]
        named += [finding["account"] for finding in self.result.data["findings"] if f"finding/{finding['signature']}" == self.want]
        return list(dict.fromkeys(named))

    def wrong_ms(self) -> int:
        """When the last thing had gone wrong."""
        opened = [drift.opened_ms for drift in self.result.drift if drift.closed_ms is None and of_drift(drift) == self.want]
        found = [finding["at"] for finding in self.result.data["findings"] if f"finding/{finding['signature']}" == self.want]
        return int(max([*opened, *found]))

    def keeps(self, smaller: Scenario, rename: Rename | None = None, seed: int | None = None) -> bool:
        """Take a smaller story for the best, if it fails in the same way and holds where it must. `rename`: what its labels are called now.

        Raises Spent.
        """
        if rename is not None:
            smaller = replace(smaller, answers=self._labels.renamed(smaller.answers, rename))
        seed = self.seed if seed is None else seed
        digest = xxh3_128_digest(msgspec.json.encode((seed, smaller)))
        if digest in self._tried or (seed == self.seed and smaller == self.best):
            return False
        if not self.unlimited and (self.runs >= self._most_runs or clock_ns() - self._began_ns >= self._most_ns):
            raise Spent
        self._tried.add(digest)
        before, self.seed = self.seed, seed
        taken = False
        try:
            check(smaller)
            result = self._run(smaller)
            if self.fails(result) and (self.against is None or self._holds(smaller, self.against)):
                self._take(smaller, result)
                taken = True
        except (Exception, ChoicesError):
            pass  # A story that cannot be told is not taken.
        finally:
            if not taken:  # nor where it is interrupted: the seed is then the best story's still
                self.seed = before
        return taken

    def first(self, smaller: Iterable[Scenario]) -> bool:
        """Take the first of these, which begin with the most wanted, that can be taken; none beyond what the best story is already."""
        return any(scenario == self.best or self.keeps(scenario) for scenario in smaller)

    def each(self, smaller: Iterable[Callable[[Scenario], Scenario]]) -> None:
        """Try one edit after the other on the best story."""
        for edit in smaller:
            self.keeps(edit(self.best))

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Spend no more than this share of the whole budget inside, and go on after it."""
        self._most_runs, self._most_ns = int(self._budget.runs * share), int(self._budget.seconds * share * 1e9)
        try:
            yield
        except Spent:
            pass
        finally:
            self._most_runs, self._most_ns = self._budget.runs, int(self._budget.seconds * 1e9)

    def fails(self, result: RunResult) -> bool:
        """Whether a run of the story goes wrong in the way that is to stay."""
        found = signature(result)
        return self.want in (found[:1] if self._is_gravest else found)

    def _holds(self, scenario: Scenario, engine: str) -> bool:
        """It does not fail so under `engine`, and in no other way either, once a story did not."""
        result = self._run(scenario, engine)
        holds = result.verdict != "falls"
        if holds or (not self._holds_wholly and self.want not in signature(result)):
            self._holds_wholly = holds
            return True
        return False

    def _run(self, scenario: Scenario, engine: str | None = None) -> RunResult:
        self.runs += 1
        result = self.run(scenario, engine)
        if self._progress is not None:
            best = getattr(self, "best", scenario)
            self._progress(Step(self.runs, self._budget.runs, len(best.given), len(best.timeline), len(best.answers)))
        return result

    def run(self, scenario: Scenario, engine: str | None) -> RunResult:
        """Run a story under the engine that it fails under, with its tape, or under another."""
        own = engine is None
        return run_scenario(scenario, seed=self.seed, engine=engine or self.engine, keep_tape=own, bodies=False, platform=self.platform)

    def _take(self, scenario: Scenario, result: RunResult) -> None:
        tape = dict(result.tape or ())
        self.best = replace(scenario, answers=tape) if self.pins_all else scenario
        self.result = result
        self._labels = Labels(tape, len(scenario.timeline))


def fewest(items: Sequence[T], keeps: Callable[[list[T]], bool]) -> list[T]:
    """The items without which it does not go: none of those that are left can be left out alone. Large parts are tried first.

    After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE TSE 2002), complements only.
    """
    left = list(items)
    if not left or keeps([]):
        return []
    size = max(1, len(left) // 2)
    while True:
        index, fewer = 0, False
        while index < len(left) and len(left) > 1:
            rest = left[:index] + left[index + size :]
            if rest and keeps(rest):
                left, fewer = rest, True
            else:
                index += size
        if size == 1 and not fewer:
            return left
        size = max(1, size // 2)
