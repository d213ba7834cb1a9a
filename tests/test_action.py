"""The GitHub Action: valid, true to the command that it runs, and its scripts do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from billsim.cli import app

ROOT = Path(__file__).resolve().parents[1]
FOUND = "drift/bad_debt_missed/manual_write/subs_account.account_type"
# Options of the command that a workflow has no use for.
NOT_OFFERED = {"--cluster", "--no-cluster", "--json", "--quiet", "--help"}

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}
DEFAULTS = {name: told["default"] for name, told in ACTION["inputs"].items()}


def fuzz_options() -> dict[str, Any]:
    """The options of `billsim fuzz`, with their defaults."""
    command = typer.main.get_command(app).commands["fuzz"]  # type: ignore[attr-defined]
    return {option: param.default for param in command.params for option in (*param.opts, *param.secondary_opts) if option.startswith("--")}


def expressions(part: Any) -> list[str]:
    """What stands between ${{ and }}, or in a condition."""
    if isinstance(part, dict):
        return [found for key, value in part.items() for found in ([str(value)] if key == "if" else expressions(value))]
    if isinstance(part, list):
        return [found for value in part for found in expressions(value)]
    return re.findall(r"\$\{\{(.*?)\}\}", part) if isinstance(part, str) else []


def test_it_is_a_composite_action() -> None:
    assert ACTION["runs"]["using"] == "composite" and ACTION["name"] and ACTION["description"]
    for step in STEPS:
        assert step["name"] and ("uses" in step) != ("run" in step)
        assert step.get("shell") == "bash" if "run" in step else re.fullmatch(r"actions/[\w/-]+@v\d+", step["uses"])
    assert all(told["description"] and isinstance(told["default"], str) for told in ACTION["inputs"].values())


def test_what_it_refers_to_is_there() -> None:
    """Inputs are declared, and used; outputs of steps are written by the step of that id; nothing from outside stands in a script itself."""
    refers = expressions([ACTION["outputs"], STEPS])
    assert {name for each in refers for name in re.findall(r"\binputs\.([\w-]+)", each)} == set(ACTION["inputs"])
    scripts = {step["id"]: step["run"] for step in STEPS if "id" in step}
    outputs = {found for each in refers for found in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", each)}
    assert len(outputs) == 6 and all(f"{name}=" in scripts[step] for step, name in outputs)
    assert not any("${{" in script for script in SCRIPTS.values())


def test_it_names_options_that_exist_and_offers_all_but_a_few() -> None:
    names = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", SCRIPTS["Fuzz"]))
    assert names == set(fuzz_options()) - NOT_OFFERED


@pytest.mark.parametrize("option", ["engine", "strategy", "seed", "shrink"])
def test_a_default_is_that_of_the_command(option: str) -> None:
    default = fuzz_options()[f"--{option}"]
    assert type(default)(DEFAULTS[option]) == default


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_is_bash(name: str) -> None:
    subprocess.run(["bash", "-n"], input=SCRIPTS[name], text=True, check=True, capture_output=True)


class Runner:
    """A machine on which the steps of the action run, with a `billsim` of this source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary, self.output = folder / "summary", folder / "output"
        programs = folder / "programs"
        programs.mkdir()
        for name, line in {"python": '"$@"', "billsim": '-m billsim.cli "$@"'}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {line}\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self._environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "RUNNER_TEMP": str(folder),
            "RUNNER_OS": "Linux",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_SHA": "0123abcd",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
        }

    def run(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step as GitHub does."""
        step = next(step for step in STEPS if step["name"] == name)
        given = DEFAULTS | {key.replace("_", "-"): value for key, value in inputs.items()}
        variables = {key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value) for key, value in step["env"].items()}
        script = self.folder / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        self.output.write_text("", encoding="utf-8")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(command, cwd=self.folder, env=self._environment | variables, text=True, capture_output=True)

    def outputs(self) -> dict[str, str]:
        """What the last step put out."""
        lines = self.output.read_text(encoding="utf-8").splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    return Runner(tmp_path)


def test_a_campaign_that_holds(runner: Runner) -> None:
    done = runner.run("Fuzz", scenarios="races/leaves_enterprise\ndunning/grace_runs_out", runs="8", jobs="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.outputs() == {"exit-code": "0", "verdict": "holds", "runs": "8", "failing-runs": "0", "new": "0"}
    assert "holds  races/leaves_enterprise, dunning/grace_runs_out under recompute: 8 runs" in runner.summary.read_text(encoding="utf-8")


def test_a_campaign_that_falls_leaves_a_story_and_an_annotation_unless_it_is_known(runner: Runner) -> None:
    asked = {"scenarios": "races/leaves_enterprise", "engine": "legacy", "runs": "4", "jobs": "1"}
    done = runner.run("Fuzz", **asked)
    story = "billsim-campaign/found/drift-bad_debt_missed-manual_write-subs_account-account_type.toml"
    assert done.returncode == 1, done.stdout + done.stderr
    assert runner.outputs() == {"exit-code": "1", "verdict": "falls", "runs": "4", "failing-runs": "4", "new": "1"}
    assert done.stdout.splitlines()[-1] == f"::error title=billsim fuzz::{FOUND}, in 4 of 4 runs, told in 1 row: {story}"
    assert (runner.folder / story).is_file()

    (runner.folder / "known.txt").write_text(f"# to be mended with the contracts\n{FOUND}\n", encoding="utf-8")
    done = runner.run("Fuzz", **asked, baseline="known.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.outputs() == {"exit-code": "0", "verdict": "holds", "runs": "4", "failing-runs": "4", "new": "0"}
    assert "::error" not in done.stdout


def test_bad_input_is_no_result_though_an_earlier_one_lies_there(runner: Runner) -> None:
    (runner.folder / "billsim-campaign").mkdir()
    (runner.folder / "billsim-campaign" / "result.json").write_text("{}", encoding="utf-8")
    done = runner.run("Fuzz", scenarios="races/leave_enterprise", jobs="1")
    assert done.returncode == 2 and "races/leaves_enterprise" in done.stdout
    assert runner.outputs() == {"exit-code": "2"}


def test_a_kept_campaign_is_called_by_what_it_is_of(runner: Runner) -> None:
    def key(**inputs: str) -> str:
        done = runner.run("Name the campaign", **inputs)
        assert done.returncode == 0, done.stdout + done.stderr
        return runner.outputs()["key"]

    first = key()
    assert re.fullmatch(r"billsim-[0-9a-f]{16}-0123abcd", first)
    assert key(time="10m", jobs="2") == first, "how long and by how many is no part of it"
    assert key(seed="1") != first
