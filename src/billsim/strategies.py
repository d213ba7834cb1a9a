"""Hypothesis strategies: told stories, and worlds in which they are played, on Hypothesis' own choice sequence.

So its shrinker makes them small and its database remembers what failed. What a story asks (`scenario.tales`) is answered by one string of bytes that
Hypothesis draws, decoded here: a record of a few for each account and each row. A record that begins with a small one leaves its row out, and a
smaller byte is a plainer answer. Drawn one by one, the same answers would take ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from billsim.core.choices import Table
from billsim.core.kernel import Wake
from billsim.core.platform import Platform
from billsim.core.schedule import Schedule
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.tales import tell_as
from billsim.scenario.toml_file import find, load

TALES = "fuzz/tales"
# What one account or one row asks at most; what is asked beyond is answered with the least.
RECORD_BYTES = 10
# A record that begins with less leaves its account or row out; so does the place of a deviation.
PRESENT = 64
HALF = 128
# At how many of a run's choices of who goes first it may deviate from first in, first out, and to how late a place.
DEVIATIONS, PLACES = 4, 6
_SEED_BYTES, _DEVIATION_BYTES = 2, 2


class Drawn:
    """Answers what a tale asks: each next question about an account or a row takes the next byte of its record."""

    def __init__(self, accounts: int, drawn: bytes) -> None:
        records = _records(drawn, RECORD_BYTES)
        people, rows = _present(records[:accounts]), _present(records[accounts:])
        self._accounts = max(1, len(people))
        self._records = {f"account{n}": record for n, record in enumerate(people)} | {f"row{n}": record for n, record in enumerate(rows)}
        self._asked: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def fact(self, label: str, table: Table) -> int:
        """The answer to one of the questions under `w/tale/...`."""
        known = self._asked.get(label)
        if known is None:
            known = self._asked[label] = self._answer(label.removeprefix("w/tale/"), table)
        return known

    def _answer(self, question: str, table: Table) -> int:
        about, _, what = question.partition("/")
        if not what:
            return self._accounts - 1
        if what == "more":
            return int(about in self._records)
        taken = self._taken.get(about, 0)
        self._taken[about] = taken + 1
        record = self._records.get(about, b"")
        return table.answer(record[taken] << 56 if taken < len(record) else 0)


def _present(records: list[bytes]) -> list[bytes]:
    return [record[1:] for record in records if record[0] >= PRESENT]


def _records(drawn: bytes, length: int) -> list[bytes]:
    return [drawn[at : at + length] for at in range(0, len(drawn), length)]


class Deviating(Schedule):
    """First in, first out, but for some steps: at each of them a later one of what waits goes first."""

    def __init__(self, deviations: Mapping[int, int]) -> None:
        super().__init__()
        self._deviations = deviations

    def first(self, waiting: Sequence[Wake]) -> int:
        return min(self._deviations.get(self.steps, 0), len(waiting) - 1)


@dataclass(frozen=True)
class Played:
    """A world that can be run: a story, the seed of everything else, and at which steps what waited did not go first in, first out."""

    story: Scenario
    seed: int = 0
    deviations: tuple[tuple[int, int], ...] = ()

    def run(self, engine: str = "recompute", platform: Platform = SHIPPED) -> RunResult:
        """Run it under an engine."""
        return self._run(engine, platform, self._schedule())

    def pinned(self, engine: str = "recompute", platform: Platform = SHIPPED) -> Scenario:
        """The story with the order of this world as its pinned answers, so that it is repeated by the seed alone."""
        schedule = self._schedule()
        if schedule is None:
            return self.story
        self._run(engine, platform, schedule)
        return replace(self.story, answers={**self.story.answers, **schedule.answers})

    def _schedule(self) -> Schedule | None:
        return Deviating(dict(self.deviations)) if self.deviations else None

    def _run(self, engine: str, platform: Platform, schedule: Schedule | None) -> RunResult:
        return run_scenario(self.story, seed=self.seed, engine=engine, bodies=False, platform=platform, schedule=schedule)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How Hypothesis shows it."""
        printer.text(str(self))

    def __str__(self) -> str:
        accounts, rows = len(self.story.given), len(self.story.timeline)
        return f"<{self.story.id}: {accounts} accounts, {rows} rows, seed {self.seed}, {len(self.deviations)} deviations>"


def stories(scenario: Scenario | str = TALES) -> st.SearchStrategy[Scenario]:
    """Told stories like those of a scenario with tales: a `Scenario`, the name of one that ships, or a file. A scenario without tales is itself.

    Each has some of the scenario's kinds of fault, and not the others. Raises InputError for a scenario that there is not.
    """
    told = _loaded(scenario)
    drawn = _bytes(_length(told))

    @st.composite
    def story(draw: st.DrawFn) -> Scenario:
        return _story(told, draw(drawn))

    return story()


def worlds(scenario: Scenario | str = TALES, *, orders: bool = True) -> st.SearchStrategy[Played]:
    """Worlds in which such stories are played; `orders`: what waits may go in another order than first in, first out.

    Raises InputError as `stories` does.
    """
    told = _loaded(scenario)
    ordering = _DEVIATION_BYTES * DEVIATIONS if orders else 0
    drawn = _bytes(_SEED_BYTES + ordering + _length(told))

    @st.composite
    def world(draw: st.DrawFn) -> Played:
        seed, deviations, story = _cut(draw(drawn), _SEED_BYTES, ordering)
        return Played(_story(told, story), int.from_bytes(seed, "big"), _deviations(deviations))

    return world()


def _loaded(scenario: Scenario | str) -> Scenario:
    return load(find(scenario)) if isinstance(scenario, str) else scenario


def _bytes(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


def _cut(drawn: bytes, first: int, second: int) -> tuple[bytes, bytes, bytes]:
    return drawn[:first], drawn[first : first + second], drawn[first + second :]


def _length(scenario: Scenario) -> int:
    """The bytes that a story takes: one a kind of fault, then the tale."""
    tales = scenario.tales
    return len(scenario.faults) + (0 if tales is None else RECORD_BYTES * (tales.accounts + tales.rows))


def _story(scenario: Scenario, drawn: bytes) -> Scenario:
    kinds, tale, _ = _cut(drawn, len(scenario.faults), len(drawn))
    faults = {name: dial for (name, dial), byte in zip(scenario.faults.items(), kinds, strict=True) if byte >= HALF}
    some = replace(scenario, faults=faults)
    return some if some.tales is None else tell_as(some, Drawn(some.tales.accounts, tale))


def _deviations(drawn: bytes) -> tuple[tuple[int, int], ...]:
    """(step, place) of each. Half of the runs of tales have up to 40 choices of who goes first, few over 100: early ones are drawn more often."""
    found: dict[int, int] = {}
    for place, step in _records(drawn, _DEVIATION_BYTES):
        if place >= PRESENT:
            found.setdefault(step * step >> 9, 1 + (place - PRESENT) * PLACES // (256 - PRESENT))
    return tuple(found.items())
