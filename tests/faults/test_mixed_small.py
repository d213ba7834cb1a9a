"""`fuzz/mixed_small`: every fault and every caller at every touchpoint, over a few seeds. `python -m benchmarks.mixed 500` says what more show."""

from __future__ import annotations

import pytest

from benchmarks.mixed import SCENARIO, STRIKING, Tally, tally_of
from billsim.compare import compare
from billsim.run import run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.population_data import callers_of
from billsim.scenario.toml_file import dump, find, load, loads, unplaced
from billsim.scenario.touchpoints import CALLERS, operations_of

SEEDS = range(12)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(find(SCENARIO))


@pytest.fixture(scope="module")
def tally() -> Tally:
    return tally_of(SEEDS)


def test_twenty_accounts_every_fault_every_operation_of_every_caller(scenario: Scenario) -> None:
    population = scenario.population
    assert population is not None and len(scenario.given) + population.accounts == 20 and population.days == 3
    assert set(scenario.faults) == set(STRIKING) and all(dial.ppm for dial in scenario.faults.values())
    assert set(callers_of(scenario)) == {f"{caller}.{operation}" for caller in CALLERS for operation in operations_of(caller)}
    assert unplaced(loads(dump(scenario))) == unplaced(scenario)


def test_recompute_holds_and_legacy_falls(tally: Tally) -> None:
    assert tally.fallen["recompute"] == [], tally.told
    assert len(tally.fallen["legacy"]) > len(SEEDS) // 2


def test_nearly_everything_is_met_within_a_few_seeds(tally: Tally) -> None:
    assert len(tally.codes) >= 13 and len(tally.causes) >= 8 and len(tally.marks) >= 15 and len(tally.faults) >= 25 and len(tally.callers) >= 80
    assert set(tally.never) <= {"codes", "causes", "marks", "faults", "callers"}


def test_what_was_never_met_is_named() -> None:
    none = tally_of(range(0))
    assert set(none.never) == {"codes", "causes", "marks", "faults", "callers"} and none.never["faults"] == STRIKING


def test_both_engines_meet_the_same_world(scenario: Scenario) -> None:
    for seed in (0, 1):
        comparison = compare(scenario, ["legacy", "recompute"], seed=seed)
        assert comparison.pairing.holds, comparison.pairing.unequal


def test_it_is_the_same_run_every_time(scenario: Scenario) -> None:
    assert run_scenario(scenario, seed=3).data["digest"] == run_scenario(scenario, seed=3).data["digest"]
