"""`python -m benchmarks.double_charge [SEEDS]`: nobody's money is taken twice where half of all requests that change something at Stripe get no
answer, half of those after they were performed; processes die, and whoever asked asks again.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from msgspec.structs import replace

from billsim.faults.base import Dial
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load
from billsim.stripe.methods import METHODS


def main(seeds: int) -> int:
    """Print what the seeds came to; how many of them fell."""
    base = load(find("load/unsteady_small"))
    changing = tuple(name for name, method in METHODS.items() if not method.reads)
    storm = {"stripe_timeout": Dial(ppm=500_000, methods=changing), "crash": Dial(ppm=100_000)}
    scenario = replace(base, faults=storm, judge=replace(base.judge, sometimes=("stripe_done_unheard",)))
    began, verdicts, findings, drift, done = time.process_time(), Counter[str](), Counter[str](), Counter[str](), 0
    for seed in range(seeds):
        data = run_scenario(scenario, seed=seed).data
        verdicts[data["verdict"]] += 1
        findings.update(finding["check"] for finding in data["findings"])
        drift.update({code: counts["open_at_end"] for code, counts in data["drift"]["by_code"].items() if counts["open_at_end"]})
        done += data["marks"].get("stripe_done_unheard", 0)
    sys.stdout.write(f"{seeds} seeds: {dict(verdicts)}; {done} requests performed and not answered; findings {dict(findings)}, ")
    sys.stdout.write(f"drift at the end {dict(drift)}; {time.process_time() - began:.0f} s of CPU\n")
    return seeds - verdicts["holds"]


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)))
