"""Whether anything but the seed has a say: `python -m benchmarks.digests [SEEDS]` runs each seed of `fuzz/tales` in two fresh processes, under
different hash seeds, and names the seeds whose digests differ.
"""

from __future__ import annotations

import os
import subprocess
import sys

SEEDS = 10_000
HASH_SEEDS = ("1", "4242")


def main(seeds: str = str(SEEDS)) -> int:
    """Print how many seeds were run and which differ; 1 if one does."""
    differing = compare(int(seeds))
    print(f"{seeds} seeds of fuzz/tales, each in two processes with PYTHONHASHSEED {' and '.join(HASH_SEEDS)}: {len(differing)} digests differ")
    for seed in differing[:10]:
        print(f"  seed {seed}")
    return 1 if differing else 0


def compare(seeds: int) -> list[int]:
    """The seeds below `seeds` whose digests differ between the two processes."""
    asked = [sys.executable, "-m", "benchmarks.digests", "print", str(seeds)]
    started = [subprocess.Popen(asked, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": each}, text=True) for each in HASH_SEEDS]
    one, other = [process.communicate()[0].split() for process in started]
    if not len(one) == len(other) == seeds:
        raise RuntimeError(f"the processes ran {len(one)} and {len(other)} of {seeds} seeds")
    return [seed for seed in range(seeds) if one[seed] != other[seed]]


def _print(seeds: int) -> None:
    """The digest of each seed, a line each."""
    from billsim.run import run_scenario
    from billsim.scenario.toml_file import find, load

    tales = load(find("fuzz/tales"))
    for seed in range(seeds):
        print(run_scenario(tales, seed=seed, bodies=False).data["digest"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["print"]:
        _print(int(sys.argv[2]))
    else:
        sys.exit(main(*sys.argv[1:]))
