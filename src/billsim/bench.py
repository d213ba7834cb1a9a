"""Bench: how fast and how large billsim is here, each time against the floor that is measured in the same process just before and after.

One day under an engine (ratio, recompute, round trips), the same population run on for ten times the events in a process of its own (time and
memory), and many small worlds one after the other. Two results are compared as on one machine: what the floor says of its speed is taken out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from platform import platform as machine
from platform import python_version
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from billsim import __version__
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.core.time import DAY_MS
from billsim.floor import against_floor, seconds
from billsim.run import SHIPPED, Progress, RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.policy_file import load_policy
from billsim.scenario.toml_file import load

STEPS = 10
# A run tells of itself about every 6,000 events: below this there would be no tenth to look at.
FEWEST_EVENTS = 12_000
MOST_EVENTS = 100_000_000
MOST_WORLDS = 1_000_000
_LONGEST_DAYS = 3_650
_START_MS = 1_772_323_200_000
# Three accounts of two subscriptions each, which renew within a day, and the three days after it: six renewals of nine events, and what follows where
# a card has no funds or is lost (in a third of the worlds): dunning, retries, customers who pay or bring a new card. 60 Stripe events on average.
SMALL = Scenario(
    id="bench/small_world",
    start=_START_MS,
    until=_START_MS + 4 * DAY_MS,
    calm_hours=2,
    population=Population(accounts=3, days=4, declines=100, lost=20, second_subscription=1000, renewal_spread_days=1),
)


class Metric(NamedTuple):
    """A figure that two results are compared by: where it stands, whether less is better, and how it goes with the machine's speed:
    1 a time, -1 a rate, 0 neither.
    """

    path: tuple[str, ...]
    less_is_better: bool
    scales: int


METRICS = (
    Metric(("ratio",), True, 0),
    Metric(("kernel_events_per_webhook",), True, 0),
    Metric(("recompute", "p50_us"), True, 1),
    Metric(("recompute", "p99_us"), True, 1),
    Metric(("recompute", "whole_p50_us"), True, 1),
    Metric(("recompute", "whole_p99_us"), True, 1),
    Metric(("small_worlds_per_s",), False, -1),
    Metric(("rss_mb",), True, 0),
    Metric(("times_for_ten_times",), True, 0),
)


class Compared(NamedTuple):
    """A figure of the baseline, on this machine's speed, and now. `worse_percent` is negative where it is better."""

    metric: str
    baseline: float
    now: float
    worse_percent: float


def check(scale_to: int, worlds: int, fail_over: int) -> None:
    """Raise InputError for sizes that cannot be."""
    if scale_to and not FEWEST_EVENTS <= scale_to <= MOST_EVENTS:
        raise InputError(f"must be 0, or {FEWEST_EVENTS} to {MOST_EVENTS}, not {scale_to}", key="--scale-to")
    if not 0 <= worlds <= MOST_WORLDS:
        raise InputError(f"must be 0 to {MOST_WORLDS}, not {worlds}", key="--worlds")
    if fail_over < 0:
        raise InputError(f"must not be negative, is {fail_over}", key="--fail-over")


def bench(path: Path, *, engine: str, seed: int, scale_to: int, worlds: int, policy: Path | None = None) -> dict[str, Any]:
    """Measure; the object of `--json`. `scale_to` 0 leaves the scale out, `worlds` 0 the small worlds. `policy` is a policy file.

    Raises InputError for a scenario that cannot be run on (one without a population), and for a policy file that is none.
    """
    scenario, platform = load(path), SHIPPED if policy is None else load_policy(policy)
    if scale_to and scenario.population is None:
        raise InputError("has no population: it cannot be run on for more events; leave the scale out with --scale-to 0", str(path))
    data: dict[str, Any] = {"billsim": __version__, "python": python_version(), "machine": machine(terse=True), "scenario": scenario.id}
    data |= {} if policy is None else {"policy": str(policy)}
    # First of all: what a day leaves in memory would slow each of them down.
    small = _small_worlds(engine, seed, worlds, platform) if worlds else {}
    data |= _day(scenario, engine, seed, platform)
    if scale_to:
        data |= _scale(path, engine, seed, scale_to, policy)
    return data | small


def _day(scenario: Scenario, engine: str, seed: int, platform: Platform) -> dict[str, Any]:
    """One run against the floor: `ratio` is the whole run's, `ratio_built` leaves out `build_s`, which making the accounts took."""
    results: list[RunResult] = []

    def run() -> int:
        results.append(run_scenario(scenario, engine=engine, seed=seed, platform=platform))
        return int(results[0].data["events"]["stripe"])

    figure = against_floor(run)
    data = results[0].data
    events = data["events"]["stripe"]
    if not events:
        raise InputError("makes no Stripe event: there is nothing to measure", scenario.source)
    return {
        "engine": engine,
        "seed": seed,
        "verdict": data["verdict"],
        "digest": data["digest"],
        "accounts": data["accounts"],
        "events": events,
        "floor_s": round(figure.floor_s, 4),
        "run_s": round(figure.run_s, 3),
        "build_s": data["build_s"],
        "ratio": round(figure.ratio, 2),
        "ratio_built": round((figure.run_s - data["build_s"]) / figure.floor_s, 2),
        "floor_events_per_s": round(events / figure.floor_s),
        "events_per_s": round(events / figure.run_s),
        "kernel_events_per_webhook": round(data["kernel_events"] / data["events"]["delivered"], 2),
        "recompute": data["recompute"],
        "round_trips": data["round_trips"],
        "pipe_latency_ms": data["pipe_latency_ms"],
    }


# -- scale -------------------------------------------------------------------------------------------------------------------------------


class _Enough(Exception):
    """As many events as were wanted."""


def _scale(path: Path, engine: str, seed: int, events: int, policy: Path | None) -> dict[str, Any]:
    """A tenth of the events and all of them, in one run of a fresh process, so that no other run's memory is counted; and its memory on the way."""
    points = list(_measured_apart(path, engine, seed, events, policy))
    if len(points) < 2 or points[-1]["events"] < events:
        raise InputError(f"came to {points[-1]['events'] if points else 0} Stripe events in ten years, not to {events}", str(path), key="--scale-to")
    first, last = next(point for point in points if point["events"] * STEPS >= events), points[-1]
    times = (last["run_s"] / first["run_s"]) / (last["events"] / first["events"]) * STEPS
    return {"scale": [first, last], "memory": points, "rss_mb": last["rss_mb"], "times_for_ten_times": round(times, 2)}


def _measured_apart(path: Path, engine: str, seed: int, events: int, policy: Path | None) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-c", "import sys; from billsim.bench import main; main(*sys.argv[1:])", str(path), engine, str(seed), str(events)]
    command += [] if policy is None else [str(policy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            for line in child.stdout or ():
                yield msgspec.json.decode(line)
            complaint = child.stderr.read() if child.stderr else b""
        finally:
            child.kill()
    if child.returncode > 0:
        last = (complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"the run for more events ended with exit code {child.returncode}: {last}")


def main(path: str, engine: str, seed: str, events: str, policy: str = "") -> None:
    """The process of its own: writes a line of JSON at each tenth of the events, and ends when it has them all, or whoever started it is gone."""
    for_events, began, due, parent = int(events), clock_ns(), [0], os.getppid()
    scenario, platform = load(path), load_policy(Path(policy)) if policy else SHIPPED
    far = replace(scenario, until=scenario.start + _LONGEST_DAYS * DAY_MS)

    def watch(progress: Progress) -> None:
        if os.getppid() != parent:
            raise _Enough
        if progress.stripe_events < due[0]:
            return
        due[0] = progress.stripe_events * STEPS // for_events * for_events // STEPS + for_events // STEPS
        point = {"events": progress.stripe_events, "run_s": round((clock_ns() - began) / 1e9, 3), "rss_mb": peak_mb()}
        sys.stdout.write(msgspec.json.encode(point).decode() + "\n")
        sys.stdout.flush()
        if progress.stripe_events >= for_events:
            raise _Enough

    try:
        run_scenario(far, engine=engine, seed=int(seed), progress=watch, platform=platform)
    except (_Enough, KeyboardInterrupt):
        return


def peak_mb() -> int:
    """The most memory that this process has held so far, in MB of the operating system's count; 0 where that does not tell."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return 0
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


# -- small worlds ------------------------------------------------------------------------------------------------------------------------


def _small_worlds(engine: str, seed: int, worlds: int, platform: Platform) -> dict[str, Any]:
    """Worlds of three accounts, one after the other on one core, each under a seed of its own: checks on, bodies off."""
    made = 0

    def run() -> None:
        nonlocal made
        for nth in range(worlds):
            result = run_scenario(SMALL, engine=engine, seed=seed + nth, bodies=False, platform=platform)
            made += int(result.data["events"]["stripe"])

    took_s = seconds(run)
    return {"small_worlds_per_s": round(worlds / took_s, 1), "small_world_events": round(made / worlds, 1)}


# -- two results ---------------------------------------------------------------------------------------------------------------------------


def read_baseline(path: Path) -> dict[str, Any]:
    """An earlier result. Raises InputError for a file that is none."""
    try:
        data = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path), key="--baseline") from None
    except msgspec.DecodeError as error:
        raise InputError(f"is not JSON: {error}", str(path), key="--baseline") from None
    if not isinstance(data, dict) or not isinstance(data.get("floor_events_per_s"), int) or "ratio" not in data:
        raise InputError("is no result of `billsim bench --json`", str(path), key="--baseline")
    return data


def compared(baseline: Mapping[str, Any], now: Mapping[str, Any]) -> list[Compared]:
    """Each figure that both results have. Raises InputError for results that measured different things."""
    for key in ("scenario", "engine", "policy"):
        then, this = baseline.get(key, "none"), now.get(key, "none")
        if then != this:
            raise InputError(f"measured the {key} {then}, and this is {this}", key="--baseline")
    slower = baseline["floor_events_per_s"] / now["floor_events_per_s"]
    found = []
    for metric in METRICS:
        before, after = _at(baseline, metric.path), _at(now, metric.path)
        if before and after:
            before = before * slower**metric.scales
            worse = after / before - 1 if metric.less_is_better else before / after - 1
            found.append(Compared(".".join(metric.path), round(before, 2), after, round(100 * worse, 1)))
    return found


def failing(comparison: Sequence[Compared], percent: int) -> list[Compared]:
    """The figures that are worse by more than so many percent."""
    return [each for each in comparison if each.worse_percent > percent]


def _at(data: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# -- for people ----------------------------------------------------------------------------------------------------------------------------


def markdown(data: Mapping[str, Any], comparison: Sequence[Compared] = ()) -> str:
    """The result as a page of Markdown."""
    trips, recompute = data["round_trips"], data["recompute"]
    rows = [
        ("events, accounts, verdict", f"{data['events']:,}, {data['accounts']:,}, {data['verdict']}"),
        ("run, of it making the accounts", f"{data['run_s']} s, {data['build_s']} s"),
        ("floor", f"{data['floor_s']} s"),
        ("ratio", data["ratio"]),
        ("ratio without making the accounts", data["ratio_built"]),
        ("Stripe events a second", f"{data['events_per_s']:,}"),
        ("kernel events a webhook", data["kernel_events_per_webhook"]),
        ("recompute, own compute p50, p99", f"{recompute['p50_us']} us, {recompute['p99_us']} us"),
        ("recompute, with gather and apply p50, p99", f"{recompute['whole_p50_us']} us, {recompute['whole_p99_us']} us"),
        ("round trips a recompute to Stripe, to stores", f"{trips['stripe_per_recompute']}, {trips['stores_per_recompute']}"),
        ("pipe latency p50 (simulated)", f"{data['pipe_latency_ms']['p50']} ms"),
    ]
    rows += [(f"{point['events']:,} events", f"{point['run_s']} s, {point['rss_mb']} MB at most") for point in data.get("scale", ())]
    if "times_for_ten_times" in data:
        rows.append(("ten times the events take", f"{data['times_for_ten_times']} times the time"))
    if "small_worlds_per_s" in data:
        rows.append(("small worlds a second", f"{data['small_worlds_per_s']} ({data['small_world_events']} events each)"))
    about = f"billsim {data['billsim']}, Python {data['python']}, {data['machine']}"
    under = f"{data['engine']}, seed {data['seed']}" + (f", policy {data['policy']}" if "policy" in data else "")
    page = f"# {data['scenario']} under {under}\n\n{about}\n\n{_table(('Figure', 'Value'), rows)}"
    if comparison:
        against = [(each.metric, each.baseline, each.now, f"{each.worse_percent:+} %") for each in comparison]
        page += "\n## Against the baseline\n\nTimes and rates of the baseline at this machine's speed.\n\n"
        page += _table(("Figure", "Then", "Now", "Worse"), against)
    return page


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"

