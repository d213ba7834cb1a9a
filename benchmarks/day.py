"""A day of 20,000 events against the floor, and where its time goes: `python -m benchmarks.day [ENGINE]`."""

from __future__ import annotations

import cProfile
import pstats
import sys
from collections import defaultdict
from pathlib import Path

from billsim.floor import against_floor
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import load

DAY = Path(__file__).with_name("day_20k.toml")


def main(engine: str = "recompute") -> None:
    """Print the ratio of one run to the floor, its figures, and the share of each part of the package under the profiler."""
    scenario = load(DAY)
    results: list[RunResult] = []

    def run() -> int:
        results.append(run_scenario(scenario, engine=engine))
        return int(results[-1].data["events"]["stripe"])

    figure = against_floor(run)
    data = results[-1].data
    events = data["events"]["stripe"]
    print(f"{engine}: {events} Stripe events, {data['verdict']}; run {figure.run_s:.2f} s, floor {figure.floor_s:.3f} s, ratio {figure.ratio:.1f}")
    print(f"  {data['kernel_events'] / events:.2f} kernel events and {data['records'] / events:.2f} records an event")
    print(f"  recompute {data['recompute']}, round trips {data['round_trips']}")
    profiler = cProfile.Profile()
    profiler.runcall(run_scenario, scenario, engine=engine)
    for part, share in shares(pstats.Stats(profiler)):
        print(f"  {share:5.1f} %  {part}")


def shares(stats: pstats.Stats) -> list[tuple[str, float]]:
    """Percent of the profiled time spent in each part, most first."""
    spent: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own_s, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        _, inside, rest = file.partition("billsim/")
        spent["billsim/" + rest.split("/")[0] if inside else "libraries and built-ins"] += own_s
    total = sum(spent.values())
    return sorted(((part, 100 * own_s / total) for part, own_s in spent.items()), key=lambda item: -item[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
