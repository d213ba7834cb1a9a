"""Dataform's own command line, for a project that cannot be compiled by its bundle alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from billsim.warehouse.dataform.compiled import readable
from billsim.warehouse.dataform.folder import Folder
from billsim.warehouse.errors import ViewError

WAIT_S = 120
# The lines below a message of Node's, which begin by telling it again.
_STACK = re.compile(r"(^Error: .*\n)?(^ +at .*\n?)+", re.MULTILINE)


def command_line(folder: Folder) -> str | None:
    """The `dataform` of the folder's own node_modules, else of PATH; None where there is none."""
    return shutil.which("dataform", path=str(folder.root / "node_modules" / ".bin")) or shutil.which("dataform")


def compile_by_command(dataform: str, folder: Folder, wait_s: int = WAIT_S) -> str:
    """Dataform's compiled graph, as JSON. Raises ViewError where the command says why there is none."""
    command = [dataform, "compile", str(folder.root.resolve()), "--json", f"--timeout={wait_s}s"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=wait_s + 10, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else f"has not answered within {wait_s} s"
        raise ViewError(f"{Path(dataform).name} compile: {why}", str(folder.root)) from None
    answered = done.stdout.decode(errors="replace")
    if not answered.lstrip().startswith("{"):  # with errors in the project it answers with a graph too, that names them
        said = readable(_STACK.sub("", done.stderr.decode(errors="replace") or answered))
        raise ViewError(f"{Path(dataform).name} compile: {said or f'ends with {done.returncode}'}", str(folder.root))
    return answered
