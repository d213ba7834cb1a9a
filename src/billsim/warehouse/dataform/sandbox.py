"""A project's JavaScript, run by QuickJS where it can do no harm: in a process of its own, with limits, that has read no file by itself.

In our own process it could not be stopped: QuickJS looks at its time limit between steps of JavaScript, and a regular expression that backtracks, or
an `indexOf` over a length that is made up, is one step.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from billsim.warehouse.dataform import folder as on_disk
from billsim.warehouse.dataform.folder import Folder
from billsim.warehouse.errors import ViewError

# The project's place, as its JavaScript sees it.
ROOT = "/project"
MOST_PACKAGES = 64


class Limits(NamedTuple):
    """What compiling a project may take at most."""

    cpu_s: int = 10
    memory_mb: int = 512
    wait_s: int = 60
    """Of real time, where the machine is busy with other things."""


class TooOld(Exception):
    """An @dataform/core that its bundle cannot be asked to compile. The argument is its version."""


def installed() -> bool:
    """Whether QuickJS is."""
    return find_spec("quickjs") is not None


def compile_in_sandbox(folder: Folder, core: dict[str, str], limits: Limits) -> str:
    """Dataform's compiled graph, as JSON. `core` holds the files of @dataform/core.

    Raises ViewError for what the project's JavaScript does wrong, and TooOld.
    """
    files = {**folder.texts, **core}
    tried: set[tuple[str, str]] = set()
    while True:
        answer = _run(folder, files, limits)
        absent = [(name, place) for name, place in sorted(answer["absent"].items()) if (name, place) not in tried]
        tried.update(absent)
        found = {path: text for name, place in absent for path, text in on_disk.package(folder.root, name, place).items() if path not in files}
        if not found or len(tried) > MOST_PACKAGES:
            return _graph(answer, folder)
        files |= found


def _graph(answer: dict[str, Any], folder: Folder) -> str:
    if "unknown" in answer:
        raise TooOld(answer["unknown"])
    if "error" in answer:
        raise _error(answer["error"], folder)
    return json.dumps(answer["graph"])


def _error(told: dict[str, str], folder: Folder) -> ViewError:
    path = told["path"].removeprefix(f"{ROOT}/")
    return ViewError(told["message"].replace(f"{ROOT}/", ""), path if path in folder.texts else str(folder.root))


def _run(folder: Folder, files: dict[str, str], limits: Limits) -> dict[str, Any]:
    """What the worker answers about these files. Raises ViewError where it has to be stopped, and says at which file."""
    job = {
        "root": ROOT,
        "files": files,
        "request": request(list(folder.texts)),
        "cpu_s": limits.cpu_s,
        "memory_bytes": limits.memory_mb << 20,
    }
    spec = find_spec("quickjs")
    assert spec is not None and spec.origin is not None  # `installed` has been asked
    worker = [sys.executable, "-I", "-S", str(Path(__file__).with_name("worker.py")), str(Path(spec.origin).parents[1])]
    try:
        done = subprocess.run(worker, input=json.dumps(job).encode(), capture_output=True, timeout=limits.wait_s, check=False)
    except subprocess.TimeoutExpired as late:
        raise _stopped(f"its JavaScript does not end: stopped after {limits.wait_s} s", late.stderr or b"", folder) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        why = f"its JavaScript takes more than {limits.cpu_s} s: stopped" if done.returncode < 0 else "its JavaScript broke off"
        raise _stopped(why, done.stderr, folder) from None
    return answer


def _stopped(why: str, noted: bytes, folder: Folder) -> ViewError:
    """`noted` are the files that the worker had begun to run or come back to, a line each."""
    last = noted.decode(errors="replace").splitlines()[-1:]
    return ViewError(why, last[0] if last and last[0] in folder.texts else str(folder.root))


def request(paths: list[str]) -> str:
    """The argument of @dataform/core's `main`: a CoreExecutionRequest of its core.proto, in base64. `paths` are the project's files."""
    compile_config = _field(1, ROOT.encode()) + b"".join(_field(8, path.encode()) for path in paths)
    return b64encode(_field(1, _field(1, compile_config))).decode()


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    length, left = b"", len(value)
    while left > 127:
        length, left = length + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + length + bytes([left]) + value
