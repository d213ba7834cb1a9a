"""The same seed gives the same digest in every process, whatever its hash seed. `python -m benchmarks.digests` does the same for 10,000 seeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.digests import compare

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 300


def test_no_digest_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    assert compare(SEEDS) == []
