"""The command line with stand-ins for the runs: exit codes, one JSON object, one line for an error, what Ctrl-C leaves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import billsim.compare
import billsim.doctor
import billsim.replay.tape
import billsim.run
import billsim.scenario.toml_file
from billsim import __version__, cli
from billsim.core.choices import AskedTwiceError
from billsim.doctor import Check, SeedOutcome
from billsim.run import OrdersResult, RunResult
from billsim.rundir import read_run
from billsim.scenario.orders import TooManyOrdersError
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.scenario.toml_file import dump

START_MS = 1_773_446_400_000  # 2026-03-14T00:00:00Z
STORY = Scenario(id="test/story", start=START_MS, until=START_MS + 86_400_000, given=(GivenAccount(account="ada"),))
COMMANDS = ("run", "compare", "shrink", "replay", "when", "doctor", "import", "scenarios", "engines", "faults", "touchpoints")
Answered = tuple[int, str, str]


def figures(engine: str, verdict: str) -> dict[str, Any]:
    return {
        "scenario": "test/story",
        "seed": 0,
        "engine": engine,
        "verdict": verdict,
        "digest": "d1",
        "accounts": 1,
        "events": {"stripe": 4, "delivered": 5, "duplicates": 0, "redelivered": 1, "dead_letter": 0},
        "drift": {"opened": 0, "closed": 0, "open_at_end": 0, "unhealable": 0, "by_code": {}},
        "findings": [],
        "run_dir": None,
    }


class Stage:
    """Stands in for the runs: each engine has its verdict; what was asked for is remembered."""

    def __init__(self) -> None:
        self.verdicts: dict[str, str] = {}
        self.tapes: dict[str, list[tuple[str, int]]] = {}
        self.asked_for: list[dict[str, Any]] = []
        self.raises: BaseException | None = None

    def run_scenario(self, _scenario: Scenario, *, engine: str = "recompute", out: Any = None, **options: Any) -> RunResult:
        self.asked_for.append({"engine": engine, **options})
        if out is not None:
            out.keep(self.tapes.get(engine, [("w/a", 1)]))
        if self.raises:
            raise self.raises
        verdict = self.verdicts.get(engine, "holds")
        return RunResult(figures(engine, verdict), [], None, verdict)

    def run_orders(self, scenario: Scenario, *, seed: int, engine: str) -> OrdersResult:
        runs = [({"w/story/row1/offset": n}, self.run_scenario(scenario, engine=engine)) for n in range(2)]
        return OrdersResult(runs, self.verdicts.get(engine, "holds"), True)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    for module in (billsim.run, billsim.replay.tape, billsim.compare):
        monkeypatch.setattr(module, "run_scenario", stage.run_scenario)
    monkeypatch.setattr(billsim.run, "run_orders", stage.run_orders)
    return stage


@pytest.fixture
def story(tmp_path: Path) -> str:
    (tmp_path / "story.toml").write_text(dump(STORY))
    return str(tmp_path / "story.toml")


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    def answer(*arguments: object) -> Answered:
        code = cli.answer([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return answer


@pytest.mark.parametrize(("verdict", "code"), [("holds", 0), ("falls", 1), ("unknown", 3)])
def test_the_exit_code_is_the_verdict(stage: Stage, story: str, answer: Callable[..., Answered], verdict: str, code: int) -> None:
    stage.verdicts = {"recompute": verdict}
    for extra in ((), ("--json",), ("--quiet",), ("--every-order",)):
        assert answer("run", story, *extra)[0] == code


def test_a_run_tells_its_verdict_and_the_command_that_repeats_it(stage: Stage, story: str, answer: Callable[..., Answered]) -> None:
    code, out, err = answer("run", story, "--seed", 7, "--engine", "legacy")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "holds  test/story under legacy, seed 0",
        "  1 account, 4 Stripe events, 5 delivered; drift: 0 opened, 0 closed, 0 open at the end; digest d1",
        f"Again: billsim run {story} --engine legacy --seed 0",
    ]
    assert (stage.asked_for[0]["seed"], stage.asked_for[0]["engine"]) == (7, "legacy")
    assert answer("run", story, "--quiet")[1] == "holds  test/story under recompute, seed 0\n"


def test_json_is_one_object_and_nothing_else(stage: Stage, story: str, answer: Callable[..., Answered]) -> None:
    code, out, err = answer("run", story, "--json")
    assert (code, err, json.loads(out)) == (0, "", figures("recompute", "holds"))
    code, out, _ = answer("run", story, "--every-order", "--json")
    data = json.loads(out)
    assert (data["orders"], data["failing_orders"], data["verdict"], data["runs"][1]["order"]) == (2, 0, "holds", {"w/story/row1/offset": 1})


def test_more_orders_than_are_tried_are_unknown_and_never_a_sample(
    stage: Stage, story: str, answer: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_orders(*_: object, **__: object) -> OrdersResult:
        raise TooManyOrdersError(40_320)

    monkeypatch.setattr(billsim.run, "run_orders", run_orders)
    code, out, _ = answer("run", story, "--every-order")
    assert (code, out.startswith("unknown  "), "40320 orders" in out) == (3, True, True)
    code, out, _ = answer("run", story, "--every-order", "--json")
    assert (code, json.loads(out)["verdict"], json.loads(out)["complete"], json.loads(out)["orders"]) == (3, "unknown", False, 40_320)


def test_out_keeps_the_run(stage: Stage, story: str, tmp_path: Path, answer: Callable[..., Answered]) -> None:
    code, out, _ = answer("run", story, "--out", tmp_path / "kept", "--json")
    assert (code, json.loads(out)["run_dir"]) == (0, str(tmp_path / "kept"))
    about = read_run(tmp_path / "kept")
    assert (about["complete"], about["verdict"], about["run_dir"]) == (True, "holds", str(tmp_path / "kept"))
    assert billsim.replay.tape.read(tmp_path / "kept").answers == {"w/a": 1}


BAD_LINES = [
    (("run", "STORY", "--seed", "-1"), "--seed: must be between 0 and 9223372036854775807, not -1"),
    (("run", "STORY", "--engine", "recompte"), "(did you mean 'recompute'?)"),
    (("run", "dunning/late_failed_after_payd"), "(did you mean 'dunning/late_failed_after_paid'?)"),
    (("run", "nowhere.toml"), "nowhere.toml: "),
    (("run", "STORY", "--out", "TAKEN"), "--out: holds files already; name another folder"),
    (("run", "STORY", "--every-order", "--out", "new"), "--out: keeps one run, and --every-order makes many"),
    (("run", "STORY", "--sed", "1"), "No such option: --sed"),
    (("run", "STORY", "--seed", "x"), "see `billsim run --help`"),
    (("run",), "Missing argument 'SCENARIO'; see `billsim run --help`"),
    (("rum", "STORY"), "No such command 'rum'. Did you mean 'run'"),
    (("compare", "STORY", "--engines", "legacy"), "--engines: needs two engines or more, as in legacy,recompute; 'legacy' names 1"),
    (("compare", "STORY", "--engines", "legacy,legacy"), "--engines: names 'legacy' twice"),
    (("compare", "STORY", "--engines", "legacy,noob"), "(did you mean 'noop'?)"),
    (("replay", "nowhere"), "nowhere: there is no such run directory"),
    (("doctor", "STORY", "--seeds", "0"), "--seeds: must be 1 or more, not 0"),
    (("import", "nowhere.json", "--out", "new"), "nowhere.json: "),
    (("import", "STORY", "--out", "new", "--order", "fil"), "--order: must be one of file, created, not 'fil' (did you mean 'file'?)"),
    (("import", "STORY"), "Missing option '--out'; see `billsim import --help`"),
]


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize(("line", "told"), BAD_LINES, ids=[" ".join(line) for line, _ in BAD_LINES])
def test_bad_input_is_one_line_or_one_object(line: tuple[str, ...], told: str, story: str, tmp_path: Path, answer: Callable[..., Answered]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    arguments = [story if part == "STORY" else str(tmp_path / "taken") if part == "TAKEN" else part for part in line]
    code, out, err = answer(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("billsim: ")
    assert told in err
    code, out, err = answer(*arguments, "--json")
    assert (code, err, out.count("\n")) == (2, "", 1)
    error = json.loads(out)["error"]
    assert sorted(error) == ["file", "hint", "key", "line", "message"]
    assert error["message"]


def test_an_interrupted_run_says_what_is_kept_and_how_to_go_on(stage: Stage, story: str, tmp_path: Path, answer: Callable[..., Answered]) -> None:
    stage.raises = KeyboardInterrupt()
    again = f"again: billsim run {story} --seed 3 --engine recompute"
    assert answer("run", story, "--seed", 3) == (130, "", f"billsim: interrupted; nothing is kept without --out DIR; {again}\n")
    kept = tmp_path / "kept"
    line = f"interrupted; what was written until then is in {kept}, and its run.json says that it is incomplete; {again} --out {kept}-2"
    assert answer("run", story, "--seed", 3, "--out", kept) == (130, "", f"billsim: {line}\n")
    assert read_run(kept)["complete"] is False
    code, out, _ = answer("compare", story, "--json")
    assert (code, json.loads(out)["error"]["message"].split(";")[0]) == (130, "interrupted")


def test_ctrl_c_is_told_of_where_there_is_nothing_to_keep(answer: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(billsim.scenario.toml_file, "names", names)
    assert answer("scenarios") == (130, "", "billsim: interrupted\n")
    code, out, err = answer("scenarios", "--json")
    assert (code, json.loads(out)["error"]["message"], err) == (130, "interrupted", "")


def test_a_bug_is_one_line_too_and_no_verdict(stage: Stage, story: str, answer: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch) -> None:
    stage.raises = AskedTwiceError("w/x")
    assert answer("run", story) == (70, "", "billsim: a bug of billsim's own: AskedTwiceError: w/x; BILLSIM_TRACEBACK=1 shows where\n")
    stage.raises = ZeroDivisionError("oh")
    assert answer("run", story) == (70, "", "billsim: a bug of billsim's own: ZeroDivisionError: oh; BILLSIM_TRACEBACK=1 shows where\n")
    monkeypatch.setenv("BILLSIM_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        answer("run", story)


def test_compare_ends_with_the_verdict_of_the_last_engine(stage: Stage, story: str, answer: Callable[..., Answered]) -> None:
    stage.verdicts = {"legacy": "falls", "recompute": "holds", "noop": "unknown"}
    assert answer("compare", story)[0] == 0
    assert answer("compare", story, "--engines", "recompute,legacy")[0] == 1
    assert answer("compare", story, "--engines", "legacy, recompute, noop")[0] == 3
    code, out, err = answer("compare", story, "--json")
    data = json.loads(out)
    assert (code, err, list(data["engines"])) == (0, "", ["legacy", "recompute"])
    assert data["asked"] == {"by_both": 1, "equal": 1, "only": {"legacy": 0, "recompute": 0}, "parted": [], "unequal": []}


def test_compare_falls_when_the_engines_did_not_meet_one_world(stage: Stage, story: str, answer: Callable[..., Answered]) -> None:
    stage.tapes = {"legacy": [("w/a", 1)], "recompute": [("w/a", 2)]}
    code, out, _ = answer("compare", story)
    assert code == 1
    assert "the pairing is BROKEN at w/a: 1 under legacy, 2 under recompute" in out


def test_a_replay_that_is_not_the_same_falls_only_when_strict(stage: Stage, story: str, tmp_path: Path, answer: Callable[..., Answered]) -> None:
    answer("run", story, "--out", tmp_path / "run")
    code, out, _ = answer("replay", tmp_path / "run", "--strict", "--json")
    assert (code, json.loads(out)["same_digest"]) == (0, True)
    changed = json.loads((tmp_path / "run" / "run.json").read_text()) | {"digest": "d0"}
    (tmp_path / "run" / "run.json").write_text(json.dumps(changed))
    code, out, _ = answer("replay", tmp_path / "run")
    assert (code, "Not the trace that was recorded: digest d0 then, d1 now" in out) == (0, True)
    assert answer("replay", tmp_path / "run", "--strict")[0] == 1


def test_doctor_fails_for_a_wrong_installation_and_for_a_world_that_differs(
    story: str, answer: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billsim.doctor, "installation", lambda _: [Check("python", True, "3.12.1")])
    monkeypatch.setattr(billsim.doctor, "determinism", lambda _path, _engine, seed, _policy: SeedOutcome(seed, ("d", "d"), None))
    code, out, _ = answer("doctor", story, "--seeds", 2, "--json")
    assert (code, json.loads(out)["ok"], len(json.loads(out)["determinism"]["seeds"])) == (0, True, 2)
    monkeypatch.setattr(billsim.doctor, "determinism", lambda _path, _engine, seed, _policy: SeedOutcome(seed, ("d", f"d{seed or ''}"), None))
    code, out, _ = answer("doctor", story, "--seeds", 2)
    assert (code, "1 seed with different digests" in out, "seed 1: d and d1" in out) == (1, True, True)
    monkeypatch.setattr(billsim.doctor, "installation", lambda _: [Check("python", False, "3.9.0 is too old")])
    code, out, _ = answer("doctor", story)
    assert (code, "WRONG  python: 3.9.0 is too old" in out) == (1, True)


def test_every_command_has_help_with_an_example_of_itself(answer: Callable[..., Answered]) -> None:
    code, overview, _ = answer("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"  {command} " in overview
        code, text, _ = answer(command, "--help")
        example = shlex.split(text.split("Example: ")[1].replace(";", " ; "))
        assert (code, command in example, example[0]) == (0, True, "billsim")


def test_without_a_command_there_is_help_and_the_version_is_one_line(answer: Callable[..., Answered]) -> None:
    assert answer()[1] == answer("--help")[1]
    assert answer("--version") == (0, f"billsim {__version__}\n", "")


def test_engines_and_scenarios_are_listed(story: str, answer: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = json.loads(answer("engines", "--json")[1])["engines"]
    assert {"recompute", "legacy", "noop"} <= {engine["name"] for engine in listed if engine["what"]}
    (tmp_path / "scenarios" / "mine").mkdir(parents=True)
    (tmp_path / "scenarios" / "mine" / "story.toml").write_text(Path(story).read_text())
    (tmp_path / "scenarios" / "mine" / "broken.toml").write_text("id = 1")
    monkeypatch.chdir(tmp_path)
    lines = answer("scenarios")[1].splitlines()
    assert any(line.startswith("mine/story") for line in lines)
    assert any(line.startswith("mine/broken") and "broken: " in line for line in lines)
    assert {"name": "mine/story", "rule": ""} in json.loads(answer("scenarios", "--json")[1])["scenarios"]
