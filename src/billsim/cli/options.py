"""Options that several commands have, and what is looked at before anything is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.core.choices import MAX_SEED
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.scenario.plan import Scenario

ScenarioName = Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a scenario (see `billsim scenarios`), or a TOML file.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="What all chance is derived from.")]
EngineName = Annotated[str, typer.Option("--engine", metavar="NAME", help="An engine (`billsim engines`), package.module:factory, or cmd:program.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="What your platform has otherwise (TOML).")]
RemediationName = Annotated[
    str | None, typer.Option("--remediation", metavar="NAME", help="What mends by night: off, on, dry-run, or package.module:factory.")
]
StripeWay = Annotated[str, typer.Option("--stripe", metavar="WAY", help="How the engine asks Stripe: direct, or through the official sdk.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only the verdict; no progress.")]

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3_600}


def check(seed: int, *engines: str) -> None:
    """Raise InputError for a seed or engine that cannot be."""
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"must be between 0 and {MAX_SEED}, not {seed}", key="--seed")
    if engines:
        from billsim.engines import UnknownEngineError, check_engine

        for engine in engines:
            try:
                check_engine(engine)
            except UnknownEngineError as error:
                raise InputError(error.message, key="--engine", hint=error.hint) from None


def load(name: str, remediation: str | None = None) -> Scenario:
    """The scenario of a name or file; with `remediation` of somebody's choice, where one is made. Raises InputError."""
    from billsim.scenario.toml_file import find, load

    scenario = load(find(name))
    if remediation is None:
        return scenario
    from billsim.core.policy import DunningPolicy
    from billsim.core.remediation import RemediationPolicy
    from billsim.rehearsal import chosen
    from billsim.remediation.loading import UnknownRemediationError, load_remediation

    try:
        load_remediation(remediation, DunningPolicy(), RemediationPolicy())
    except UnknownRemediationError as error:
        raise InputError(error.message, key="--remediation", hint=error.hint) from None
    return chosen(scenario, remediation)


def platform(policy: Path | None) -> dict[str, Any]:
    """What a run is told of a policy file, as keywords: nothing where there is none. Raises InputError."""
    if policy is None:
        return {}
    from billsim.scenario.policy_file import load_policy

    return {"platform": load_policy(policy)}


def check_way(stripe: str) -> None:
    """Raise InputError for a way to Stripe that there is not."""
    from billsim.run import STRIPES

    if stripe not in STRIPES:
        raise InputError(f"must be {' or '.join(STRIPES)}, not '{stripe}'", key="--stripe")


def policy_option(policy: Path | None) -> dict[str, Any]:
    """The option that repeats a command under a policy file; none where there is none."""
    return {} if policy is None else {"policy": policy}


def remediation_option(remediation: str | None) -> dict[str, Any]:
    """The option that repeats a command with a choice of remediation; none where none is made."""
    return {} if remediation is None else {"remediation": remediation}


def seconds_of(text: str, option: str = "--time") -> float:
    """The seconds of `90`, `90s`, `10m` or `1h`, as `--time` has them. Raises InputError."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise InputError(f"must be a length of time such as 90s, 10m or 1h, not '{text}'", key=option)
    return float(found[1]) * _SECONDS[found[2]]
