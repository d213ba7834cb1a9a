"""`@billsim.fuzz`, in pytest runs of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import billsim
from billsim.scenario.toml_file import load

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_ADDOPTS": "", "COLUMNS": "160"}


def ran(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest over one file of tests, in a process and a folder of its own."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_mine.py").write_text(f"import billsim\n{text}", encoding="utf-8")
    plugin = "billsim" if entry_points(group="pytest11", name="billsim") else "billsim.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def again(folder: Path, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """What the one command that a failure ends with does."""
    (line,) = {line.removeprefix("E").strip() for line in done.stdout.splitlines() if "Again: " in line}
    command = [sys.executable, "-m", "billsim.cli", *shlex.split(line.removeprefix("Again: billsim "))]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_a_test_that_holds_in_every_world_passes(tmp_path: Path) -> None:
    done = ran(
        tmp_path,
        "worlds = []\n"
        "@billsim.fuzz(runs=30)\n"
        "def test_run(run):\n"
        "    worlds.append(run.data['digest'])\n"
        "    assert run.verdict == 'holds' and run.data['engine'] == 'recompute'\n"
        "def test_how_often(): assert len(set(worlds)) > 20\n"
        "class TestMine:\n"
        "    @billsim.fuzz('dunning/grace_runs_out', runs=5, engine='noop')\n"
        "    def test_fixtures(self, scenario, run, billsim, tmp_path):\n"
        "        assert scenario.id == 'dunning/grace_runs_out' and run.data['engine'] == 'noop'\n"
        "        assert billsim.engine == 'recompute' and tmp_path.exists()\n",
    )
    assert "3 passed" in done.stdout, done.stdout
    assert not (tmp_path / ".billsim").exists()


def test_a_failure_ends_with_the_shrunk_story_and_the_one_command_that_repeats_it(tmp_path: Path) -> None:
    done = ran(tmp_path, "@billsim.fuzz(runs=100)\ndef test_it(run): assert run.verdict == 'holds'\n", "--billsim-engine", "legacy")
    assert "1 failed" in done.stdout and "Again: billsim run .billsim/test_it.toml --engine legacy --seed" in done.stdout, done.stdout
    assert "The smallest story that was found, in .billsim/test_it.toml:" in done.stdout and "falls  found/test_it under legacy" in done.stdout
    story = load(tmp_path / ".billsim" / "test_it.toml")
    assert len(story.timeline) <= 4 and len(story.given) <= 2 and story.from_ == "pytest test_it"
    repeated = again(tmp_path, done)
    assert repeated.returncode == 1 and "falls  found/test_it under legacy" in repeated.stdout


def test_what_failed_once_is_tried_first_the_next_time(tmp_path: Path) -> None:
    text = (
        # Hypothesis keeps no database of examples where it takes itself to run in CI.
        "from hypothesis import settings\n"
        "settings.load_profile('default')\n"
        "runs = []\n"
        "@billsim.fuzz(runs=100)\n"
        "def test_it(scenario):\n"
        "    runs.append([row.do for row in scenario.timeline])\n"
        "    assert 'void' not in runs[-1]\n"
        "def test_first(): assert runs[0] == ['void']\n"
    )
    assert "2 failed" in ran(tmp_path, text).stdout
    assert "1 failed, 1 passed" in ran(tmp_path, text).stdout


def test_a_test_that_takes_no_world_is_an_error() -> None:
    with pytest.raises(TypeError, match="test_nothing: a test under @billsim.fuzz has a parameter 'run' or 'scenario'"):

        @billsim.fuzz()
        def test_nothing() -> None: ...


def test_the_package_has_no_other_attribute_by_chance() -> None:
    with pytest.raises(AttributeError, match="module 'billsim' has no attribute 'fuz'"):
        billsim.fuz  # noqa: B018
