"""Replay: what it feeds from a run directory to the new run, and how it tells where the two part. The runs are stand-ins that leave three records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from billsim.core.choices import NotOnTapeError, Quantiles, Recorded, Seeded
from billsim.core.platform import Platform
from billsim.core.trace import MessageRecord, Trace
from billsim.replay import tape as recording
from billsim.replay.replay import replay
from billsim.replay.tape import read, record
from billsim.run import RunResult
from billsim.rundir import RunDir
from billsim.scenario.errors import InputError
from billsim.scenario.plan import GivenAccount, Scenario

START_MS = 1_773_446_400_000  # 2026-03-14T00:00:00Z
STORY = Scenario(id="test/story", start=START_MS, until=START_MS + 86_400_000, given=(GivenAccount(account="ada"),))
QUESTIONS = {"recompute": ("w/a", "w/b"), "legacy": ("w/a", "w/c")}
TABLE = Quantiles("t", (0, 1_000_000))


def run_scenario(
    scenario: Scenario,
    *,
    seed: int,
    engine: str,
    out: RunDir,
    progress: object,
    tape: Mapping[str, int] | None,
    strict: bool,
    platform: Platform,
    attend: object,
) -> RunResult:
    """A world that asks two questions and records the answers."""
    choices = Seeded(seed) if tape is None else Recorded(seed, tape, strict=strict)
    trace = Trace()
    trace.sinks.append(out.sink)
    trace.add(MessageRecord("messages", 0, "emitted", scenario.id, "begin", "", 0))
    for label in QUESTIONS[engine]:
        trace.add(MessageRecord("messages", choices.ask(label, TABLE), "emitted", label, "asked", "ada", 0))
    trace.flush()
    out.keep(choices.asked)
    return RunResult({"scenario": scenario.id, "seed": seed, "engine": engine, "digest": trace.digest, "verdict": "holds"}, [], None, "holds")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "run_scenario", run_scenario)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    record(STORY, tmp_path / "run", seed=5, engine="recompute")
    return tmp_path / "run"


def test_a_recorded_run_is_read_back_with_all_that_made_it(recorded: Path) -> None:
    found = read(recorded)
    expected = Seeded(5)
    assert (found.scenario.id, found.seed, found.engine) == ("test/story", 5, "recompute")
    assert found.answers == {label: expected.ask(label, TABLE) for label in ("w/a", "w/b")}


def test_a_replay_is_the_same_run_again(recorded: Path) -> None:
    again = replay(recorded, strict=True)
    assert (again.same_digest, again.first_difference) == (True, None)
    assert again.data["run_dir"] is None
    assert again.data["same_digest"] is True


def test_the_tape_answers_and_not_the_seed(recorded: Path, tmp_path: Path) -> None:
    """A run whose answers were other than its seed's (an order that was tried) is repeated all the same."""
    record(STORY, tmp_path / "other", seed=5, engine="recompute", tape={"w/a": 42})
    assert read(tmp_path / "other").answers["w/a"] == 42
    assert replay(tmp_path / "other").same_digest
    assert read(tmp_path / "other").digest != read(recorded).digest


def test_another_engine_shows_the_first_record_that_differs(recorded: Path) -> None:
    again = replay(recorded, engine="legacy")
    assert again.same_digest is False
    difference: dict[str, Any] = again.first_difference or {}
    assert difference["n"] == 2
    assert (difference["recorded"]["name"], difference["replayed"]["name"]) == ("w/b", "w/c")


def test_a_strict_replay_takes_no_answer_but_the_tapes(recorded: Path) -> None:
    with pytest.raises(InputError) as refused:
        replay(recorded, engine="legacy", strict=True)
    line = "--strict: the world asked what is not on the tape: w/c; without --strict such a question is answered from the seed"
    assert str(refused.value) == f"{recorded}: {line}"
    assert isinstance(refused.value.__context__, NotOnTapeError)


def test_an_incomplete_run_is_refused_with_the_command_that_makes_it_anew(tmp_path: Path) -> None:
    RunDir(tmp_path / "run", STORY, {"seed": 5, "engine": "legacy"}).close()
    with pytest.raises(InputError) as refused:
        replay(tmp_path / "run")
    command = f"billsim run {tmp_path}/run/scenario.toml --seed 5 --engine legacy --out {tmp_path}/run-2"
    assert str(refused.value) == f"{tmp_path}/run: the run is incomplete: it was stopped before its tape was whole; run it again: {command}"


@pytest.mark.parametrize(("key", "value"), [("seed", "5"), ("engine", None), ("digest", 7)])
def test_a_run_json_that_was_tampered_with_is_told_by_its_key(recorded: Path, key: str, value: object) -> None:
    with RunDir(recorded.with_name("odd"), STORY, {"seed": 5, "engine": "recompute", "digest": "d"}) as run:
        run.finish({key: value})
    with pytest.raises(InputError) as refused:
        read(run.path)
    assert str(refused.value) == f"{run.path}/run.json: {key}: is missing or of a wrong type"


def test_a_tape_that_is_no_parquet_is_told_in_one_line(recorded: Path) -> None:
    (recorded / "tape" / "00000.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="/tape: the tape cannot be read: ") as refused:
        read(recorded)
    assert "\n" not in str(refused.value)
