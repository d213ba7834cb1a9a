"""A population of 200 for a month: convergence, the paired comparison, and equal digests in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from billsim.compare import compare
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load

SEEDS = range(12)
DIGESTS = """
import sys
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load
scenario = load(find("load/small"))
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    print(seed, *(run_scenario(scenario, seed=seed, engine=engine).data["digest"] for engine in sys.argv[3:]), flush=True)
"""


def digests(hash_seed: str, *arguments: str) -> subprocess.Popen[str]:
    source = str(Path(__file__).resolve().parents[2] / "src")
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": source}
    return subprocess.Popen([sys.executable, "-c", DIGESTS, *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def test_a_hundred_seeds_have_equal_digests_in_fresh_processes_under_different_hash_seeds() -> None:
    one, other = digests("1", "0", "100", "recompute"), digests("4242", "0", "100", "recompute")
    first, second = one.communicate()[0], other.communicate()[0]
    assert (one.returncode, other.returncode) == (0, 0)
    lines = first.splitlines()
    assert len(lines) == 100 and len({line.split()[1] for line in lines}) == 100, "each seed is a world of its own"
    assert first == second


def test_legacy_is_as_deterministic_as_recompute() -> None:
    one, other = digests("0", "0", "10", "legacy"), digests("99", "0", "10", "legacy")
    assert one.communicate()[0] == other.communicate()[0] != ""


@pytest.mark.parametrize("seed", SEEDS)
def test_recompute_converges_everywhere_and_never_drifts(seed: int) -> None:
    result = run_scenario(load(find("load/small")), seed=seed, engine="recompute")
    assert result.verdict == "holds" and result.data["drift"]["opened"] == 0


def test_legacy_equals_truth_on_accounts_with_one_invoice() -> None:
    """Over the seeds: whoever has one subscription ends as truth says; debts do turn bad; and two invoices at once are more than legacy can hold."""
    turned_bad, drifted = 0, set()
    for seed in SEEDS:
        result = run_scenario(load(find("load/small")), seed=seed, engine="legacy", keep_records=True, keep_tape=True)
        owners_of_two = {label.split("/")[2] for label, answer in result.tape or () if label.endswith("/second") and answer}
        standing = {d.account for d in result.drift if d.closed_ms is None}
        assert standing <= owners_of_two, seed
        assert {finding["account"] for finding in result.data["findings"]} <= owners_of_two, seed
        turned_bad += sum(r[0] == "actions" and r.kind == "flag" for r in result.records)
        drifted |= {(seed, account) for account in standing}
    assert turned_bad > 10 and drifted


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_both_engines_meet_the_same_world(seed: int) -> None:
    """The customers' intents and the cards' answers are equal, though one engine makes more events than the other."""
    comparison = compare(load(find("load/small")), ["legacy", "recompute"], seed=seed)
    asked = comparison.data["asked"]
    assert asked["equal"] == asked["by_both"] > 3_000
    events = [comparison.data["engines"][engine]["events"]["stripe"] for engine in ("legacy", "recompute")]
    assert events[0] != events[1]
