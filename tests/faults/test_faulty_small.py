"""A small population for two months with all faults of pipe and queues on: recompute converges, nothing is lost, and both engines meet one world."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
import pytest

from billsim.cli import answer
from billsim.compare import compare
from billsim.faults.base import PIPE, QUEUES
from billsim.faults.catalogue import CATALOGUE, FAULTS
from billsim.pipe.handler_registry import HANDLERS
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load

SEEDS = range(24)
BEFALLING = {name for name, fault in CATALOGUE.items() if fault.area in (PIPE, QUEUES)}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(find("load/faulty_small"))


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[RunResult]:
    return [run_scenario(scenario, seed=seed, keep_records=True, keep_tape=True) for seed in SEEDS]


def test_all_faults_are_on(scenario: Scenario) -> None:
    assert set(scenario.faults) == BEFALLING and all(dial.ppm for dial in scenario.faults.values())


def test_recompute_converges_under_all_of_them(runs: list[RunResult]) -> None:
    for seed, run in zip(SEEDS, runs, strict=True):
        assert run.verdict == "holds", (seed, run.data["findings"], run.data["marks_missing"])
        assert run.data["drift"]["open_at_end"] == 0 and run.data["findings"] == []


def test_the_faults_bite(runs: list[RunResult]) -> None:
    """Drift opened, because events were kept for longer than lag may last, and all of it closed."""
    assert sum(run.data["drift"]["opened"] for run in runs) > 50
    assert all(run.data["drift"]["opened"] == run.data["drift"]["closed"] for run in runs)


def test_each_fault_strikes_somewhere(runs: list[RunResult]) -> None:
    struck = Counter(label.split("/")[2] for run in runs for label, answer in run.tape or () if "/fault/" in label and answer == 1)
    assert all(struck[name] >= 10 for name in BEFALLING), struck


def test_every_mark_of_delivery_is_reached_in_every_run(runs: list[RunResult]) -> None:
    for run in runs:
        for mark in ("redelivered", "dead_letter_used", "duplicate_delivered", "stale_event_ignored", "boundary_fired", "compare_and_set_lost"):
            assert run.data["marks"][mark] > 0


def test_no_event_is_lost(runs: list[RunResult]) -> None:
    """Whatever set out has come to its end: the last end of each is that it was finished, or dropped because nobody handles its kind."""
    for run in runs:
        last = {record.name: record for record in run.records if record[0] == "messages"}
        astray = [record for record in last.values() if record.what != "finished" and (record.what != "dropped" or record.kind in HANDLERS)]
        assert len(last) > 1_000 and not astray, astray


def test_a_stale_payload_is_delivered_after_its_object_has_changed(runs: list[RunResult]) -> None:
    assert sum(run.data["marks"]["stale_event_ignored"] for run in runs) > 1_000


def test_both_engines_meet_the_same_faults(scenario: Scenario) -> None:
    for seed in (0, 1, 2):
        comparison = compare(scenario, ["legacy", "recompute"], seed=seed)
        assert comparison.pairing.holds, comparison.pairing.unequal
        assert comparison.pairing.by_both == comparison.pairing.equal > 3_000


def test_without_its_faults_the_population_sees_no_drift(scenario: Scenario) -> None:
    calm = msgspec.structs.replace(scenario, faults={}, judge=msgspec.structs.replace(scenario.judge, sometimes=()))
    result = run_scenario(calm, keep_tape=True)
    assert result.verdict == "holds" and result.data["drift"]["opened"] == 0
    assert not [label for label, _ in result.tape or () if "/fault/" in label]


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["faults", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["faults"]
    assert [fault["name"] for fault in listed] == [fault.name for fault in FAULTS]
    assert answer(["faults"]) == 0
    assert "ingress_outage" in capsys.readouterr().out
