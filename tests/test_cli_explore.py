"""`billsim explore` from end to end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from billsim.cli import answer
from billsim.scenario.toml_file import load
from tests.processes import looks_at_processes, started

STORY = "dunning/duplicate_failed_counts_twice"
RACE = "races/void_pay_card_recompute"


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = answer(["explore", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = ran(capsys, *arguments, "--json")
    assert err == "" and out.count("\n") == 1
    return code, json.loads(out)


def test_every_order_of_a_story(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = as_json(capsys, STORY, "--switches", "all")
    assert code == 0
    contract = "orders states switches complete_within pruned complete failing_orders end_states non_commuting verdict runs reduction algebra".split()
    assert set(contract) <= set(data)
    assert (data["verdict"], data["complete"], data["switches"], data["complete_within"], data["failing_orders"]) == ("holds", True, None, None, 0)
    assert data["orders"] > data["runs"] > data["pruned"] > 0
    assert set(data["algebra"]) == {"idempotent", "order_invariant", "duplicate_invariant", "split_invariant", "minimal_diff"}


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, RACE, "--switches", "0")
    assert code == 0
    assert "holds  races/void_pay_card_recompute under recompute, seed 0: 24 orders, 0 fall" in out
    assert "every order without a switch" in out
    assert "these two rows do not commute: ada update_card  |  ada pay invoice=ada_1" in out
    assert "order_invariant      holds" in out
    code, out, _ = ran(capsys, RACE, "--switches", "0", "--quiet")
    assert out.count("\n") == 1


def test_the_failing_order_is_written_as_a_story_that_falls(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "new" / "order.toml"
    code, data = as_json(capsys, "races/counted_twice_while_paying", "--engine", "legacy", "--switches", "1", "--out", str(file))
    assert (code, data["verdict"], data["file"]) == (1, "falls", str(file))
    assert 0 < data["failing_orders"] < data["orders"]
    assert load(file).answers == data["failing"]["answers"] != {}
    assert answer(["run", str(file), "--engine", "legacy", "--quiet"]) == 1
    assert "(as its scenario expects)" in capsys.readouterr().out
    code, out, err = ran(capsys, RACE, "--out", str(file))
    assert (code, out) == (2, "") and "is there already" in err


def test_the_failing_order_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "races/counted_twice_while_paying", "--engine", "legacy", "--switches", "0")
    assert code == 1
    assert "The order with the fewest switches that falls, by its latencies:" in out
    assert "offset = " in out and "ada  dunning_wrong, open at the end, cause duplicate" in out


def test_a_spent_budget_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = as_json(capsys, RACE, "--runs", "30")
    assert (code, data["verdict"], data["complete"]) == (3, "unknown", False)
    code, data = as_json(capsys, RACE, "--time", "0.001s")
    assert code == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--switches", "many"], "--switches: must be 0 to 100, or all, not 'many'"),
        (["--switches", "-1"], "--switches: must be 0 to 100, or all, not '-1'"),
        (["--time", "soon"], "--time: must be a length of time"),
        (["--window", "0s"], "--window: must be a length of time"),
        (["--runs", "0"], "--runs: must be 1 or more, not 0"),
        (["--engine", "recompite"], "did you mean 'recompute'?"),
        (["--engine", "cmd:true"], "cannot be taken back"),
        (["--seed", "-1"], "--seed: must be between"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    code, out, err = ran(capsys, RACE, *arguments)
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1


def test_a_population_has_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(capsys, "load/small")
    assert code == 2 and "load/small is a population" in err


@looks_at_processes
@pytest.mark.parametrize(
    ("stops_at", "covered"), [(10, "not yet every order"), (200, "every order without a switch;"), (0, "every order of at most 2 switches")]
)
def test_ctrl_c_says_what_was_covered(tmp_path: Path, stops_at: int, covered: str) -> None:
    engine = """
import os, signal, types
from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import Recompute

class Stopping(Recompute):
    def __init__(self):
        super().__init__(DunningPolicy())

    def wakes(self, message):
        COUNT.calls += 1
        if COUNT.calls == STOPS_AT or (not STOPS_AT and message.name.startswith("once.more.")):
            os.kill(os.getpid(), signal.SIGINT)
        return super().wakes(message)

COUNT = types.SimpleNamespace(calls=0)  # nothing that an engine would remember by, so it is not taken back
STOPS_AT = int(os.environ["STOPS_AT"])
"""
    (tmp_path / "stopping.py").write_text(engine, encoding="utf-8")
    source = str(Path(__file__).resolve().parents[1] / "src")
    environment = {"PYTHONPATH": f"{source}{os.pathsep}{tmp_path}", "STOPS_AT": str(stops_at)}
    command = started("explore", RACE, "--engine", "stopping:Stopping", cwd=tmp_path, **environment)
    try:
        out, err = command.communicate(timeout=120)
    except BaseException:
        os.killpg(command.pid, signal.SIGKILL)
        raise
    assert (command.returncode, out) == (130, "")
    assert "interrupted; covered until then: " in err and covered in err
    assert "again: billsim explore races/void_pay_card_recompute --engine stopping:Stopping --seed 0 --switches 2" in err
    assert err.count("\n") == 1
