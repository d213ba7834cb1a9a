"""`python -m benchmarks.mixed SEEDS [FIRST]`: the whole platform under every fault and every caller (`fuzz/mixed_small`), under both engines.

Prints the verdicts of each engine, and how often each drift code, each cause, each mark, each fault and each caller was met under either of them.
What was never met is named, and so is every seed under which `recompute` does not hold; then the exit code is 1.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import NamedTuple

from billsim.checks.cause import CAUSES
from billsim.checks.codes import CODES
from billsim.checks.marks import MARKS, OF_NIGHTS
from billsim.core.measure import clock_ns
from billsim.faults.base import MIRROR
from billsim.faults.catalogue import FAULTS
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.population_data import callers_of
from billsim.scenario.toml_file import find, load

SCENARIO = "fuzz/mixed_small"
ENGINES = ("recompute", "legacy")
# What befalls the nightly mirror befalls nobody on the platform, and this one is not mirrored.
STRIKING = [fault.name for fault in FAULTS if fault.area != MIRROR]
REACHABLE = [mark for mark in MARKS if mark not in OF_NIGHTS]


class Tally(NamedTuple):
    """What was met in the runs of all engines, by name; and the seeds under which an engine did not hold."""

    verdicts: dict[str, Counter[str]]
    codes: Counter[str]
    causes: Counter[str]
    marks: Counter[str]
    faults: Counter[str]
    callers: Counter[str]
    fallen: dict[str, list[int]]
    told: list[str]

    @property
    def never(self) -> dict[str, list[str]]:
        """What there is and was not met, by kind."""
        points = callers_of(load(find(SCENARIO)))
        kinds = {"codes": CODES, "causes": CAUSES, "marks": REACHABLE, "faults": STRIKING, "callers": [*points]}
        return {kind: missing for kind, names in kinds.items() if (missing := [name for name in names if not getattr(self, kind)[name]])}


def tally_of(seeds: range, scenario: Scenario | None = None) -> Tally:
    """Run the scenario under both engines with each seed."""
    scenario = scenario or load(find(SCENARIO))
    points = [*callers_of(scenario)]
    tally = Tally({engine: Counter() for engine in ENGINES}, *(Counter() for _ in range(5)), {engine: [] for engine in ENGINES}, [])
    for seed in seeds:
        for engine in ENGINES:
            _count(tally, engine, seed, run_scenario(scenario, seed=seed, engine=engine, keep_tape=True), points)
    return tally


def _count(tally: Tally, engine: str, seed: int, run: RunResult, points: list[str]) -> None:
    tally.verdicts[engine][run.verdict] += 1
    tally.codes.update(drift.code for drift in run.drift)
    tally.causes.update(drift.cause for drift in run.drift)
    tally.marks.update(run.data["marks"])
    for label, answer in run.tape or ():
        if "/fault/" in label and answer == 1:
            tally.faults[label.split("/")[2]] += 1
        elif label.startswith("w/caller/") and label.endswith("/does") and 0 <= answer < len(points):
            tally.callers[points[answer]] += 1
    if run.verdict != "holds":
        tally.fallen[engine].append(seed)
        if engine == "recompute":
            standing = [f"{drift.account} {drift.code} ({drift.cause}): {drift.detail}" for drift in run.drift if drift.closed_ms is None]
            findings = [finding["summary"] for finding in run.data["findings"]]
            tally.told.append(f"seed {seed}: {run.verdict}; {'; '.join([*standing, *findings][:4]) or 'something is still on its way'}")


def main() -> int:
    """Run and print; 1 where `recompute` did not hold, or something was never met."""
    told = [int(text) for text in sys.argv[1:]]
    seeds, first = (*told, *(20, 0)[len(told) :])
    began = clock_ns()
    tally = tally_of(range(first, first + seeds))
    for engine in ENGINES:
        print(f"{engine}: {dict(tally.verdicts[engine])}")
    for kind in ("codes", "causes", "marks", "faults"):
        print(f"{kind}: {dict(sorted(getattr(tally, kind).items()))}")
    print(f"callers: {sum(tally.callers.values())} calls at {len(tally.callers)} touchpoints")
    for line in tally.told:
        print(line)
    print(f"never met: {tally.never or 'nothing'}")
    print(f"{seeds} seeds in {(clock_ns() - began) // 1_000_000_000} s")
    return 1 if tally.fallen["recompute"] or tally.never else 0


if __name__ == "__main__":
    sys.exit(main())
