"""The command line in a process of its own, and whether processes have ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
COMMAND = [sys.executable, "-m", "billsim.cli"]
# The engine of the old platform. In the run that an environment variable names it says that it has begun, and waits there to be stopped. The first
# time it is loaded nothing is run: that is to see whether there is such an engine.
STOPPING = """
import os, signal
from pathlib import Path
from billsim.engines import load_engine
from billsim.ports import Engine

class Stopping:
    runs = -1

    def __init__(self):
        self.inner = load_engine("legacy")
        self.name, self.components = self.inner.name, self.inner.components
        Stopping.runs += 1

    def wakes(self, message):
        if Stopping.runs == int(os.environ.get("STOPS_IN", -1)):
            Path("begun").touch()
            signal.pause()
        return self.inner.wakes(message)
"""

looks_at_processes = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


def started(*arguments: object, cwd: Path, stdout: Any = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
    """`billsim` with these arguments, in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": SOURCE, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def happens(what: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait for it; False where it does not happen."""
    for _ in range(int(seconds / 0.02)):
        if what():
            return True
        time.sleep(0.02)
    return False


def gone(pids: Iterable[int], seconds: float = 2) -> bool:
    """Whether they are all gone, or will be in a moment: a killed process takes one to end."""
    waited_for = list(pids)
    return happens(lambda: not any(map(alive, waited_for)), seconds)


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
