"""The views over a real mirror: the same rows in the same order, whatever process looks and however it hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).parents[2]
PROCESSES, AT_ONCE = 10, 2


def digested(hash_seed: int) -> str:
    """What a process of its own prints of the rows."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(REPO / "src")}
    command = [sys.executable, "-m", "tests.warehouse.digest_of_views"]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ten_fresh_processes_see_the_same_rows_in_the_same_order() -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(digested, range(PROCESSES)))
    assert len(set(told)) == 1
    views, nights, rows, drift, _ = told[0].split()
    assert (int(views), int(nights)) == (39, 3) and int(rows) > 4_000 and int(drift) > 50
