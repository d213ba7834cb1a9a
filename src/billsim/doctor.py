"""Doctor: is billsim whole here, and is a scenario deterministic here? Each run of it is a fresh process under another hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from billsim.rundir import PINNED, duckdb_works, first_difference
from billsim.scenario.errors import InputError

HASH_SEEDS = ("1", "4242")
OLDEST_PYTHON = (3, 11)


class Check(NamedTuple):
    """One thing that was looked at. `detail` says what was found or, where it is not `ok`, what to do."""

    name: str
    ok: bool
    detail: str


class SeedOutcome(NamedTuple):
    """Two fresh runs of one seed: their digests, and the first record in which they differ (None where they do not)."""

    seed: int
    digests: tuple[str, ...]
    first_difference: dict[str, Any] | None

    @property
    def same(self) -> bool:
        """Whether both runs left one trace."""
        return len(set(self.digests)) == 1


def installation(scenarios: Callable[[], int]) -> list[Check]:
    """Look at Python, the pinned libraries, DuckDB, and the scenarios that ship (`scenarios` counts them)."""
    return [_python(), *(_library(name) for name in PINNED), _duckdb(), _scenarios(scenarios)]


def determinism(scenario: Path, engine: str, seed: int, policy: Path | None = None) -> SeedOutcome:
    """Run one seed in two fresh processes, side by side, under different values of PYTHONHASHSEED, and compare; `policy` is a policy file.

    Raises InputError where a run cannot be made at all.
    """
    with TemporaryDirectory(prefix="billsim-doctor-") as folder:
        outs = [Path(folder) / f"hash-seed-{hash_seed}" for hash_seed in HASH_SEEDS]
        runs = [_start(_run(scenario, engine, seed, policy), out, hash_seed) for out, hash_seed in zip(outs, HASH_SEEDS, strict=True)]
        try:
            digests = tuple(_digest(run) for run in runs)
        finally:
            for run in runs:
                run.kill()
                run.wait()
        found = first_difference(*outs) if len(set(digests)) > 1 else None
    difference = {"n": found.n, "one": found.one, "other": found.other} if found else None
    return SeedOutcome(seed, digests, difference)


def _run(scenario: Path, engine: str, seed: int, policy: Path | None) -> list[str]:
    command = ["run", str(scenario), "--engine", engine, "--seed", str(seed), "--json"]
    return command if policy is None else [*command, "--policy", str(policy)]


def _start(run: list[str], out: Path, hash_seed: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "billsim.cli", *run, "--out", str(out)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _digest(run: subprocess.Popen[bytes]) -> str:
    answer, complaint = run.communicate()
    try:
        data = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        last = (complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"a run ended with exit code {run.returncode}: {last}") from None
    if "error" in data:
        error = data["error"]
        raise InputError(error["message"], error["file"] or "", error["line"] or 0, error["key"] or "", error["hint"] or "")
    digest: str = data["digest"]
    return digest


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, OLDEST_PYTHON))
    ok = sys.version_info >= OLDEST_PYTHON
    return Check("python", ok, found if ok else f"{found} is too old: billsim needs {needed} or later")


def _library(name: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, False, "is not installed: pip install billsim brings it")
    pinned = _pins().get(name)
    if pinned and pinned != found:
        return Check(name, False, f"{found}, but digests are promised for {pinned}: pip install {name}=={pinned}")
    return Check(name, True, found if pinned else f"{found} (not pinned)")


def _pins() -> dict[str, str]:
    """The exact versions that the installed package asks for."""
    try:
        asked = requires("billsim") or []
    except PackageNotFoundError:
        return {}
    exact = (requirement.split(";")[0].partition("==") for requirement in asked)
    return {name.strip(): pin.strip() for name, equals, pin in exact if equals}


def _duckdb() -> Check:
    try:
        with TemporaryDirectory(prefix="billsim-doctor-") as folder:
            return Check("run directory", True, f"DuckDB {duckdb_works(Path(folder))} writes and reads Parquet")
    except Exception as error:  # whatever a broken native library raises is what the reader needs to see
        return Check("run directory", False, f"DuckDB does not write Parquet here: {str(error).splitlines()[0]}")


def _scenarios(scenarios: Callable[[], int]) -> Check:
    try:
        count = scenarios()
    except (InputError, OSError) as error:
        return Check("scenarios", False, str(error))
    return Check("scenarios", count > 0, f"{count} found" if count else "none found: the package lacks its scenarios, install it again")
