"""A run whose nightly mirrors are kept. Nobody in the world notices: the trace, and its digest, are those of the run that nobody watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.replay.tape import read
from billsim.run import SHIPPED, Progress, RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario, Warehouse
from billsim.warehouse.dataform import Graph
from billsim.warehouse.extract import Extract
from billsim.warehouse.grade import Grade, grade
from billsim.warehouse.nightly import Night, Nights, Seen
from billsim.warehouse.runner import Broken
from billsim.warehouse.screening import Looked, Screen
from billsim.warehouse.snapshots import Recorder, Snapshot
from billsim.world import World


class Watched(NamedTuple):
    """A run, and the mirrors of its nights."""

    scenario: Scenario
    result: RunResult
    snapshots: tuple[Snapshot, ...]
    platform: Platform = SHIPPED


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
    recorders: list[Recorder] = []
    result = run_scenario(
        scenario,
        seed=seed,
        engine=engine,
        platform=platform,
        tape=tape,
        keep_tape=keep_tape,
        progress=progress,
        attend=lambda world: recorders.append(_recorded(world)),
    )
    if scenario.warehouse is None:
        result.nights.clear()  # of the warehouse that it was lent, through which nobody looked
    return Watched(scenario, result, tuple(recorders[0].snapshots), platform)


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


def view(watched: Watched, screen: Screen) -> Viewed:
    """Let a project look at every night of a run, and mark it; the screen shows the last night's rows then.

    Raises ViewError, and InputError for a run without a night.
    """
    if not watched.snapshots:
        raise InputError("no night falls within the run, so there is no mirror to look at", watched.scenario.source or watched.scenario.id)
    nights = [screen.look(snapshot) for snapshot in watched.snapshots]
    return Viewed(screen.views.graph, nights, grade(watched.result.drift, nights), screen.broken())


def with_warehouse(scenario: Scenario) -> Scenario:
    """The scenario with the warehouse that it is watched by."""
    return scenario if scenario.warehouse is not None else replace(scenario, warehouse=Warehouse())


def _recorded(world: World) -> Recorder:
    """Has the mirrors of a world recorded, which has a warehouse or is given one."""
    if world.warehouse is not None:
        recorder = Recorder(world.kernel, world.warehouse.mirror)
        world.warehouse.mirror = recorder
        return recorder
    recorder, extract = Recorder(world.kernel), Extract(world.stores, world.stripe.books, world.stripe.prices)
    world.warehouse = Nights(world, world.nightly, Warehouse().mirror_minute, extract, recorder, _nothing, _nobody, world.weather)
    world.warehouse.start()
    return recorder


def _nothing(_now_ms: int) -> Seen:
    return Seen((), ())


def _nobody(_night: Night) -> None:
    """Nobody is told of it."""
