"""Whatever may be wrong with what `billsim views` is given: one line that names file and definition, and exit code 2, before anything is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from billsim import cli
from billsim.replay.tape import record
from billsim.scenario.toml_file import find, load
from billsim.warehouse import dataform
from billsim.warehouse.dataform import Definition, Graph, Limits, Target, compile_folder, dump, in_order
from billsim.warehouse.dataform.folder import read_folder
from billsim.warehouse.errors import ViewError
from tests.warehouse.npm import packages

STORY = "dunning/late_failed_after_paid"
SHORT = """
id = "short"
start = 2026-03-14T04:00:00Z
until = 2026-03-14T06:00:00Z
calm_hours = 1
given = [ { account = "ada" } ]
"""
Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """What a command of `billsim views` says of its input; the same as JSON, and nothing else."""
    monkeypatch.chdir(tmp_path)

    def said(*arguments: object) -> str:
        command = ["views", *map(str, arguments)]
        assert cli.answer(command) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("billsim: ")
        assert cli.answer([*command, "--json"]) == 2
        as_json, nothing = capsys.readouterr()
        assert nothing == "" and json.loads(as_json)["error"]["message"] in err
        return err.removeprefix("billsim: ").rstrip("\n")

    return said


def compiled(folder: Path, *definitions: Definition) -> Path:
    """A project that needs no npm."""
    folder.mkdir()
    (folder / "workflow_settings.yaml").write_text("defaultProject: billsim\ndefaultDataset: drift\n")
    graph = Graph("3.0.62", read_folder(folder).digest, "billsim", "drift", in_order(definitions))
    (folder / dataform.COMPILED).write_text(dump(graph))
    return folder


def view(query: str, *reads: Target) -> Definition:
    return Definition("view", Target("billsim", "drift", "a"), "definitions/a.sqlx", query, reads)


COMMANDS = (("list",), ("compile",), ("test",), ("run", STORY), ("grade", STORY), ("sql", "a"), ("sql", "SELECT 1 AS n", "--over", STORY))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_is_no_project(said: Said, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "a.sql").write_text("SELECT 1")
    no_project = "not a Dataform project: it has no workflow_settings.yaml (nor a dataform.json)"
    for name, why in (("none", "no such folder"), ("file", "not a folder"), *[(name, no_project) for name in ("empty", "link", "scripts")]):
        assert said(*command, "--views", name) == f"{name}: {why}"


BROKEN = [
    (view("SELEC 1 AS n FROM"), "definitions/a.sqlx: drift.a (line 1 of its query): does not parse near '1': Invalid expression / Unexpected token"),
    (view("SELECT 1 AS n,\n FRODO(2) AS m"), "definitions/a.sqlx: drift.a (line 2 of its query): unknown function FRODO"),
    (view("SELECT 1 AS n; SELECT 2 AS n"), "definitions/a.sqlx: drift.a"),
]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each[0] in ("compile", "run", "grade") or "--over" in each], ids=" ".join)
def test_a_view_that_cannot_be_run(said: Said, tmp_path: Path, command: tuple[str, ...]) -> None:
    for number, (definition, why) in enumerate(BROKEN):
        assert said(*command, "--views", compiled(tmp_path / str(number), definition)).startswith(why)
    refunds = Target("billsim", "raw", "stripe_charge")
    lacking = compiled(tmp_path / "lacking", Definition("declaration", refunds, "definitions/raw.js"), view("SELECT 1 AS n FROM x", refunds))
    why = "reads raw.stripe_charge, a table that the mirror does not have (did you mean 'stripe_charges'?)"
    assert said(*command, "--views", lacking) == f"definitions/a.sqlx: drift.a: {why}"


def test_a_project_without_a_view(said: Said, tmp_path: Path) -> None:
    bare = compiled(tmp_path / "bare")
    for command in (("run", STORY), ("grade", STORY), ("sql", "SELECT 1 AS n", "--over", STORY)):
        assert said(*command, "--views", bare) == f"{bare}: defines no view: there is nothing to look through"


def test_drift_that_is_told_without_a_code_or_an_account(said: Said, tmp_path: Path) -> None:
    telling = Definition("view", Target("billsim", "drift", "detected_drift"), "definitions/d.sqlx", "SELECT 'ada' AS account, 'x' AS cod")
    mine = compiled(tmp_path / "mine", telling)
    assert said("run", STORY, "--views", mine) == "definitions/d.sqlx: drift.detected_drift: tells of drift, and has no column 'code'"


def test_a_world_whose_nights_are_told_of_no_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(tmp_path / "mine", view("SELECT 1 AS n"))
    story = tmp_path / "story.toml"
    story.write_text(find(STORY).read_text(encoding="utf-8") + '\n[warehouse]\nviews = "mine"\n')
    assert cli.answer(["run", str(story)]) == 2
    assert "warehouse: there is no view 'detected_drift'" in capsys.readouterr().err


def test_one_project_twice(said: Said, tmp_path: Path) -> None:
    mine = compiled(tmp_path / "mine", view("SELECT 1 AS n"))
    (tmp_path / "link").symlink_to("mine")
    for other in (mine, "mine/", "./mine", "link"):
        assert said("grade", STORY, "--views", "mine", "--views", other) == f"--views: names '{other}' twice"
    assert said("grade", STORY, "--views", "shipped", "--views", "shipped") == "--views: names 'shipped' twice"


def test_a_run_without_a_night(said: Said, tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(SHORT)
    record(load(Path("short.toml")), Path("kept"), seed=0, engine="recompute")
    for what, where in (("short.toml", "short.toml"), ("kept", "kept/scenario.toml")):
        for command in (("run", what), ("grade", what), ("sql", "detected_drift", "--over", what)):
            assert said(*command) == f"{where}: no night falls within the run, so there is no mirror to look at"


def test_a_run_that_is_not_whole(said: Said, tmp_path: Path) -> None:
    record(load(find(STORY)), Path("kept"), seed=0, engine="recompute")
    about = json.loads((tmp_path / "kept" / "run.json").read_text())
    (tmp_path / "kept" / "run.json").write_text(json.dumps({**about, "complete": False}))
    for command in (("run", "kept"), ("grade", "kept"), ("sql", "detected_drift", "--over", "kept")):
        assert said(*command).startswith("kept: the run is incomplete: it was stopped before its tape was whole; run it again: billsim run kept/")
    (tmp_path / "kept" / "run.json").write_text(json.dumps(about))
    shutil.rmtree(tmp_path / "kept" / "tape")
    assert said("run", "kept").startswith("kept/tape: the tape cannot be read: ")
    (tmp_path / "kept" / "run.json").write_text("{")
    assert said("run", "kept").startswith("kept/run.json: is not whole JSON")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("run", STORY, "--seed", -1), "--seed: must be between 0 and 9223372036854775807, not -1"),
        (("grade", STORY, "--seed", -1), "--seed: must be between 0 and 9223372036854775807, not -1"),
        (("sql", "detected_drift", "--over", STORY, "--seed", -1), "--seed: must be between 0 and 9223372036854775807, not -1"),
        (("run", "no/story"), "there is no scenario 'no/story'"),
        (("run", STORY, "--show", "detected_drft"), "there is no view 'detected_drft' (did you mean 'detected_drift'?)"),
        (("grade", STORY, "--code", "www_drift"), "--code: says what --blind-spot is to be about, and there is none"),
        (("grade", STORY, "--blind-spot", "file/blind.toml"), "file/blind.toml: --blind-spot: cannot be written: {here}/file is no folder"),
        (("compile", "--packages", "none"), "none: there is no @dataform/core in it"),
    ],
)
def test_options_that_cannot_be(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[object, ...], why: str) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("billsim.grading.watching.run_scenario", lambda *_, **__: pytest.fail("it is run, though its options cannot be"))
    assert said(*command) == why.format(here=tmp_path)


def test_a_definition_of_ten_megabytes_is_stopped_and_named(tmp_path: Path) -> None:
    modules = packages()
    (tmp_path / "definitions").mkdir()
    (tmp_path / "workflow_settings.yaml").write_text("defaultProject: billsim\ndefaultDataset: drift\n")
    columns = ",\n".join(f"{number} AS column_{number}" for number in range(400_000))
    (tmp_path / "definitions" / "a.sqlx").write_text(f"config {{ type: 'view' }}\nSELECT {columns}\n")
    assert (tmp_path / "definitions" / "a.sqlx").stat().st_size > 9_500_000
    with pytest.raises(ViewError) as stopped:
        compile_folder(tmp_path, packages=modules, limits=Limits(cpu_s=1))
    assert str(stopped.value) == "definitions/a.sqlx: its JavaScript takes more than 1 s: stopped"
