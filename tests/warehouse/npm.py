"""Dataform's own packages for the tests, as our views pin them: fetched once, into .venv/dataform. `python -m tests.warehouse.npm` fetches them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
VIEWS = REPO / "src" / "billsim" / "warehouse" / "views"
CACHE = REPO / ".venv" / "dataform"
PINS = ("package.json", "package-lock.json")
WAIT_S = 300


def packages() -> Path:
    """The node_modules that holds @dataform/core and the command line. Skips the test where npm cannot fetch them; under CI=true it fails."""
    missing = "" if _fetched() else fetch()
    if missing:
        missing = f"{missing}: the tests against Dataform's own packages need it (Node.js 18 or newer, and the npm registry)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return CACHE / "node_modules"


def _fetched() -> bool:
    """Whether the packages are there, and are those that the views pin now."""
    here = (CACHE / "node_modules" / "@dataform" / "core" / "bundle.js").is_file()
    return here and all((CACHE / name).read_bytes() == (VIEWS / name).read_bytes() for name in PINS)


def fetch() -> str:
    """Fetches the packages beside their place and moves them there, so that two processes may do it at once. Returns what went wrong, or ''."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing"
    CACHE.parent.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="dataform-", dir=CACHE.parent))
    try:
        for name in PINS:
            shutil.copy(VIEWS / name, beside)
        command = [npm, "ci", "--prefix", str(beside), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"npm ci has not ended within {WAIT_S} s"
        if done.returncode:
            return f"npm ci fails ({done.stderr.strip().splitlines()[-1:]})"
        if not _fetched():
            shutil.rmtree(CACHE, ignore_errors=True)
            beside.replace(CACHE)
        return ""
    finally:
        shutil.rmtree(beside, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(fetch() or None)
