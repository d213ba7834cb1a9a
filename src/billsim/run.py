"""The main path of a run: load -> build -> storm -> calm -> judge -> write."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from billsim import rehearsal
from billsim.checks.judge import Report
from billsim.core.choices import Recorded, Reseeded, Seeded
from billsim.core.guard import guarded
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.core.schedule import Schedule
from billsim.core.time import HOUR_MS, iso
from billsim.core.trace import DriftRecord, Sink, Trace
from billsim.engines import end_engine, load_engine, modules_of
from billsim.handover import Handover
from billsim.ports import Engine
from billsim.scenario import orders
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Control, Expect, ExpectedDrift, Outcome, Scenario
from billsim.scenario.shown import not_shown
from billsim.scenario.tales import tell, told
from billsim.world import World

if TYPE_CHECKING:
    from billsim.warehouse.nightly import Night

# How an engine asks Stripe: its requests and gathers reach the simulation as they are, or through the official SDK, which comes to the same.
DIRECT, SDK = STRIPES = ("direct", "sdk")
SLICE = 20_000
SHIPPED = Platform()


class Progress(NamedTuple):
    """How far a run is: simulated instants, what has happened, and the phase (`before`, `storm`, `calm`, `drain`)."""

    now_ms: int
    start_ms: int
    end_ms: int
    kernel_events: int
    stripe_events: int
    phase: str


class Keeper(Protocol):
    """Keeps what a run leaves: takes batches of records and, at the end of each slice, the choices asked in it."""

    def sink(self, batch: list[Any]) -> None:
        """Take a batch of trace records."""
        ...

    def keep(self, asked: Sequence[tuple[str, int]]) -> None:
        """Take the choices of a slice, and write down what waits."""
        ...


@dataclass
class RunResult:
    """What a run came to. `data` is the object of `--json`; `drift` holds what stands open first, then what has closed; `tape` every answer, where
    it was kept, and `kept` how many of them were given before it was reseeded. `nights`: what its warehouse saw, where it has one.
    """

    data: dict[str, Any]
    drift: list[DriftRecord]
    as_expected: bool | None
    verdict: str
    tape: list[tuple[str, int]] | None = None
    records: list[Any] = field(default_factory=list)
    kept: int = 0
    nights: list[Night] = field(default_factory=list)


@dataclass
class OrdersResult:
    """Every order of a story: (the offsets that made it, its run), and what that says. """

    orders: list[tuple[dict[str, int], RunResult]]
    verdict: str
    as_expected: bool | None
    control: RunResult | None = None


@contextmanager
def rare_collections() -> Iterator[None]:
    """Rows and records are freed by their reference counts; looking for cycles among hundreds of thousands of them takes a fifth of a run.

    What is left of a world is to be let go of within, before anybody looks again.
    """
    before = gc.get_threshold()
    gc.set_threshold(500_000, 10, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@rare_collections()
def run_scenario(
    scenario: Scenario,
    *,
    seed: int = 0,
    engine: str = "recompute",
    out: Keeper | None = None,
    progress: Callable[[Progress], None] | None = None,
    overrides: Mapping[str, int] | None = None,
    tape: Mapping[str, int] | None = None,
    strict: bool = False,
    keep_tape: bool = False,
    keep_records: bool = False,
    bodies: bool = True,
    platform: Platform = SHIPPED,
    schedule: Schedule | None = None,
    reseed: tuple[int, int] | None = None,
    attend: Callable[[World], None] | None = None,
) -> RunResult:
    """Run a scenario once under an engine: the storm, the calm, then the checks.

    `overrides` answers some choices otherwise; `tape` answers those that it holds, and with `strict` no others (NotOnTapeError). `platform` is what a
    policy file says of a team's own. `schedule` says which of the things that race goes first. `reseed`: what the scenario leaves open or pins is
    answered from `seed` up to that instant, and from another seed after it. `attend` is handed the world before its first step.
    """
    choices = _choices(scenario, seed, overrides, tape, strict, reseed)
    choices.taped = out is not None or keep_tape
    scenario = rehearsal.ruled(tell(scenario, choices), platform)
    policy = platform.dunning(scenario.stripe.max_attempts)
    chosen = load_engine(engine, policy, scenario.stripe, platform)
    trace, kept_tape, records = Trace(), [], []  # type: tuple[Trace, list[tuple[str, int]], list[Any]]
    trace.sinks = _sinks(out, records if keep_records else None)

    def after_slice(phase: str) -> None:
        trace.flush()
        asked = choices.asked[:]
        choices.asked.clear()
        if keep_tape:
            kept_tape.extend(asked)
        if out is not None:
            out.keep(asked)
        if progress is not None:
            progress(_progress(world, phase))

    began = clock_ns()
    first = _first(scenario, chosen, policy, platform)
    with _ending(chosen), _ending(first), guarded(modules_of(engine, chosen)):
        world = World(scenario, first, choices, trace, policy, bodies=bodies, order=schedule)
        built = _begin(choices, world, attend)
        handover = _handover(world, chosen)
        tally = rehearsal.attend(world, lambda: scenario.start if handover is None else handover.at_ms)
        drained = _live(world, after_slice, handover=handover) and (handover is None or handover.drained)
        report = world.judge.finish(world.kernel.now)
    after_slice("drain")
    data = _as_json(world, report, seed, engine, drained, (clock_ns() - began) // 1_000_000) | _told_of(handover)
    data |= rehearsal.figures(world, report, tally) | _policy_of(platform) | {"build_s": (built - began) // 1_000_000 / 1000}
    nights, expect = _nights_of(world), scenario.expect.get(engine)
    data |= _told_by_night(scenario, expect, nights)
    expected = _as_expected(expect, report.drift, nights)
    world.close()
    return RunResult(data, report.drift, expected, data["verdict"], kept_tape if keep_tape else None, records, getattr(choices, "kept", 0), nights)


def run_orders(
    scenario: Scenario,
    *,
    seed: int = 0,
    engine: str = "recompute",
    progress: Callable[[int], None] | None = None,
    platform: Platform = SHIPPED,
) -> OrdersResult:
    """Run every order of the rows that race, and the story's race-free control, where it has one.

    Raises TooManyOrdersError.
    """
    runs = []
    for overrides in orders.orders(scenario):
        runs.append((overrides, run_scenario(scenario, seed=seed, engine=engine, overrides=overrides, platform=platform)))
        if progress is not None:
            progress(len(runs))
    expect = scenario.expect.get(engine)
    control = None
    if expect is not None and expect.control is not None:
        control = run_scenario(orders.control(scenario, expect.control), seed=seed, engine=engine, platform=platform)
    verdicts = {run.verdict for _, run in runs}
    verdict = "falls" if "falls" in verdicts else "holds" if verdicts == {"holds"} else "unknown"
    return OrdersResult(runs, verdict, _orders_as_expected(expect, [run for _, run in runs], control), control)


def look_at(
    scenario: Scenario,
    at_ms: int,
    look: Callable[[World], Any],
    *,
    seed: int,
    engine: str,
    tape: Mapping[str, int],
    strict: bool = False,
    platform: Platform = SHIPPED,
) -> tuple[Any, int]:
    """Run a recorded run again up to and including an instant, and no further: what `look` says of the world then, and how many questions the tape
    did not answer.

    Raises InputError for an instant outside the run, and NotOnTapeError when `strict`.
    """
    if at_ms < scenario.start:
        raise InputError(f"{iso(at_ms)} is before the run, which begins at {iso(scenario.start)}", key="--until")
    choices = _recorded(scenario, seed, tape, strict)
    choices.taped = False
    scenario = rehearsal.ruled(tell(scenario, choices), platform)
    policy = platform.dunning(scenario.stripe.max_attempts)
    chosen = load_engine(engine, policy, scenario.stripe, platform)
    first = _first(scenario, chosen, policy, platform)
    with _ending(chosen), _ending(first), guarded(modules_of(engine, chosen)), rare_collections():
        world = World(scenario, first, choices, Trace(), policy)
        _live(world, lambda _phase: None, at_ms, _handover(world, chosen))
        if world.kernel.now < at_ms and not world.pending:
            raise InputError(f"{iso(at_ms)} is after the run, which ends at {iso(world.kernel.now)}", key="--until")
        return look(world), choices.off_tape


def asking_through(stripe: str) -> Callable[[World], None] | None:
    """What makes the engine of a world ask Stripe this way, for `attend`; None for `direct`. Raises InputError where the extra is not installed.

    To be called before the world stands: under its guard nothing is to be imported that looks at the machine.
    """
    if stripe == DIRECT:
        return None
    try:
        from billsim.stripe.through_sdk import ThroughSdk
    except ImportError as missing:
        raise InputError(str(missing), key="--stripe") from missing

    def put_between(world: World) -> None:
        through = ThroughSdk(world.stripe, lambda: world.kernel.now)
        world.runtime.go_through(through, through.look)

    return put_between


def _choices(
    scenario: Scenario, seed: int, overrides: Mapping[str, int] | None, tape: Mapping[str, int] | None, strict: bool, reseed: tuple[int, int] | None
) -> Seeded:
    """Who answers: a tape, the seed, or the seed up to an instant and another one after it, with the rows that race from then on."""
    if reseed is not None:
        until_ms, then = reseed
        ahead = [orders.offset_label(index) for index, row in enumerate(told(scenario, seed).timeline) if row.at > until_ms]
        pinned = {**scenario.answers, **(tape or {})}
        return Reseeded(seed, then, until_ms, scenario.start, pinned=pinned, overrides=overrides or {}, ahead=ahead)
    return _seeded(scenario, seed, overrides) if tape is None else _recorded(scenario, seed, tape, strict)


def _progress(world: World, phase: str) -> Progress:
    scenario, counts = world.scenario, world.pipe.counts
    return Progress(world.kernel.now, scenario.start, _end_ms(scenario), world.kernel.events, counts.stripe, phase)


def _begin(choices: Seeded, world: World, attend: Callable[[World], None] | None) -> int:
    """From here on time passes, for whoever answers by it. Answer: when that was, in measured nanoseconds."""
    if isinstance(choices, Reseeded):
        choices.clock = world.kernel
    if attend is not None:
        attend(world)
    return clock_ns()


def _seeded(scenario: Scenario, seed: int, overrides: Mapping[str, int] | None) -> Seeded:
    """The seed answers, but for what the scenario pins, and that but for `overrides`."""
    return Seeded(seed, overrides={**scenario.answers, **(overrides or {})})


def _recorded(scenario: Scenario, seed: int, tape: Mapping[str, int], strict: bool) -> Recorded:
    """The tape answers, which holds what the scenario pins; under another engine, that is asked perhaps where the tape ends."""
    return Recorded(seed, tape if strict else {**scenario.answers, **tape}, strict=strict)


def _first(scenario: Scenario, chosen: Engine, policy: DunningPolicy, platform: Platform) -> Engine:
    """The engine that a world begins with: the one that hands it over, where it is handed over."""
    return chosen if scenario.before is None else load_engine(scenario.before.engine, policy, scenario.stripe, platform)


def _handover(world: World, chosen: Engine) -> Handover | None:
    return None if world.scenario.before is None else Handover(world, world.scenario.before, chosen)


def _nights_of(world: World) -> list[Night]:
    return [] if world.warehouse is None else world.warehouse.nights


def _told_by_night(scenario: Scenario, expect: Expect | None, nights: list[Night]) -> dict[str, Any]:
    """What the nights came to, where there are any; and `not_shown`: what every order was to show, and views did not, where that is expected."""
    told: dict[str, Any] = {} if scenario.warehouse is None else {"nights": rehearsal.night_figures(nights)}
    outcome = expect.every_order if expect is not None else None
    if outcome is not None and outcome.shows:
        told["not_shown"] = msgspec.to_builtins(not_shown(outcome, nights))
    return told


def _policy_of(platform: Platform) -> dict[str, Any]:
    return {} if platform == SHIPPED else {"policy": platform.source}


def _told_of(handover: Handover | None) -> dict[str, Any]:
    return {} if handover is None else {"handover": handover.figures()}


def _live(world: World, after_slice: Callable[[str], None], until_ms: int | None = None, handover: Handover | None = None) -> bool:
    """The storm, the calm, and then until nothing is on its way; False when that took too long. `until_ms`: no further than that. With a `handover`
    there is a part before the storm.
    """
    storm_ms, calm_ms = world.scenario.until, _end_ms(world.scenario)
    stop_ms = calm_ms + 1 if until_ms is None else until_ms
    if handover is not None:
        _advance(world, min(world.scenario.handover, stop_ms), "before", after_slice)
        if stop_ms <= world.scenario.handover:
            return False
        handover.perform()
    _advance(world, min(storm_ms, stop_ms), "storm", after_slice)
    if stop_ms <= storm_ms:
        return False
    world.stop_faults()
    world.redrive()
    _advance(world, min(calm_ms, stop_ms), "calm", after_slice)
    return stop_ms > calm_ms and world.drain(until_ms)


@contextmanager
def _ending(engine: Engine) -> Iterator[None]:
    """However the run ends, a program that is its engine ends with it."""
    try:
        yield
    finally:
        end_engine(engine)


def _sinks(out: Keeper | None, records: list[Any] | None) -> list[Sink]:
    sinks: list[Sink] = []
    if out is not None:
        sinks.append(out.sink)
    if records is not None:
        sinks.append(records.extend)
    return sinks


def _advance(world: World, until_ms: int, phase: str, after_slice: Callable[[str], None]) -> None:
    done = False
    while not done:
        done = world.run_until(until_ms, SLICE)
        after_slice(phase)


def _end_ms(scenario: Scenario) -> int:
    return scenario.until + scenario.calm_hours * HOUR_MS


# -- what is expected ----------------------------------------------------------------------------------------------------------------


def _same(expected: Sequence[ExpectedDrift], found: Sequence[DriftRecord]) -> bool:
    """Whether the drift found is exactly the expected one; a cause counts only where one is given."""
    if {(e.account, e.code) for e in expected} != {(d.account, d.code) for d in found}:
        return False
    return all(e.cause is None or any((d.account, d.code, d.cause) == (e.account, e.code, e.cause) for d in found) for e in expected)


def _matches(expected: Outcome | Control, drift: Sequence[DriftRecord], nights: Sequence[Night]) -> bool:
    if isinstance(expected, Outcome) and not_shown(expected, nights):
        return False
    still_open = [record for record in drift if record.closed_ms is None]
    closed = [record for record in drift if record.closed_ms is not None]
    return _same(expected.drift, still_open) and (expected.closed is None or _same(expected.closed, closed))


def _as_expected(expect: Expect | None, drift: Sequence[DriftRecord], nights: Sequence[Night]) -> bool | None:
    """Whether one run is what the scenario pins; None where it pins nothing that one order can refute."""
    if expect is None:
        return None
    if expect.every_order is not None:
        return _matches(expect.every_order, drift, nights)
    return True if expect.some_order is not None and _matches(expect.some_order, drift, nights) else None


def _orders_as_expected(expect: Expect | None, runs: Sequence[RunResult], control: RunResult | None) -> bool | None:
    """Every order is as pinned; or one is, and the others show nothing; and so is the control."""
    if expect is None:
        return None
    if expect.every_order is not None and not all(_matches(expect.every_order, run.drift, run.nights) for run in runs):
        return False
    if expect.some_order is not None:
        shown = [_matches(expect.some_order, run.drift, run.nights) for run in runs]
        if not any(shown) or any(run.data["drift"]["open_at_end"] for match, run in zip(shown, runs, strict=True) if not match):
            return False
    return control is None or expect.control is None or _matches(expect.control, control.drift, control.nights)


# -- the JSON contract ---------------------------------------------------------------------------------------------------------------


def _as_json(world: World, report: Report, seed: int, engine: str, drained: bool, wall_ms: int) -> dict[str, Any]:
    findings = [msgspec.to_builtins(finding) for finding in report.findings]
    missing = [mark for mark in world.scenario.judge.sometimes if not world.marks.get(mark) and engine == "recompute"]
    falls = report.open_at_end > 0 or bool(findings)
    runtime, counts = world.runtime, world.pipe.counts
    recomputes = max(1, runtime.recomputes)
    return {
        "scenario": world.scenario.id,
        "seed": seed,
        "engine": engine,
        "verdict": "falls" if falls else "unknown" if missing or not drained else "holds",
        "digest": world.trace.digest,
        "accounts": len(world.stores.names),
        "events": {
            "stripe": counts.stripe,
            "delivered": counts.delivered,
            "duplicates": counts.duplicates,
            "redelivered": counts.redelivered,
            "dead_letter": counts.dead_letter,
        },
        "drift": {
            "opened": report.opened,
            "closed": report.closed,
            "open_at_end": report.open_at_end,
            "unhealable": report.unhealable,
            "by_code": report.by_code,
        },
        "converge_ms": report.converge_ms,
        "recompute": {
            "count": runtime.recomputes,
            "p50_us": runtime.compute_us.percentile(50),
            "p99_us": runtime.compute_us.percentile(99),
            "whole_p50_us": runtime.whole_us.percentile(50),
            "whole_p99_us": runtime.whole_us.percentile(99),
        },
        "pipe_latency_ms": {"p50": world.pipe_latency_ms.percentile(50), "p99": world.pipe_latency_ms.percentile(99)},
        "lag_ms": report.lag_ms,
        "round_trips": {
            "stripe_per_recompute": round(runtime.stripe_trips / recomputes, 2),
            "stores_per_recompute": round(runtime.store_trips / recomputes, 2),
        },
        "marks": dict(sorted(world.marks.items())),
        "marks_missing": missing,
        "findings": findings,
        "kernel_events": world.kernel.events,
        "records": world.trace.count,
        "wall_s": wall_ms / 1000,
        "run_dir": None,
    }
