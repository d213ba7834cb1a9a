"""The command line in processes of its own, with real worlds: what a script or a CI job sees."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from billsim.rundir import TABLES, read_run

STORY = "dunning/late_failed_after_paid"
RACE = "dunning/pay_bad_debt_vs_webhook"
COMMAND = [sys.executable, "-m", "billsim.cli"]


def billsim(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).resolve().parents[1] / "src")
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": source, **environment},
    )


def answered(*arguments: object, **environment: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(billsim(*arguments, "--json", **environment).stdout)
    return data


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "run"
    assert billsim("run", STORY, "--engine", "legacy", "--seed", 3, "--out", path).returncode == 1
    return path


def test_legacy_falls_and_recompute_holds_and_the_exit_code_says_so() -> None:
    done = billsim("run", STORY, "--engine", "legacy")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0].startswith(f"falls  {STORY} under legacy, seed 0")
    assert "  opened 2026-03-15T03:00:" in done.stdout
    done = billsim("run", STORY)
    assert (done.returncode, done.stderr) == (0, "")


def test_compare_shows_one_world_under_both() -> None:
    data = answered("compare", STORY)
    assert {name: run["verdict"] for name, run in data["engines"].items()} == {"legacy": "falls", "recompute": "holds"}
    assert data["asked"]["by_both"] == data["asked"]["equal"] > 0
    assert data["asked"]["unequal"] == []
    done = billsim("compare", STORY)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_order_is_counted() -> None:
    orders = answered("run", RACE, "--engine", "recompute", "--every-order")
    assert orders["complete"] is True
    assert orders["orders"] == len(orders["runs"]) >= 1
    assert orders["failing_orders"] == 0


def test_a_run_directory_holds_what_the_run_said(recorded: Path) -> None:
    about = read_run(recorded)
    plain = answered("run", STORY, "--engine", "legacy", "--seed", 3)
    assert about["digest"] == plain["digest"]
    assert about["drift"] == plain["drift"]
    drift = duckdb.connect(":memory:").execute(f"SELECT count(*) FROM '{recorded}/drift/*.parquet' WHERE closed_ms IS NULL").fetchone()
    assert drift == (plain["drift"]["open_at_end"],)
    union = " UNION ALL ".join(f"SELECT n FROM '{recorded}/{table}/*.parquet'" for table in TABLES if table != "tape")
    assert duckdb.connect(":memory:").execute(f"SELECT count(DISTINCT n), max(n) + 1 FROM ({union})").fetchone() == (about["records"],) * 2


def test_a_replay_is_exact_from_any_folder_and_another_engine_parts_from_it(recorded: Path, tmp_path: Path) -> None:
    done = billsim("replay", recorded, "--strict", "--json", cwd=tmp_path)
    same = json.loads(done.stdout)
    assert (done.returncode, same["same_digest"], same["first_difference"]) == (1, True, None)
    other = answered("replay", recorded, "--engine", "recompute")
    assert (other["same_digest"], other["verdict"]) == (False, "holds")
    assert set(other["first_difference"]) == {"n", "recorded", "replayed"}
    assert other["first_difference"]["recorded"] != other["first_difference"]["replayed"]


def test_doctor_finds_one_trace_under_different_hash_seeds() -> None:
    found = answered("doctor", STORY, "--engine", "legacy")
    (seed,) = found["determinism"]["seeds"]
    assert (seed["same"], seed["first_difference"], len(set(seed["digests"]))) == (True, None, 1)


def test_a_reader_that_goes_away_is_no_error() -> None:
    source = str(Path(__file__).resolve().parents[1] / "src")
    line = f"{shlex.join(COMMAND)} compare {STORY} | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": source})
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


@pytest.mark.parametrize("command", ["run", "compare", "replay", "doctor", "import", "scenarios", "engines"])
def test_the_example_in_the_help_works(command: str, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(json.dumps(EVENT) + "\n", encoding="utf-8")
    example = billsim(command, "--help").stdout.split("Example: ")[1]
    for line in " ".join(example.split()).split(";"):
        done = billsim(*shlex.split(line)[1:], cwd=tmp_path)
        assert (done.returncode in (0, 1), done.stderr) == (True, ""), line


EVENT = {
    "id": "evt_1", "object": "event", "api_version": "2024-06-20", "created": 1_773_446_400, "livemode": True, "type": "customer.updated",
    "data": {"object": {"id": "cus_1", "object": "customer", "created": 1_773_000_000, "email": "a@b.example"}},
}  # fmt: skip
