"""The page on continuous integration: its commands, scenarios, workflows and tables are true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from billsim.cli import answer, app
from billsim.cli.output import EXIT_BUG, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OF_VERDICT
from billsim.explore.baseline import read_baseline
from billsim.scenario.toml_file import names

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = sorted({found.strip() for found in re.findall(r"^(?: {4}| +- )(billsim \w.*)$", PAGE, re.MULTILINE)})
SECTION = {found[0]: found[1] for found in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| Input", "| Code"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def coded(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_and_its_options_exist(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option for param in command.params for option in param.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_its_scenarios_ship() -> None:
    folders = "|".join(sorted({name.partition("/")[0] for name in names()}))
    named = {found for found in re.findall(rf"(?<![\w/])((?:{folders})/\w+)\b(?!\.toml)", PAGE)}
    assert {"fuzz/tales", "races/ban_falls_due", "load/faulty_small"} <= named <= set(names())


def test_its_workflow_gives_the_action_what_it_takes() -> None:
    workflows = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]
    steps = [step for workflow in workflows for job in workflow.get("jobs", {}).values() for step in job["steps"]]
    given = [step["with"] for step in steps if "billsim@" in step.get("uses", "")]
    assert len(given) == 2 and all(set(each) <= set(ACTION["inputs"]) for each in given)
    assert all(isinstance(value, str) for each in given for value in each.values())


def test_the_tables_of_the_action_are_whole() -> None:
    told = {name: cells[1] for cells in rows(SECTION["GitHub"]) for name in coded(cells[0])}
    assert set(told) == set(ACTION["inputs"])
    shown = {name: coded(default) for name, default in told.items() if coded(default)}
    assert shown == {name: [ACTION["inputs"][name]["default"]] for name in shown} and len(shown) == 7
    outputs = next(line for line in SECTION["GitHub"].splitlines() if line.startswith("Outputs:"))
    assert set(coded(outputs)) == set(ACTION["outputs"])


def test_the_exit_codes_are_those_of_the_command() -> None:
    codes = {int(cells[0]): cells[1] for cells in rows(SECTION["Exit codes"])}
    assert set(codes) == {*EXIT_OF_VERDICT.values(), EXIT_INPUT, EXIT_BUG, EXIT_INTERRUPTED}
    assert all(codes[code].startswith(verdict) for verdict, code in EXIT_OF_VERDICT.items())


def test_its_list_of_what_is_known_is_a_baseline(tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    known.write_text("\n".join(line[6:] for line in PAGE.splitlines() if line.startswith(" " * 6) and line[6:7] in "#d"), encoding="utf-8")
    assert read_baseline(known).known == {"drift/bad_debt_stuck/missing_handler/stripe.invoice.status"}


def test_its_expectation_is_one() -> None:
    told = [tomllib.loads(text) for kind, text in BLOCKS if kind == "toml"]
    assert told == [{"expect": {"engine:Brain": {"every_order": {"drift": []}}}}]


def test_its_tests_pass_and_so_does_a_story_found_that_was_made_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer(["fuzz", "races/leaves_enterprise", "--engine", "legacy", "--runs", "1", "--out", "campaign", "--quiet"]) == 1
    (found,) = Path("campaign/found").iterdir()
    found.rename("leaves.billsim.toml")
    for number, text in enumerate(text for kind, text in BLOCKS if kind == "python"):
        Path(f"test_{number}.py").write_text(text, encoding="utf-8")
    plugin = "billsim" if entry_points(group="pytest11", name="billsim") else "billsim.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin, "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    done = subprocess.run([*command, "leaves.billsim.toml", "--billsim-engine", "legacy"], env=environment, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
