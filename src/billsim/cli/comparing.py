"""`billsim compare`: the same world under several engines."""

from __future__ import annotations

from typing import Annotated

import typer

from billsim.bars import Bars
from billsim.cli.options import Json, PolicyFile, Quiet, RemediationName, ScenarioName, Seed, check, load, platform, policy_option, remediation_option
from billsim.cli.output import EXIT_OF_VERDICT, command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

EXAMPLE = "Example: billsim compare dunning/late_failed_after_paid --engines legacy,recompute"

EngineNames = Annotated[str, typer.Option("--engines", metavar="NAME,NAME", help="Engines; the exit code is the last one's verdict.")]


def compare(
    scenario: ScenarioName,
    engines: EngineNames = "legacy,recompute",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
    remediation: RemediationName = None,
) -> int:
    """Run the same world under each engine, side by side."""
    names = _engine_names(engines)
    check(seed, *names)
    story = load(scenario, remediation)
    from billsim import compare as comparing

    again = command("compare", scenario, engines=engines, seed=seed, **policy_option(policy), **remediation_option(remediation))
    with interruptible(json, "nothing is kept", again), Bars(wants_progress(json, quiet)) as bars:
        comparison = comparing.compare(story, names, seed=seed, progress=bars.add, **platform(policy))
    if json:
        print_json(comparison.data)
    else:
        from billsim import summary

        summary.show_comparison(summary.console(), comparison, scenario)
    return EXIT_OF_VERDICT[comparison.results[names[-1]].verdict] if comparison.pairing.holds else 1


def _engine_names(listed: str) -> list[str]:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if len(names) < 2:
        raise InputError(f"needs two engines or more, as in legacy,recompute; '{listed}' names {len(names)}", key="--engines")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"names '{twice}' twice", key="--engines")
    return names
