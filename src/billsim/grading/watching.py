"""A run whose nightly mirrors are kept. Nobody in the world notices: the trace, and its digest, are those of the run that nobody watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from billsim.checks.apart import set_apart
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.replay.tape import read
from billsim.run import SHIPPED, Progress, RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario, Warehouse
from billsim.warehouse.dataform import Graph
from billsim.warehouse.extract import Extract
from billsim.warehouse.grade import Grade, Lag, grade
from billsim.warehouse.nightly import Mirrored, Night, Nights, Seen
from billsim.warehouse.runner import Broken
from billsim.warehouse.screening import Looked, Screen, Sighting
from billsim.warehouse.snapshots import Recorder, Snapshot
from billsim.world import World


class Watched(NamedTuple):
    """A run, and the mirrors of its nights. `lags`: what mirrors may have had that never became drift; `unhealable`: of whom there was what no engine
    could mend, and under which code.
    """

    scenario: Scenario
    result: RunResult
    snapshots: tuple[Snapshot, ...]
    platform: Platform = SHIPPED
    lags: tuple[Lag, ...] = ()
    unhealable: frozenset[Sighting] = frozenset()

    @property
    def policy(self) -> DunningPolicy:
        """The dunning policy that its platform follows."""
        return self.platform.dunning(self.scenario.stripe.max_attempts)


class Viewed(NamedTuple):
    """A project's nights over a run, what the truth says of them, and the assertions that the last night breaks."""

    graph: Graph
    nights: list[Looked]
    grade: Grade
    broken: list[Broken]


def watch(
    scenario: Scenario,
    *,
    seed: int,
    engine: str,
    platform: Platform = SHIPPED,
    tape: Mapping[str, int] | None = None,
    keep_tape: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Watched:
    """Run a scenario and keep its mirrors: those of its own warehouse or, where it has none, of one at the usual minute."""
    witnesses: list[_Witness] = []
    result = run_scenario(
        scenario,
        seed=seed,
        engine=engine,
        platform=platform,
        tape=tape,
        keep_tape=keep_tape,
        progress=progress,
        attend=lambda world: witnesses.append(_witness_of(world)),
    )
    if scenario.warehouse is None:
        result.nights.clear()  # of the warehouse that it was lent, through which nobody looked
    seen = witnesses[0]
    return Watched(scenario, result, tuple(seen.snapshots), platform, tuple(seen.lags), frozenset(seen.unhealable))


def watch_again(path: Path, *, keep_tape: bool = False, progress: Callable[[Progress], None] | None = None) -> tuple[Watched, int, str]:
    """A recorded run, run again from its tape and watched; its seed and its engine. Raises InputError where it does not run as it was recorded."""
    run = read(path)
    watched = watch(
        run.scenario, seed=run.seed, engine=run.engine, platform=run.platform, tape=run.answers, keep_tape=keep_tape, progress=progress
    )
    if watched.result.data["digest"] != run.digest:
        what = "does not run again as it was recorded, for the engine or billsim has changed: `billsim replay` says where they part"
        raise InputError(what, str(path))
    return watched, run.seed, run.engine


def view(watched: Watched, screen: Screen, progress: Callable[[str], None] | None = None) -> Viewed:
    """Let a project look at every night of a run, and mark it; the screen shows the last night's rows then. `progress` is told of each view that has
    looked, night by night. Of a platform that is handed over, the nights from then on are marked: of what went before truth keeps nothing.

    Raises ViewError, and InputError for a run without a night.
    """
    if not watched.snapshots:
        raise InputError("no night falls within the run, so there is no mirror to look at", watched.scenario.source or watched.scenario.id)
    screen.follow(watched.policy)
    nights = [screen.look(snapshot, progress) for snapshot in watched.snapshots]
    marked = [night for night in nights if night.first_ms >= watched.scenario.handover]
    marks = grade(watched.result.drift, marked, watched.lags, watched.unhealable)
    return Viewed(screen.views.graph, nights, marks, screen.broken())


def with_warehouse(scenario: Scenario) -> Scenario:
    """The scenario with the warehouse that it is watched by."""
    return scenario if scenario.warehouse is not None else replace(scenario, warehouse=Warehouse())


class _Witness(Recorder):
    """Keeps a world's mirrors, and what the judge alone knows of their nights."""

    def __init__(self, world: World, behind: Mirrored | None) -> None:
        super().__init__(world.kernel, behind)
        self.lags: list[Lag] = []
        self.unhealable: set[Sighting] = set()
        self._stores = world.stores
        world.judge.lagged = self._hear

    def remember(self, detected: Sequence[tuple[str, str, str, str]]) -> None:
        """The night is over."""
        super().remember(detected)
        self.unhealable |= set_apart(self._stores)

    def _hear(self, account: str, code: str, opened_ms: int, closed_ms: int) -> None:
        if self.may_picture(opened_ms, closed_ms):
            self.lags.append(Lag(account, code, opened_ms, closed_ms))


def _witness_of(world: World) -> _Witness:
    """Whoever watches a world, which has a warehouse or is given one."""
    if world.warehouse is not None:
        witness = _Witness(world, world.warehouse.mirror)
        world.warehouse.mirror = witness
        return witness
    witness, extract = _Witness(world, None), Extract(world.stores, world.stripe.books, world.stripe.prices)
    world.warehouse = Nights(world, world.nightly, Warehouse().mirror_minute, extract, witness, _nothing, _nobody, world.weather)
    world.warehouse.start()
    return witness


def _nothing(_now_ms: int) -> Seen:
    return Seen((), ())


def _nobody(_night: Night) -> None:
    """Nobody is told of it."""
