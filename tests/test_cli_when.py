"""`billsim when` on the command line: the table with its plot, one JSON object, the picture, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from billsim import cli
from billsim.faults.base import Dial
from billsim.scenario.toml_file import dump, find, load

FALLS, HOLDS = "2", "0"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> str:
    """It falls under `legacy` if Stripe makes two events of one failure, as under seed 2, and only then."""
    told = load(find("dunning/duplicate_failed_counts_twice"))
    path = tmp_path_factory.mktemp("stories") / "twin.toml"
    path.write_text(dump(replace(told, timeline=told.timeline[1:], faults={"twin": Dial(ppm=300_000)}, expect={})), encoding="utf-8")
    return str(path)


def ask(*arguments: str) -> int:
    return cli.answer(["when", *arguments])


def test_the_table_is_aligned_and_says_where_and_why(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(story, "--engine", "legacy", "--seed", FALLS, "--runs", "10") == 1
    lines = capsys.readouterr().out.splitlines()
    table = lines[4 : next(n for n, line in enumerate(lines) if line.startswith("It became likely"))]
    heading, rows = table[0], table[1:]
    first, last = heading.index("0   "), heading.index("1  ")
    assert last - first == 39
    for row in rows:
        bar = row[first : last + 1]
        assert set(bar) <= set("█░·") and row[first - 1] == " " and row[last + 1] == " "
        assert bar.count("█") == round(40 * float(row[first - 6 : first]))
    marked = [row for row in rows if "<--" in row]
    assert len(marked) == 1 and marked[0].split()[:2] == ["2026-03-14T10:00:00Z", "1.00"]
    assert "Decided by w/fault/twin/in_ada_1.payment_failed.7 = 1" in lines
    assert lines[-1].startswith(f"Again: billsim when {story} --seed 2 --engine legacy")


def test_json_is_one_object_with_the_points(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(story, "--engine", "legacy", "--seed", FALLS, "--runs", "5", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["account"], data["signature"]) == ("falls", "ada", "drift/dunning_wrong/duplicate/subs_dunning.status")
    assert data["points"][0]["at"] is None and data["points"][-1]["p"] == 1
    assert {"at", "runs", "falling", "others", "p", "low", "high"} == set(data["points"][0])
    assert data["turn"]["until"] == 1_773_482_400_000  # 2026-03-14T10:00:00Z
    assert data["turn"]["decision"]["answers"] == {"w/fault/twin/in_ada_1.payment_failed.7": 1}
    assert data["turn"]["happened"][0]["store"] == "stripe.charge"


def test_the_picture_is_written(story: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "when.svg"
    assert ask(story, "--engine", "legacy", "--seed", FALLS, "--runs", "8", "--points", "4", "--svg", str(file), "--quiet") == 1
    assert len(list(ElementTree.parse(file).getroot().iter("{http://www.w3.org/2000/svg}circle"))) == 4
    assert "kept up to" not in capsys.readouterr().out


def test_a_run_that_holds_is_told_as_such(story: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(story, "--engine", "legacy", "--seed", HOLDS) == 0
    assert "nothing went wrong in this run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--points", "1"], "--points: must be between 2 and 1000, not 1"),
        (["--runs", "0"], "--runs: must be between 1 and 10000, not 0"),
        (["--account", "bob"], "--account: this run has no failure of 'bob' (did you mean 'ada'?)"),
        (["--svg", "nowhere/when.svg"], "--svg: there is no folder nowhere"),
        (["--svg", "."], "--svg: is a folder; name a file, as in when.svg"),
    ],
)
def test_bad_input_is_one_line(story: str, options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(story, "--engine", "legacy", "--seed", FALLS, *options) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.endswith(f"{told}\n") and err.count("\n") == 1
