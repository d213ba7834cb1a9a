"""A recorded run: made in a run directory, and read back as what running it again takes: scenario, seed, engine, and the answers given."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from billsim.core.platform import Platform
from billsim.run import DIRECT, SHIPPED, Progress, RunResult, asking_through, run_scenario
from billsim.rundir import RunDir, read_run, read_tape
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.tales import told
from billsim.scenario.toml_file import load


class Recorded(NamedTuple):
    """What a complete run directory holds of a run. `answers` is its tape, by label; `digest` that of its trace."""

    path: Path
    scenario: Scenario
    seed: int
    engine: str
    digest: str
    answers: dict[str, int]
    platform: Platform = SHIPPED


def record(
    scenario: Scenario,
    out: Path,
    *,
    seed: int,
    engine: str,
    progress: Callable[[Progress], None] | None = None,
    tape: Mapping[str, int] | None = None,
    strict: bool = False,
    platform: Platform = SHIPPED,
    stripe: str = DIRECT,
) -> RunResult:
    """Run a scenario and keep the run in the directory `out`; see `run_scenario`. Of tales, the story that was told is kept.

    Raises InputError for a folder that is taken.
    """
    scenario = told(scenario, seed)
    about = {"seed": seed, "engine": engine, **({"platform": msgspec.to_builtins(platform)} if platform != SHIPPED else {})}
    with RunDir(out, scenario, about) as kept:
        attend = asking_through(stripe)
        result = run_scenario(
            scenario, seed=seed, engine=engine, out=kept, progress=progress, tape=tape, strict=strict, platform=platform, attend=attend
        )
        result.data |= {"stripe": stripe} if stripe != DIRECT else {}
        result.data["run_dir"] = str(out)
        kept.finish(result.data)
    return result


def read(path: Path) -> Recorded:
    """The run that a directory holds. Raises InputError for a folder that is no run directory, or whose run never ended."""
    about = read_run(path)
    if about.get("complete") is not True:
        raise InputError(f"the run is incomplete: it was stopped before its tape was whole; run it again: {again(about, path)}", str(path))
    wrong = next((key for key, kind in (("seed", int), ("engine", str), ("digest", str)) if not isinstance(about.get(key), kind)), None)
    if wrong:
        raise InputError("is missing or of a wrong type", str(path / "run.json"), key=wrong)
    scenario = load(path / "scenario.toml")
    return Recorded(path, scenario, about["seed"], about["engine"], about["digest"], read_tape(path), _platform(about, path))


def _platform(about: dict[str, Any], path: Path) -> Platform:
    """The platform that a run was made on."""
    try:
        return msgspec.convert(about.get("platform", {}), Platform)
    except msgspec.ValidationError as wrong:
        raise InputError(f"is of a wrong type: {wrong}", str(path / "run.json"), key="platform") from None


def again(about: dict[str, Any], path: Path) -> str:
    """The command that makes the run of this run.json anew, beside the old one."""
    scenario, other = shlex.quote(str(path / "scenario.toml")), shlex.quote(str(path.with_name(path.name + "-2")))
    policy = (about.get("platform") or {}).get("source")
    engine = shlex.quote(str(about.get("engine", "recompute"))) + (f" --policy {shlex.quote(policy)}" if policy else "")
    return f"billsim run {scenario} --seed {about.get('seed', 0)} --engine {engine} --out {other}"
