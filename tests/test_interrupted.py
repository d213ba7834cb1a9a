"""kill -9 and Ctrl-C: nothing is half written, no process is left over, and what is told is enough to go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from billsim.rundir import TABLES, read_run
from billsim.scenario.toml_file import find
from tests.processes import gone, happens, looks_at_processes, started

STORY = "dunning/late_failed_after_paid"
ENGINE = "stopping:Stopping"
# It says that a world is under way, and waits there to be stopped: in the first process, in the second (bench's own), or nowhere.
STOPPING = """
import os, signal
from pathlib import Path
from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import Recompute

class Stopping(Recompute):
    def __init__(self):
        super().__init__(DunningPolicy())

    def wakes(self, message):
        begun = Path("begun")
        (begun / str(os.getpid())).touch()
        if len(list(begun.iterdir())) == int(os.environ.get("STOPS_IN", 0)):
            signal.pause()
        return super().wakes(message)
"""
DAY = """
id    = "bench/tiny"
start = 2026-03-01T00:00:00Z
until = 2026-03-02T00:00:00Z
calm_hours = 2
population = { accounts = 300, days = 1, people = "saas" }
"""
AT_ONCE, IN_THE_GROUP = "to the process", "as a terminal does"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stopping.py").write_text(STOPPING, encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(DAY, encoding="utf-8")
    big = find("load/small").read_text(encoding="utf-8").replace("accounts = 200", "accounts = 5000")
    assert "5000" in big
    (tmp_path / "big.toml").write_text(big, encoding="utf-8")
    (tmp_path / "begun").mkdir()
    return tmp_path


def under_way(folder: Path, processes: int = 1) -> list[int]:
    """The processes that a world runs in, as soon as there are so many."""
    assert happens(lambda: len(list((folder / "begun").iterdir())) >= processes)
    return sorted(int(file.name) for file in (folder / "begun").iterdir())


def stop(run: subprocess.Popen[str], number: signal.Signals, to: str = AT_ONCE) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that was sent a signal."""
    assert run.poll() is None, "it ended before it could be stopped"
    if to == IN_THE_GROUP:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    out, err = run.communicate()
    return run.returncode, out, err


def again(folder: Path, told: str) -> tuple[int, dict[str, object], str]:
    """The command that a line tells after `again: `, run as it stands: exit code, its JSON, standard error."""
    command = told.rsplit("again: ", 1)[1].rstrip()
    run = started(*shlex.split(command)[1:], "--json", cwd=folder)
    out, err = run.communicate()
    return run.returncode, json.loads(out), err


def half_written(run_dir: Path) -> Iterator[Path]:
    """Whatever lies in a run directory besides its two files and the parts of its tables, and each part that cannot be read."""
    for path in run_dir.rglob("*"):
        if path.is_file() and path.suffix != ".parquet" and path.relative_to(run_dir).as_posix() not in ("run.json", "scenario.toml"):
            yield path
    for path in run_dir.rglob("*.parquet"):
        try:
            duckdb.connect(":memory:").execute(f"SELECT count(*) FROM '{path}'")
        except duckdb.Error:
            yield path


# -- a run that is kept ------------------------------------------------------------------------------------------------------------------


def big_run(folder: Path) -> subprocess.Popen[str]:
    """A run of which a first slice has been kept, and a second is being written."""
    run = started("run", "big.toml", "--out", "run", "--seed", 3, cwd=folder)
    assert happens((folder / "run" / "writes" / "00001.parquet").exists) and run.poll() is None
    return run


def test_a_run_killed_half_way_is_visibly_incomplete_and_its_tables_open(folder: Path) -> None:
    assert stop(big_run(folder), signal.SIGKILL)[0] == -signal.SIGKILL
    assert read_run(folder / "run")["complete"] is False
    # What was being written is under a name that no reader of the tables takes.
    assert all(path.name.startswith(".") and path.name.endswith(".unfinished") for path in half_written(folder / "run"))
    for table in TABLES:
        (rows,) = duckdb.connect(":memory:").execute(f"SELECT count(*) FROM '{folder}/run/{table}/*.parquet'").fetchall()[0]
        assert rows > 0 or table != "writes"


def test_what_a_killed_run_left_can_be_explained_and_is_run_again_by_the_command_that_replay_tells(folder: Path) -> None:
    stop(big_run(folder), signal.SIGKILL)
    out, err = (asked := started("explain", "run", cwd=folder)).communicate()
    assert (asked.returncode, err) == (0, "") and "the run was stopped before its end: what stood open then is not among them" in out
    out, err = (asked := started("replay", "run", cwd=folder)).communicate()
    assert (asked.returncode, out, err.count("\n")) == (2, "", 1)
    assert "run: the run is incomplete: it was stopped before its tape was whole; run it again: billsim run run/scenario.toml --seed 3 " in err
    # The run that is told of, but shorter, so that the test is.
    whole = folder / "run" / "scenario.toml"
    whole.write_text(whole.read_text(encoding="utf-8").replace("accounts = 5000", "accounts = 20"), encoding="utf-8")
    code, data, _ = again(folder, err)
    assert (code, data["seed"], data["run_dir"], read_run(folder / "run-2")["complete"]) == (0, 3, "run-2", True)


def test_ctrl_c_ends_with_one_line_that_tells_what_is_kept_and_how_to_go_on(folder: Path) -> None:
    code, out, err = stop(big_run(folder), signal.SIGINT, IN_THE_GROUP)
    assert (code, out, err.count("\n")) == (130, "", 1)
    assert err.startswith("billsim: interrupted; what was written until then is in run, and its run.json says that it is incomplete; again: ")
    assert read_run(folder / "run")["complete"] is False and not list(half_written(folder / "run"))
    (folder / "big.toml").write_text((folder / "big.toml").read_text(encoding="utf-8").replace("5000", "20"), encoding="utf-8")
    code, data, _ = again(folder, err)
    assert (code, data["seed"], data["run_dir"]) == (0, 3, "run-2")


def test_a_run_that_was_stopped_and_made_again_is_the_run_that_was_never_stopped(folder: Path) -> None:
    run = started("run", STORY, "--engine", ENGINE, "--out", "run", cwd=folder, STOPS_IN="1")
    under_way(folder)
    _, _, err = stop(run, signal.SIGINT)
    _, made_again, _ = again(folder, err)
    out, _ = started("run", STORY, "--engine", ENGINE, "--json", cwd=folder).communicate()
    assert made_again["digest"] == json.loads(out)["digest"] and made_again["verdict"] == "holds"


# -- commands that keep nothing ------------------------------------------------------------------------------------------------------------

KEEP_NOTHING = [
    (("run", STORY, "--engine", ENGINE), "nothing is kept without --out DIR"),
    (("run", STORY, "--engine", ENGINE, "--every-order"), "nothing is kept"),
    (("compare", STORY, "--engines", f"{ENGINE},recompute"), "nothing is kept"),
    (("bench", "tiny.toml", "--scale-to", "0", "--worlds", "0", "--engine", ENGINE), "nothing is kept"),
    (("bench", "tiny.toml", "--scale-to", "0", "--worlds", "2", "--engine", ENGINE), "nothing is kept"),
]


@pytest.mark.parametrize(("command", "kept"), KEEP_NOTHING, ids=[" ".join(command) for command, _ in KEEP_NOTHING])
def test_ctrl_c_where_nothing_is_kept(folder: Path, command: tuple[str, ...], kept: str) -> None:
    before = sorted(folder.iterdir())
    run = started(*command, cwd=folder, STOPS_IN="1")
    under_way(folder)
    code, out, err = stop(run, signal.SIGINT)
    assert (code, out, err.count("\n")) == (130, "", 1)
    assert err.startswith(f"billsim: interrupted; {kept}; again: billsim {command[0]} ")
    assert again(folder, err)[0] in (0, 1)
    assert sorted(path for path in folder.iterdir() if path.name != "__pycache__") == before


def test_ctrl_c_is_one_object_where_json_is_wanted(folder: Path) -> None:
    run = started("bench", "tiny.toml", "--scale-to", "0", "--worlds", "0", "--engine", ENGINE, "--json", cwd=folder, STOPS_IN="1")
    under_way(folder)
    code, out, err = stop(run, signal.SIGINT)
    assert (code, err) == (130, "") and json.loads(out)["error"]["message"].startswith("interrupted; nothing is kept; again: billsim bench ")


# -- bench, which has a process of its own for what it runs on for more events -------------------------------------------------------------------


def long_bench(folder: Path, stops_in: int, *arguments: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A bench whose second process is under way, and both processes."""
    run = started("bench", "tiny.toml", "--scale-to", "100000000", "--engine", ENGINE, *arguments, cwd=folder, STOPS_IN=str(stops_in))
    pids = under_way(folder, 2)
    assert run.pid in pids and run.poll() is None
    return run, pids


@looks_at_processes
@pytest.mark.parametrize("to", [AT_ONCE, IN_THE_GROUP])
def test_ctrl_c_ends_both_processes_of_bench(folder: Path, to: str) -> None:
    run, pids = long_bench(folder, stops_in=2)
    code, out, err = stop(run, signal.SIGINT, to)
    assert (code, out, err.count("\n")) == (130, "", 1)
    command = f"billsim bench tiny.toml --seed 0 --engine {ENGINE} --scale-to 100000000 --worlds 300"
    assert err == f"billsim: interrupted; nothing is kept; again: {command}\n"
    assert gone(pids)


@looks_at_processes
def test_a_bench_that_was_killed_leaves_no_process_behind(folder: Path) -> None:
    run, pids = long_bench(folder, stops_in=0)
    assert stop(run, signal.SIGKILL)[0] == -signal.SIGKILL
    assert gone(pids, seconds=60)


def test_what_a_killed_bench_left_is_no_baseline(folder: Path) -> None:
    with (folder / "before.json").open("w", encoding="utf-8") as before:
        command = ["bench", "tiny.toml", "--scale-to", "0", "--engine", ENGINE, "--json"]
        run = started(*command, cwd=folder, stdout=before, STOPS_IN="1")
        under_way(folder)
        stop(run, signal.SIGKILL)
    asked = started(*command[:4], "--baseline", "before.json", cwd=folder)
    out, err = asked.communicate()
    assert (asked.returncode, out, err.count("\n")) == (2, "", 1) and "--baseline: is not JSON" in err
