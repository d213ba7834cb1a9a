"""`billsim views` on a terminal, where it says how far it is, and in a pipe, where it does not; and Ctrl-C half way to a blind spot."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from threading import Thread

import pytest

from billsim.scenario.toml_file import load
from billsim.warehouse import dataform
from tests.processes import COMMAND, SOURCE, STOPPING, happens, started
from tests.warehouse.npm import packages

pty = pytest.importorskip("pty", reason="a terminal is a Unix's")
STORY = "dunning/late_failed_after_paid"
LEGACY = (STORY, "--engine", "legacy")


def on_a_terminal(*arguments: object, cwd: Path) -> tuple[int, str, str]:
    """Exit code, standard output, and all that a terminal was shown on standard error."""
    above, below = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": SOURCE, "TERM": "xterm", "COLUMNS": "150"}
    command = [*COMMAND, *map(str, arguments)]
    run = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=below, text=True)
    os.close(below)
    shown: list[bytes] = []
    reader = Thread(target=lambda: shown.extend(iter(lambda: _read(above), b"")))
    reader.start()
    out, _ = run.communicate()
    reader.join()
    os.close(above)
    return run.returncode, out, b"".join(shown).decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells that nobody holds the other end any more
        return b""


def test_a_terminal_is_shown_each_stage(tmp_path: Path) -> None:
    asked = ("views", "grade", *LEGACY, "--blind-spot", "blind.toml", "--runs", 4)
    code, out, shown = on_a_terminal(*asked, cwd=tmp_path)
    assert code == 0 and "39 views find 6 of 7 drifts" in out
    for stage in ("late_failed_after_paid", "Stripe events", "shipped", "shrinking", "of 4 runs"):
        assert stage in shown, stage
    code, _, shown = on_a_terminal("views", "test", cwd=tmp_path)
    assert code == 0 and "unit tests" in shown


def test_a_terminal_is_shown_that_a_project_is_compiled(tmp_path: Path) -> None:
    modules = packages()
    shutil.copytree(dataform.SHIPPED, tmp_path / "own", ignore=shutil.ignore_patterns("node_modules"))
    code, out, shown = on_a_terminal("views", "compile", "--views", "own", "--packages", modules, cwd=tmp_path)
    assert (code, out.splitlines()[0][:9]) == (0, "39 views,") and "compiling own" in shown


@pytest.mark.parametrize("silent", ["--json", "--quiet"])
def test_who_wants_no_progress_is_shown_none(tmp_path: Path, silent: str) -> None:
    for command in (("views", "run", *LEGACY, "--show", "detected_drift"), ("views", "test")):
        code, out, shown = on_a_terminal(*command, silent, cwd=tmp_path)
        assert (code, shown) == (0, "")
        assert silent == "--quiet" or json.loads(out)


def test_a_pipe_is_shown_none(tmp_path: Path) -> None:
    out, err = (run := started("views", "grade", *LEGACY, cwd=tmp_path)).communicate()
    assert (run.returncode, err) == (0, "") and "39 views find 6 of 7 drifts" in out


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------------------------


def interrupted(folder: Path, stops_in: int) -> str:
    """What is said of a search for a blind spot that is stopped in one of its runs, the first of which is the one that is graded."""
    (folder / "stopping.py").write_text(STOPPING, encoding="utf-8")
    asked = ("views", "grade", STORY, "--engine", "stopping:Stopping", "--blind-spot", "blind.toml", "--code", "consequence_unjustified")
    run = started(*asked, cwd=folder, STOPS_IN=str(stops_in))
    assert happens((folder / "begun").exists) and run.poll() is None
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert (run.returncode, out, err.count("\n")) == (130, "", 1)
    return err


def test_ctrl_c_keeps_the_smallest_story_so_far_and_says_how_to_go_on_from_it(tmp_path: Path) -> None:
    said = interrupted(tmp_path, stops_in=6)
    assert said.startswith("billsim: interrupted; the smallest story so far is in blind.toml; again, from there: billsim views grade blind.toml ")
    kept = load(tmp_path / "blind.toml")
    assert len(kept.given) == 1 and len(kept.rule) > 20
    # The command that is told goes on from there, and finds a story that is no larger.
    command = shlex.split(said.rsplit("from there: ", 1)[1])
    assert command[-1] == "blind-2.toml"
    out, err = (run := started(*command[1:], "--runs", 8, "--json", cwd=tmp_path)).communicate()
    assert (run.returncode, err) == (0, "")
    assert json.loads(out)["blind_spot"]["code"] == "consequence_unjustified"
    assert len(load(tmp_path / "blind-2.toml").timeline) <= len(kept.timeline)


@pytest.mark.parametrize("stops_in", [1, 2], ids=["while the run is made", "before its story is told"])
def test_ctrl_c_before_there_is_a_story_keeps_nothing(tmp_path: Path, stops_in: int) -> None:
    said = interrupted(tmp_path, stops_in)
    options = "--engine stopping:Stopping --seed 0 --code consequence_unjustified --blind-spot blind.toml"
    assert said == f"billsim: interrupted; nothing is kept; again: billsim views grade {STORY} {options}\n"
    assert not (tmp_path / "blind.toml").exists()


