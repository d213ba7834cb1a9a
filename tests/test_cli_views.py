"""`billsim views`: each command with and without --json, what is wrong with a folder in one line, and marks against the truth of a real run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim import cli
from billsim.core.policy import DunningPolicy
from billsim.grading.watching import view as view_nights
from billsim.grading.watching import watch
from billsim.run import run_scenario
from billsim.scenario.plan import Warehouse
from billsim.scenario.policy_file import load_policy
from billsim.scenario.toml_file import find, load
from billsim.warehouse import dataform
from billsim.warehouse.dataform import Definition, Graph, Target, UnitTest, compile_folder, dump, in_order
from billsim.warehouse.dataform.folder import read_folder
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.screening import Screen
from tests.warehouse.npm import packages

Answered = tuple[int, str, str]
STORY = "dunning/late_failed_after_paid"
COMMANDS = ("list", "compile", "run", "test", "grade", "sql")
ACCOUNTS = Target("billsim", "raw", "subs_account")


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    def answer(*arguments: object) -> Answered:
        code = cli.answer(["views", *[str(argument) for argument in arguments]])
        out, err = capsys.readouterr()
        return code, out, err

    return answer


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's run under legacy, in a run directory."""
    path = tmp_path_factory.mktemp("kept") / "run"
    cli.answer(["run", STORY, "--engine", "legacy", "--out", str(path), "--quiet"])
    return path


def project(path: Path, *definitions: Definition, tests: tuple[UnitTest, ...] = ()) -> Path:
    """A folder that is compiled already: no npm needed."""
    path.mkdir()
    (path / "workflow_settings.yaml").write_text("defaultProject: billsim\ndefaultDataset: drift\n")
    declared = Definition("declaration", ACCOUNTS, "definitions/sources.js")
    graph = Graph("3.0.62", read_folder(path).digest, "billsim", "drift", in_order((declared, *definitions)), tests)
    (path / dataform.COMPILED).write_text(dump(graph))
    return path


def view(name: str, query: str, kind: str = "view") -> Definition:
    return Definition(kind, Target("billsim", "drift", name), f"definitions/{name}.sqlx", query, (ACCOUNTS,))  # type: ignore[arg-type]


def everybody(code: str) -> Definition:
    return view(f"all_{code}", f"SELECT account, '{code}' AS code FROM `billsim.raw.subs_account`")


def told(answered: Answered) -> dict[str, Any]:
    code, out, err = answered
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(answer: Callable[..., Answered], command: str) -> None:
    code, out, _ = answer(command, "--help")
    assert code == 0
    assert "--json" in out
    assert f"billsim views {command}" in " ".join(out.split())


def test_the_views_that_ship_are_listed_compiled_and_tested(answer: Callable[..., Answered]) -> None:
    listed = told(answer("list", "--json"))
    assert (listed["definitions"], len(listed["views"])) == (39, 39)
    assert all(each["description"] and each["file"].startswith("definitions/") for each in listed["views"])
    assert len(answer("list")[1].splitlines()) == 39
    assert told(answer("compile", "--json"))["core"] == "3.0.62"
    assert answer("compile")[1].startswith("39 views, ")
    tested = told(answer("test", "--json"))
    assert tested["failed"] == 0
    assert tested["passed"] == len(tested["tests"]) == listed["unit_tests"]


def test_a_view_is_shown_as_it_was_compiled_and_as_it_is_run(answer: Callable[..., Answered]) -> None:
    compiled, run = [told(answer("sql", "drift.new_drift", "--json", *more)) for more in ((), ("--duckdb",))]
    assert compiled["file"] == "definitions/drift/new_drift.sqlx"
    assert "`billsim.ops.yesterday_drift`" in compiled["sql"]
    assert '"billsim"."ops"."yesterday_drift"' in run["sql"].replace("billsim.ops.yesterday_drift", '"billsim"."ops"."yesterday_drift"')
    assert answer("sql", "new_drft") == (2, "", "billsim: VIEW: there is no view 'new_drft' (did you mean 'new_drift'?)\n")


def test_a_query_of_a_run_s_last_night(answer: Callable[..., Answered], kept: Path) -> None:
    status = told(answer("sql", "SELECT account, status, DATE '2026-03-14' AS day FROM `billsim.raw.subs_dunning`", "--over", kept, "--json"))
    assert status == {"rows": [{"account": "ada", "status": "bad_debt", "day": "2026-03-14"}]}
    code, out, err = answer("sql", "SELECT DISTINCT code FROM `billsim.drift.detected_drift`", "--over", STORY, "--engine", "legacy")
    assert (code, out, err) == (0, "  code bad_debt_stuck\n  code consequence_missing\n", "")
    assert len(answer("sql", "detected_drift", "--over", kept)[1].splitlines()) == 6
    assert answer("sql", "SELECT FRODO(1)", "--duckdb") == (2, "", "billsim: query (line 1): unknown function FRODO\n")
    code, out, err = answer("sql", "SELECT acount FROM `billsim.raw.subs_dunning`", "--over", kept)
    assert (code, out) == (2, "") and err.startswith("billsim: query: ") and 'column "acount"' in err
    assert answer("sql", "detected_drift", "--over", kept, "--duckdb")[0] == 2


def test_a_run_s_last_night(answer: Callable[..., Answered], kept: Path) -> None:
    found = told(answer("run", kept, "--show", "detected_drift", "--json"))
    assert (found["definitions"], found["ran"], found["broken"]) == (39, 39, [])
    assert found["rows"]["drift.detected_drift"] == len(found["shown"]["detected_drift"]) == 6
    assert {(row["account"], row["code"]) for row in found["shown"]["detected_drift"]} == {("ada", "bad_debt_stuck"), ("ada", "consequence_missing")}
    # The scenario's own run is that run.
    code, out, err = answer("run", STORY, "--engine", "legacy", "--show", "detected_drift")
    assert (code, err) == (0, "")
    assert "account ada, code bad_debt_stuck, entity subs_account.flags" in out
    assert answer("run", kept, "--show", "detected_drft")[0] == 2


def test_marks_of_the_views_that_ship(answer: Callable[..., Answered], kept: Path) -> None:
    found = told(answer("grade", kept, "--json"))
    counted = {code: (mark["true"], mark["found"], mark["unseen"], mark["false_alarms"]) for code, mark in found["grade"].items()}
    assert counted == {
        "bad_debt_missed": (1, 1, 0, 0),
        "bad_debt_stuck": (1, 1, 0, 0),
        "consequence_missing": (2, 2, 0, 0),
        "consequence_unjustified": (1, 0, 1, 0),
        "entitlement_drift": (1, 1, 0, 0),
        "www_drift": (1, 1, 0, 0),
    }
    # The bank takes the money at 3:00 on the 15th, and the mirror is taken at 3:00 the day after.
    assert 86_300_000 < found["grade"]["bad_debt_stuck"]["delay_ms_p50"] < 86_400_000
    assert list(found["views"]["drift.drift_bad_debt_stuck"]) == ["bad_debt_stuck"]
    out = answer("grade", kept)[1]
    assert "39 views find 6 of 7 drifts, with 0 false alarms" in out
    assert "missed: ada  consequence_unjustified" in out


def test_two_projects_side_by_side(answer: Callable[..., Answered], kept: Path, tmp_path: Path) -> None:
    stuck, wrong = project(tmp_path / "one", everybody("bad_debt_stuck")), project(tmp_path / "two", everybody("ledger_drift"))
    found = told(answer("grade", kept, "--views", stuck, "--views", wrong, "--json"))
    assert list(found["folders"]) == [str(stuck), str(wrong)]
    # Who tells of everybody every night is right on the nights after the drift, and raises one alarm before it.
    assert found["folders"][str(stuck)]["grade"]["bad_debt_stuck"]["found"] == 1
    assert found["differs"]["bad_debt_stuck"]["found"] == {str(stuck): 1, str(wrong): 0}
    assert found["differs"]["bad_debt_stuck"]["false_alarms"] == {str(stuck): 1, str(wrong): 0}
    assert found["differs"]["ledger_drift"]["false_alarms"] == {str(stuck): 0, str(wrong): 1}
    assert "www_drift" not in found["differs"]
    out = answer("grade", kept, "--views", stuck, "--views", wrong)[1]
    lines = [line.split() for line in out.splitlines()]
    assert lines[3] == ["drift", "true", "found:", "one", "two", "false", "alarms:", "one", "two", "delay", "p50:", "one", "two"]
    assert ["ledger_drift", "0", "0", "0", "0", "1"] in lines
    assert answer("grade", kept, "--views", stuck, "--views", stuck)[2] == f"billsim: --views: names '{stuck}' twice\n"


def test_a_blind_spot_is_written_as_a_story_that_shows_it_again(answer: Callable[..., Answered], kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "blind.toml"
    blind = told(answer("grade", kept, "--blind-spot", file, "--runs", 12, "--json"))["blind_spot"]
    assert (blind["code"], blind["pictured"], blind["accounts"]) == ("consequence_unjustified", True, 1)
    assert blind["timeline_rows"] <= 5
    marks = told(answer("grade", file, "--engine", "legacy", "--seed", blind["seed"], "--json"))["grade"]["consequence_unjustified"]
    assert (marks["found"], marks["unseen"]) == (0, marks["true"])
    assert run_scenario(load(file), seed=blind["seed"], engine="legacy").as_expected is True
    assert answer("grade", kept, "--blind-spot", file)[2] == f"billsim: {file}: --blind-spot: is there already, and is not written over\n"
    code, _, err = answer("grade", kept, "--blind-spot", tmp_path / "no.toml", "--code", "www_drift")
    assert (code, err) == (2, "billsim: --blind-spot: nothing is missed of www_drift; missed: consequence_unjustified\n")


def test_who_is_watched_does_not_notice() -> None:
    story = load(find(STORY))
    watched, alone = watch(story, seed=3, engine="legacy"), run_scenario(story, seed=3, engine="legacy")
    assert watched.result.data["digest"] == alone.data["digest"]
    assert len(watched.snapshots) > 2


def test_a_world_with_a_warehouse_is_watched_beside_it_and_both_detect_the_same() -> None:
    story = load(find(STORY))
    story = replace(story, warehouse=Warehouse(mirror_minute=5 * 60))
    watched, alone = watch(story, seed=0, engine="legacy"), run_scenario(story, seed=0, engine="legacy")
    assert watched.result.data["digest"] == alone.data["digest"]
    assert [night.seen_ms for night in alone.nights] == [snapshot.seen_ms for snapshot in watched.snapshots]
    assert {snapshot.first_ms % 86_400_000 for snapshot in watched.snapshots} == {5 * 3_600_000}
    own = [{(each.account, each.code) for each in night.detected} for night in alone.nights]
    assert own == [set(night.detected) for night in view_nights(watched, Screen(dataform.shipped())).nights]
    assert any(own)


def test_a_blind_spot_between_two_mirrors(answer: Callable[..., Answered], tmp_path: Path) -> None:
    file = tmp_path / "between.toml"
    asked = ("dunning/pipe_writes_late", "--engine", "legacy", "--code", "bad_debt_missed", "--blind-spot", file, "--quiet")
    code, out, err = answer("grade", *asked)
    assert (code, err) == (0, "")
    assert "between two mirrors, so that no view can tell of it" in out
    story = load(file)
    assert (len(story.given), story.warehouse) == (1, Warehouse())
    assert len(story.timeline) <= 2
    assert told(answer("grade", file, "--engine", "legacy", "--json"))["grade"]["bad_debt_missed"]["between_snapshots"] >= 1
    assert answer("grade", *asked)[0] == 2


POLICY = Path(__file__).parents[1] / "examples" / "own_engine" / "policy.toml"


def test_views_judge_by_the_policy_of_the_run(answer: Callable[..., Answered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bits, keys, grace and contract types than those that ship: what the engine does right, views do not call wrong."""
    asked = (STORY, "--policy", POLICY, "--json")
    assert told(answer("grade", *asked))["grade"] == {}
    marks = told(answer("grade", *asked, "--engine", "legacy"))["grade"]
    assert {mark["false_alarms"] for mark in marks.values()} == {0} and marks["bad_debt_stuck"]["found"] == 1
    assert cli.answer(["run", STORY, "--engine", "legacy", "--policy", str(POLICY), "--out", str(tmp_path / "kept"), "--quiet"]) == 1
    answer("list")  # takes what the run has printed
    assert told(answer("grade", tmp_path / "kept", "--json"))["grade"] == marks
    monkeypatch.setattr(Screen, "follow", lambda *_: None)
    assert sum(mark["false_alarms"] for mark in told(answer("grade", *asked))["grade"].values()) > 0


def test_a_world_s_own_nights_judge_by_its_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    story, platform = replace(load(find(STORY)), warehouse=Warehouse()), load_policy(POLICY)
    assert not any(night.detected for night in run_scenario(story, platform=platform).nights)
    follow, usual = Mirror.follow, DunningPolicy()
    monkeypatch.setattr(Mirror, "follow", lambda self, _: follow(self, usual))
    assert any(night.detected for night in run_scenario(story, platform=platform).nights)


def test_an_assertion_that_does_not_hold_is_exit_code_1(answer: Callable[..., Answered], kept: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "own", everybody("bad_debt_stuck"), view("nobody", "SELECT account FROM `billsim.raw.subs_account`", "assertion"))
    code, out, err = answer("run", kept, "--views", folder)
    assert (code, err) == (1, "")
    assert "assertion: definitions/nobody.sqlx: drift.nobody: 1 row breaks it, such as ('ada',)" in out


def test_a_unit_test_that_fails_is_exit_code_1(answer: Callable[..., Answered], tmp_path: Path) -> None:
    right, wrong = [UnitTest(name, "definitions/t.sqlx", "SELECT 1 AS n", f"SELECT {n} AS n") for name, n in (("right", 1), ("wrong", 2))]
    code, out, _ = answer("test", "--views", project(tmp_path / "own", tests=(right, wrong)))
    assert code == 1
    assert out.splitlines() == ["passed  right", "FAILED  wrong: row 1: n is 1, expected 2 (definitions/t.sqlx)", "2 unit tests, 1 failed"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT FRODO(1) AS a", "billsim: definitions/a.sqlx: drift.a (line 1 of its query): unknown function FRODO\n"),
        ("SELECT 1 FROM", "billsim: definitions/a.sqlx: drift.a (line 1 of its query): does not parse near 'FROM': Expected table name\n"),
        ("SELECT 1 / 0 AS a", "billsim: definitions/a.sqlx: drift.a: division by zero\n"),
    ],
)
def test_what_is_wrong_with_a_view_is_one_line(answer: Callable[..., Answered], kept: Path, tmp_path: Path, query: str, error: str) -> None:
    folder = project(tmp_path / "own", view("a", query))
    assert answer("grade", kept, "--views", folder) == (2, "", error)
    code, out, _ = answer("run", kept, "--views", folder, "--json")
    assert (code, json.loads(out)["error"]["file"]) == (2, "definitions/a.sqlx")


def test_a_folder_that_is_none_and_a_run_that_has_its_own_seed(answer: Callable[..., Answered], kept: Path, tmp_path: Path) -> None:
    for arguments in (("list",), ("compile",), ("test",), ("run", kept), ("grade", kept), ("sql", "a")):
        code, out, err = answer(*arguments, "--views", tmp_path / "none")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "no such folder" in err
    assert answer("grade", kept, "--seed", 3) == (2, "", "billsim: --seed: is the recorded run's own: leave it out\n")
    assert answer("frob")[2] == "billsim: No such command 'frob'; see `billsim views --help`\n"


def test_a_graph_is_kept_beside_its_project(answer: Callable[..., Answered], tmp_path: Path) -> None:
    shutil.copytree(dataform.SHIPPED, tmp_path / "own", ignore=shutil.ignore_patterns("node_modules"))
    written = told(answer("compile", "--views", tmp_path / "own", "--write", "--json"))
    assert written["file"] == str(tmp_path / "own" / "compiled.json")
    assert compile_folder(tmp_path / "own").definitions == dataform.shipped().definitions


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("b", "SELECT 1 AS n FROM ${ref('a')}", "drift.a: Circular dependency detected in chain: [drift.a > drift.b > billsim.drift.a]"),
        ("a", "SELECT 1 AS n FROM ${ref('c')}", "Missing dependency detected"),
        ("b", "${(() => { for (;;) {} })()}", "its JavaScript takes more than 10 s: stopped"),
    ],
    ids=["cycle", "unresolved", "endless"],
)
def test_a_folder_that_dataform_refuses(answer: Callable[..., Answered], tmp_path: Path, name: str, query: str, error: str) -> None:
    modules = packages()
    (tmp_path / "definitions").mkdir()
    (tmp_path / "workflow_settings.yaml").write_text("defaultProject: billsim\ndefaultDataset: drift\n")
    (tmp_path / "definitions" / "a.sqlx").write_text("config { type: 'view' }\nSELECT 1 AS n FROM ${ref('b')}\n")
    (tmp_path / "definitions" / f"{name}.sqlx").write_text(f"config {{ type: 'view' }}\n{query}\n")
    code, out, err = answer("compile", "--views", tmp_path, "--packages", modules)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "definitions/" in err and error in err


def test_a_changed_copy_of_the_views_is_marked_beside_them(answer: Callable[..., Answered], kept: Path, tmp_path: Path) -> None:
    modules, mine = packages(), tmp_path / "mine"
    shutil.copytree(dataform.SHIPPED, mine, ignore=shutil.ignore_patterns("node_modules"))
    changed = mine / "definitions" / "drift" / "drift_bad_debt_stuck.sqlx"
    changed.write_text(changed.read_text().replace("WHERE NOT expected.is_bad_debt", "WHERE FALSE"))
    assert "is of other files" in answer("grade", kept, "--views", mine)[2]
    assert answer("compile", "--views", mine, "--packages", modules, "--write")[0] == 0
    found = told(answer("grade", kept, "--views", "shipped", "--views", mine, "--json"))
    assert list(found["differs"]) == ["bad_debt_stuck"]
    assert found["differs"]["bad_debt_stuck"]["found"] == {"shipped": 1, str(mine): 0}
    assert [each["ran"] for each in found["folders"].values()] == [39, 39]
