"""The pytest plugin, in pytest runs of its own; and the folder that a new user copies."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from billsim import engines
from billsim.engines import installed, load_engine
from billsim.pytest_plugin import Billsim, NotAsExpected

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "own_engine"
HOLDS = """
start = 2026-03-14T00:00:00Z
until = 2026-03-16T00:00:00Z
given = [ { account = "ada", failed_attempts = 7, card = "good" } ]
timeline = [
  { at = 2026-03-14T02:30:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
]
"""


def ran(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process and a folder of its own, with the plugin: by its entry point where billsim is installed."""
    plugin = "billsim" if entry_points(group="pytest11", name="billsim") else "billsim.pytest_plugin"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_ADDOPTS": "", "COLUMNS": "160"}
    command = [sys.executable, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    return {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|deselected)", done.stdout.splitlines()[-1])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "late.billsim.toml").write_text(f'id = "mine/late"\n{HOLDS}', encoding="utf-8")
    return tmp_path


def test_scenario_files_are_collected_as_tests_and_other_toml_is_not(folder: Path) -> None:
    (folder / "policy.toml").write_text("grace = { default = '2d' }\n", encoding="utf-8")
    done = ran(folder, "-v")
    assert outcomes(done) == {"passed": 1} and "late.billsim.toml::late PASSED" in done.stdout
    assert outcomes(ran(folder, "--billsim-seeds", "3", "-k", "late")) == {"passed": 1}


def test_a_failure_tells_the_story_and_ends_with_the_one_command_that_repeats_it(folder: Path) -> None:
    done = ran(folder, "--billsim-engine", "noop")
    assert outcomes(done) == {"failed": 1} and "Traceback" not in done.stdout
    # Once with the failure, and where CI is set pytest repeats it in its summary.
    (again,) = {line for line in done.stdout.splitlines() if line.startswith("Again: ")}
    assert again == "Again: billsim run late.billsim.toml --engine noop --seed 0"
    assert "falls  late.billsim.toml under noop" in done.stdout or "falls  mine/late under noop" in done.stdout
    command = [sys.executable, "-m", "billsim.cli", *shlex.split(again.removeprefix("Again: billsim "))]
    repeated = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False)
    assert repeated.returncode == 1 and again in repeated.stdout


def test_a_file_that_expects_drift_passes_only_with_it(folder: Path) -> None:
    expect = '\n[expect.noop]\nsome_order = { drift = [ { account = "ada", code = "dunning_wrong" } ] }\n'
    (folder / "late.billsim.toml").write_text(f'id = "mine/late"\n{HOLDS}{expect}', encoding="utf-8")
    done = ran(folder, "--billsim-engine", "noop")
    assert outcomes(done) == {"failed": 1} and "late.billsim.toml: not what its [expect] says of noop" in done.stdout
    (folder / "late.billsim.toml").write_text(f'id = "mine/late"\n{HOLDS}\n[expect.noop]\nevery_order = {{ drift = [] }}\n', encoding="utf-8")
    assert outcomes(ran(folder, "--billsim-engine", "recompute")) == {"passed": 1}


def test_bad_input_is_one_line_and_so_is_an_engine_that_there_is_not(folder: Path) -> None:
    (folder / "broken.billsim.toml").write_text(f'id = "mine/broken"\nrool = "x"\n{HOLDS}', encoding="utf-8")
    done = ran(folder)
    assert outcomes(done) == {"passed": 1, "failed": 1}
    assert "broken.billsim.toml:2: rool: unknown key (did you mean 'rule'?)" in done.stdout and "Traceback" not in done.stdout
    assert "unknown engine 'recompte'" in ran(folder, "--billsim-engine", "recompte").stdout


def test_what_is_collected_and_run_can_be_configured(folder: Path) -> None:
    ini = "[pytest]\nbillsim_files = *.story.toml\nbillsim_engine = noop\nbillsim_policy = policy.toml\n"
    (folder / "pytest.ini").write_text(ini, encoding="utf-8")
    (folder / "policy.toml").write_text("grace = { default = '2d' }\n", encoding="utf-8")
    (folder / "late.billsim.toml").rename(folder / "late.story.toml")
    done = ran(folder)
    assert outcomes(done) == {"failed": 1}
    assert "Again: billsim run late.story.toml --engine noop --seed 0 --policy policy.toml" in done.stdout
    assert outcomes(ran(folder, "--billsim-engine", "recompute")) == {"passed": 1}


def test_the_fixture_runs_compares_and_asserts(folder: Path) -> None:
    (folder / "test_mine.py").write_text(
        "import pytest\n"
        "STORY = 'dunning/void_after_bad_debt'\n"
        "def test_run(billsim): assert billsim.run(STORY, seed=3).verdict == 'holds'\n"
        "def test_engine(billsim): assert billsim.run('late.billsim.toml', engine='noop').verdict == 'falls'\n"
        "def test_compare(billsim): assert billsim.compare(STORY, ['noop', 'recompute']).pairing.holds\n"
        "def test_converges(billsim): billsim.assert_converges(STORY, seeds=range(2))\n"
        "def test_falls(billsim): billsim.assert_converges(STORY, engine='legacy')\n",
        encoding="utf-8",
    )
    done = ran(folder)
    assert outcomes(done) == {"passed": 5, "failed": 1}
    assert "Again: billsim run dunning/void_after_bad_debt --engine legacy --seed 0 --every-order" in done.stdout


def test_an_assertion_of_the_fixture_is_an_assertion() -> None:
    with pytest.raises(NotAsExpected, match="Again: billsim run dunning/grace_runs_out --engine noop --seed 2"):
        Billsim(engine="noop").assert_converges("dunning/grace_runs_out", seeds=[2])
    Billsim(engine="legacy").assert_as_expected("dunning/grace_runs_out")


# -- as it is installed ----------------------------------------------------------------------------------------------------------------


def test_pytest_finds_the_plugin_by_itself_where_billsim_is_installed(folder: Path) -> None:
    """No -p, and no path to the sources: only what `pip install` has left."""
    if not entry_points(group="pytest11", name="billsim"):
        missing = f"billsim is not installed in {sys.executable}: its pytest11 entry point cannot be tried (make check installs it)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    (folder / "test_mine.py").write_text(
        "def test_run(billsim): assert billsim.run('late.billsim.toml').verdict == 'holds'\n", encoding="utf-8"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")}
    command = [sys.executable, "-m", "pytest", "-v"]
    done = subprocess.run(command, cwd=folder, env={**kept, "PYTEST_ADDOPTS": ""}, capture_output=True, text=True, check=False)
    assert outcomes(done) == {"passed": 2}, done.stdout
    assert "late.billsim.toml::late PASSED" in done.stdout and "test_mine.py::test_run PASSED" in done.stdout
    (plugins,) = [line for line in done.stdout.splitlines() if line.startswith("plugins: ")]
    assert "billsim" in plugins


# -- the folder to copy, and engines that packages bring -------------------------------------------------------------------------------


def test_the_example_that_a_new_user_copies_works_as_it_is(tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLE, tmp_path / "billing", ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    done = ran(copy)
    assert outcomes(done) == {"passed": 7}, done.stdout
    workflow = (copy / ".github" / "workflows" / "billing.yml").read_text(encoding="utf-8")
    commands = [line.split("- run: ", 1)[1] for line in workflow.splitlines() if "- run: " in line]
    assert [command.split()[0] for command in commands] == ["pip", "pytest", "billsim"]
    _, checks, doctor = (shlex.split(command)[1:] for command in commands)
    assert outcomes(ran(copy, *checks)) == {"passed": 7}
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-m", "billsim.cli", *doctor], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_falls_when_its_logic_is_wrong(tmp_path: Path) -> None:
    """What would a green test be worth otherwise: forget the recovery, and the story of the late event says so."""
    copy = shutil.copytree(EXAMPLE, tmp_path / "billing", ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    source = (copy / "engine.py").read_text(encoding="utf-8")
    assert "called += recovered(state, policy)" in source
    (copy / "engine.py").write_text(source.replace("called += recovered(state, policy)", "pass"), encoding="utf-8")
    done = ran(copy, "-k", "late_event")
    assert outcomes(done)["failed"] == 1 and "consequence_missing" in done.stdout


def test_the_package_names_its_plugin_and_its_group() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"billsim": "billsim.pytest_plugin"}
    assert engines.GROUP == "billsim.engines"


def test_an_engine_that_an_installed_package_brings_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = [
        EntryPoint("theirs", "billsim.engine.degenerate:AllBad", "billsim.engines"),
        EntryPoint("recompute", "billsim.engine.degenerate:AllBad", "billsim.engines"),
        EntryPoint("broken", "no_such_package:Engine", "billsim.engines"),
    ]
    monkeypatch.setattr(engines, "entry_points", lambda group: brought if group == "billsim.engines" else [])
    assert list(installed()) == ["broken", "theirs"], "what ships goes first"
    assert load_engine("theirs").name == "theirs"
    with pytest.raises(engines.UnknownEngineError, match="engine 'broken': no_such_package:Engine cannot be loaded: ModuleNotFoundError"):
        load_engine("broken")
    with pytest.raises(engines.UnknownEngineError) as raised:
        load_engine("their")
    assert raised.value.hint == "theirs"
