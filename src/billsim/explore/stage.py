"""Plays a story again and again, from its beginning or from a moment: the world of a run, without what a run leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim import engines
from billsim.checks.judge import Report
from billsim.checks.witness import NOBODY
from billsim.core.choices import Seeded, Table
from billsim.core.guard import guarded
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.core.schedule import Schedule
from billsim.core.trace import Record, Trace
from billsim.explore.brought import brought
from billsim.explore.edits import accounts_in
from billsim.explore.ends import end_of
from billsim.explore.guide import WINDOW_MS, Bookmark, Endless, Fired, Guide
from billsim.explore.orders import Asleep, Branch, End, Held, Path, Search
from billsim.explore.rewind import Moment, Rewinder, Tape, changed, taped
from billsim.explore.states import States
from billsim.ports import Engine
from billsim.rehearsal import ruled
from billsim.run import SHIPPED, rare_collections
from billsim.scenario.errors import InputError
from billsim.scenario.orders import offset_label
from billsim.scenario.plan import Scenario
from billsim.world import World

Make = Callable[[DunningPolicy], Engine]
STORM, CALM, DRAIN = 0, 1, 2
ENDLESS = ("finding/endless",)


class Saved(NamedTuple):
    """A moment of the world, and where the guide stood in it."""

    moment: Moment
    bookmark: Bookmark


class Steered(Seeded):
    """Answers as the seed does, remembers what it has worked out, and audits nothing: one label is asked again in every order. `pinned` answers some
    labels otherwise, and may be added to.
    """

    __slots__ = ("pinned", "_known")

    def __init__(self, seed: int, pinned: dict[str, int]) -> None:
        super().__init__(seed)
        self.taped = False
        self.pinned = pinned
        self._known: dict[str, tuple[int, int]] = {}

    def when(self, label: str, table: Table) -> tuple[int, int]:
        known = self._known.get(label)
        if known is None:
            known = self._known[label] = super().when(label, table)
        return known if label not in self.pinned else (self.pinned[label], known[1])

    def fact(self, label: str, table: Table) -> int:
        return self.pinned[label] if label in self.pinned else super().fact(label, table)


class Silent(Trace):
    """Keeps nothing. `listener`, where there is one, is shown each record."""

    listener: Callable[[Record], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.add = self._show

    def _show(self, record: Record) -> None:
        if self.listener is not None:
            self.listener(record)


class Blameless:
    """Asks nobody why something drifts: where orders are counted, only whether."""

    def of_handler(self, *_: Any) -> Any:
        """Nobody, for no cause."""
        return "", NOBODY

    def looked(self, _record: Any) -> bool:
        """Whether the writer knew what it did."""
        return True

    def remember(self, *_: Any) -> None:
        """Nothing."""


class Story:
    """A story, an engine (by name, or a function that makes it) and a seed: what is played again and again.

    `watch` is shown each effect that a handler asks for, with the tape of what it was answered; `prepare` sees the world before anything happens.
    """

    def __init__(
        self,
        scenario: Scenario,
        engine: str | Make,
        seed: int = 0,
        platform: Platform = SHIPPED,
        *,
        window_ms: int = WINDOW_MS,
        watch: Callable[[Tape, Any], None] | None = None,
        prepare: Callable[[World], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self.failed: list[str] = []
        self.choices = Steered(seed, dict(scenario.answers))
        self.trace = Silent()
        self.engine, self._modules = _engine(engine, scenario, platform)
        self._groups: dict[str, str] = {}
        self.guide = Guide(window_ms, self._what, self._group, _owned(scenario))
        self.world = world = _world(scenario, self.engine, self.choices, self.guide, platform, self.trace)
        merges = any([row.do == "merge" for row in scenario.timeline])
        self.guide.resolves = merges or not all(map(world.customer_of, world.stores.shards))
        self.guide.kernel, self.guide.idle = world.kernel, lambda: not world.pending
        handles = [component.handle for component in world.components.values()]
        world.components = {name: replace(each, handle=taped(each.handle, watch or _look_away)) for name, each in world.components.items()}
        self._ends: dict[tuple[str, tuple[str, ...]], End] = {}
        self._phase = [STORM, 0]
        ships = isinstance(engine, str) and engine in engines.names()
        own = [] if ships else [self.engine, *handles, *brought(self.engine, world)]
        self._rewinder = Rewinder([world, self._phase, self.failed, *own])
        self._remembered = _nothing if ships else Remembered(own)
        self._states = States(world, self.failed, self._remembered)
        shared = [(customer, accounts) for customer, accounts in world.stores.by_customer.items() if len(accounts) > 1]
        self._groups = {account: customer for customer, accounts in shared for account in accounts}
        if merges:
            self._groups = dict.fromkeys(world.stores.shards, "all")
        if prepare is not None:
            prepare(world)
        self._beginning = self._rewinder.save()

    @contextmanager
    def open(self) -> Iterator[Story]:
        """The guard is on, and the world is there to be played; it is closed afterwards."""
        with guarded(self._modules), rare_collections():
            try:
                yield self
            finally:
                self.rest()
                self.world.close()

    # -- what a search asks for ------------------------------------------------------------------------------------------------------

    def begin(self, search: Search | None, path: Path = (), asleep: Asleep | None = None) -> End:
        """As the protocol says. Without a search: along the path, and then first in, first out."""
        self.rest()
        self.guide.start(search, path, asleep or {})
        return self._play(search)

    def resume(self, search: Search, held: Held, branch: Branch) -> End:
        """As the protocol says."""
        saved: Saved = held.moment
        self._rewinder.rewind(saved.moment)
        if self._remembered is not _nothing:
            for task in self.world.runtime.running.values():
                task.steps.catch_up()  # type: ignore[attr-defined]
        self.guide.go_on(search, saved.bookmark, held, branch)
        return self._play(search)

    def save(self) -> Saved | None:
        """As the protocol says. There is none once the engine remembers something: its handlers would be told of what they came to know earlier."""
        return None if self._remembered() else Saved(self._rewinder.save(), self.guide.bookmark())

    def name(self) -> str:
        """As the protocol says."""
        return self._states.name(self.guide.gathers)

    def rest(self) -> None:
        """Back to the beginning: whatever else the engine is asked to do, it is to remember nothing of this."""
        self._rewinder.rewind(self._beginning)

    def follow(self, path: Path) -> tuple[End, list[Fired]]:
        """Play along a path: its end, and every step that was performed on the way."""
        record: list[Fired] = []
        self.guide.record = record
        try:
            return self.begin(None, path), record
        finally:
            self.guide.record = None
            self.rest()

    # -- playing ---------------------------------------------------------------------------------------------------------------------

    def _play(self, search: Search | None) -> End:
        try:
            _live(self.world, self._phase)
        except Endless:
            end = End("endless", "endless", "endless", ENDLESS)
        else:
            end = self._end(signatures(self.world.judge.finish(self.world.kernel.now)))
        if search is not None:
            search.ended(end, self.guide)
        return end

    def _end(self, wrong: tuple[str, ...]) -> End:
        key = self._states.stored(), wrong
        end = self._ends.get(key)
        if end is None:
            end = self._ends[key] = end_of(self.world, wrong)
        return end

    def _what(self, wake: Any) -> str:
        return self._states.of_wake(wake)[1]

    def _group(self, account: str) -> str:
        return self._groups.get(account, account) if self._groups else account


class Remembered:
    """What an engine itself remembers between messages, outside the stores: as a value, wherever it is not what it was at the beginning."""

    def __init__(self, roots: Sequence[Any]) -> None:
        self._beginning = Rewinder(roots).save()

    def __call__(self) -> str:
        now = changed(self._beginning)
        return repr(now) if now else ""


@contextmanager
def quiet_world(
    scenario: Scenario, engine: str | Make, choices: Seeded, order: Schedule, platform: Platform = SHIPPED
) -> Iterator[tuple[World, Callable[[], None]]]:
    """A world that leaves nothing, under the guard, and what plays it to its end."""
    made, modules = _engine(engine, scenario, platform)
    with guarded(modules), rare_collections():
        world = _world(scenario, made, choices, order, platform, Silent())
        try:
            yield world, lambda: _live(world, [STORM, 0])
        finally:
            world.close()


def _owned(scenario: Scenario) -> dict[str, str]:
    """The rows that are about one account alone, by the labels under which they race."""
    rows = [(index, accounts_in(row)) for index, row in enumerate(scenario.timeline) if row.by not in _EVERYBODYS]
    return {offset_label(index): accounts[0] for index, accounts in rows if len(accounts) == 1}


def _engine(engine: str | Make, scenario: Scenario, platform: Platform) -> tuple[Engine, list[str]]:
    """The engine, and the names of the modules that its code lies in."""
    policy = platform.dunning(scenario.stripe.max_attempts)
    if not isinstance(engine, str):
        return engine(policy), []
    made = engines.load_engine(engine, policy, scenario.stripe, platform)
    return made, engines.modules_of(engine, made)


def _world(scenario: Scenario, engine: Engine, choices: Seeded, order: Schedule, platform: Platform, trace: Trace) -> World:
    if scenario.before is not None:
        raise InputError("is handed over by another engine, and orders are searched under one", scenario.source, key="before")
    if scenario.warehouse is not None:
        raise InputError("is mirrored by night, and a mirror cannot be taken back to an earlier moment", scenario.source, key="warehouse")
    world = World(ruled(scenario, platform), engine, choices, trace, platform.dunning(scenario.stripe.max_attempts), bodies=False, order=order)
    world.judge.blame = Blameless()  # type: ignore[assignment]
    return world


def _live(world: World, phase: list[int]) -> None:
    """The storm, the calm, and then until nothing is on its way; from whichever phase the world is in."""
    scenario = world.scenario
    if phase[0] == STORM:
        _advance(world, scenario.until)
        phase[0] = CALM
        world.stop_faults()
        world.redrive()
    if phase[0] == CALM:
        _advance(world, scenario.end)
        phase[:] = DRAIN, world.last_night()
    world.run_dry(phase[1])


def _advance(world: World, until_ms: int) -> None:
    while not world.run_until(until_ms, _MANY):
        pass


def signatures(report: Report) -> tuple[str, ...]:
    """What was wrong in the end, or ever: `finding/<signature>` and `drift/<account>/<code>` of what stands open."""
    wrong = {f"finding/{finding.signature}" for finding in report.findings}
    wrong |= {f"drift/{drift.account}/{drift.code}" for drift in report.drift if drift.closed_ms is None}
    return tuple(sorted(wrong))


def _look_away(_tape: Tape, _effect: Any) -> None:
    """Nobody watches."""


def _nothing() -> str:
    """An engine that ships remembers nothing between messages."""
    return ""


_MANY = 1 << 30
# Actors whose rows touch more than the account that they name.
_EVERYBODYS = ("pipe", "cron")
