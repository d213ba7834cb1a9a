"""`billsim shrink` on the command line: the story, a file that falls as it stands, one JSON object, a run directory, and what bad input gets."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from billsim import cli
from billsim.scenario.toml_file import dump, find, load, loads
from tests.processes import STOPPING, happens, started

STORY = "dunning/late_failed_after_paid"
CHASED = "finding/paid_chased/invoice_payment_failed/cancel"


def ask(*arguments: str) -> int:
    return cli.answer(["shrink", *arguments])


def test_the_story_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(STORY, "--engine", "legacy", "--time", "600") == 0
    head, _, text = capsys.readouterr().out.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == f"1 account, 4 rows, 0 pinned choices  {CHASED}"
    assert "runs in" in lines[1] and lines[1].endswith("nothing more can go") and lines[2] == "  holds under recompute"
    assert [row.do for row in loads(text).timeline] == ["hold", "charge", "update_card", "pay"]


def test_the_file_falls_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found" / "story.toml"
    assert ask(STORY, "--engine", "legacy", "--seed", "3", "--time", "600", "--out", str(path)) == 0
    again = capsys.readouterr().out.splitlines()[-1].strip()
    assert again == f"billsim run {path} --engine legacy"
    assert cli.answer(again.split()[1:]) == 1
    assert "(as its scenario expects)" in capsys.readouterr().out.splitlines()[0]
    assert cli.answer(["run", str(path)]) == 0
    assert ask(STORY, "--engine", "legacy", "--out", str(path)) == 2
    assert "is there already" in capsys.readouterr().err


def test_json_is_one_object_with_the_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "story.toml"
    assert ask(STORY, "--engine", "legacy", "--json", "--time", "600", "--out", str(path)) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["story"] == path.read_text(encoding="utf-8") == dump(load(path)) and data["file"] == str(path)
    assert (data["signature"], data["engine"], data["against"], data["seed"]) == (CHASED, "legacy", "recompute", 0)
    assert (data["accounts"], data["timeline_rows"], data["pins"], data["exhausted"]) == (1, 4, 0, False)
    assert data["runs"] > 4 and data["seconds"] > 0


def test_a_run_directory_is_shrunk_as_it_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert cli.answer(["run", "load/faulty_small", "--seed", "2", "--engine", "legacy", "--out", str(run), "--quiet"]) == 1
    capsys.readouterr()
    assert ask(str(run), "--json", "--time", "600") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["engine"], data["accounts"], data["timeline_rows"]) == ("legacy", 1, 2)
    assert ask(str(run), "--seed", "9") == 2
    assert "the run has the seed 2" in capsys.readouterr().err


def test_a_small_budget_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(STORY, "--engine", "legacy", "--runs", "6", "--quiet") == 0
    shown = capsys.readouterr().out
    assert "the budget is spent" in shown and "given" not in shown


def test_an_order_that_fails_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = load(find("dunning/void_after_bad_debt"))
    for seed in ("0", "1", "2"):
        assert ask("dunning/void_after_bad_debt", "--engine", "legacy", "--seed", seed, "--json", "--time", "600") == 0
        told = loads(json.loads(capsys.readouterr().out)["story"])
        assert [row.do for row in told.timeline] == ["void"] and told.given[0].account == story.given[0].account


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((STORY,), "does not fail under recompute with seed 0: there is nothing to shrink"),
        ((STORY, "--engine", "legacy", "--want", "drift/nope"), "does not fail with drift/nope under legacy"),
        (("dunning/late_failed",), "there is no scenario 'dunning/late_failed' (did you mean 'dunning/late_failed_after_paid'?)"),
        ((STORY, "--engine", "legasy"), "unknown engine 'legasy'"),
        ((STORY, "--engine", "legacy", "--against", "recomput"), "unknown engine 'recomput'"),
        ((STORY, "--engine", "legacy", "--runs", "0"), "--runs: must be above 0"),
        ((STORY, "--engine", "legacy", "--time", "0"), "--time: must be above 0"),
        ((STORY, "--seed", "-1"), "--seed: must be between 0 and"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("billsim: ") and what in told.err and told.err.count("\n") == 1 and not told.out


def test_imported_events_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.toml"
    story = replace(load(find(STORY)), rows="rows.jsonl", expect={}, timeline=())
    path.write_text(dump(story), encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("", encoding="utf-8")
    assert ask(str(path), "--engine", "legacy") == 2
    assert capsys.readouterr().err.count("\n") == 1


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------------------------


def interrupted(folder: Path, stops_in: int, *options: str) -> tuple[str, str]:
    """What is shown and said by one that is stopped in one of its runs."""
    (folder / "stopping.py").write_text(STOPPING, encoding="utf-8")
    run = started("shrink", STORY, "--engine", "stopping:Stopping", "--against", "none", *options, cwd=folder, STOPS_IN=str(stops_in))
    assert happens((folder / "begun").exists) and run.poll() is None
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert (run.returncode, err.count("\n")) == (130, int("--json" not in options))
    return out, err


def test_ctrl_c_keeps_the_smallest_story_so_far_and_says_how_to_go_on_from_it(tmp_path: Path) -> None:
    chased = CHASED.replace("cancel", "notify")
    out, said = interrupted(tmp_path, 6, "--out", "found.toml")
    head = "billsim: interrupted; the smallest story so far is in found.toml; again, from there: "
    options = f"--engine stopping:Stopping --seed 0 --against none --want {chased} --out found-2.toml"
    assert (out, said) == ("", f"{head}billsim shrink found.toml {options}\n")
    kept = load(tmp_path / "found.toml")
    assert len(kept.given) == 1
    again = shlex.split(said.removeprefix(head))[1:]
    out, err = (run := started(*again, "--runs", 8, "--json", cwd=tmp_path)).communicate()
    assert (run.returncode, err, json.loads(out)["signature"]) == (0, "", chased)
    assert len(load(tmp_path / "found-2.toml").timeline) <= len(kept.timeline)


def test_without_a_file_the_smallest_story_so_far_is_shown(tmp_path: Path) -> None:
    out, said = interrupted(tmp_path, 6)
    assert said.startswith("billsim: interrupted; the smallest story so far is shown; again: billsim shrink ") and len(loads(out).given) == 1


@pytest.mark.parametrize(("stops_in", "options"), [(1, ("--out", "found.toml")), (6, ("--json",)), (6, ("--quiet",))])
def test_ctrl_c_keeps_nothing_where_there_is_no_story_or_nobody_who_wants_it(tmp_path: Path, stops_in: int, options: tuple[str, ...]) -> None:
    out, said = interrupted(tmp_path, stops_in, *options)
    assert "nothing is kept" in out + said and not (tmp_path / "found.toml").exists()
