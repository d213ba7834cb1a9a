"""`billsim doctor`: the installation, and whether a scenario is deterministic here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from billsim.cli.options import EngineName, Json, PolicyFile, check, platform, policy_option
from billsim.cli.output import command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

StripeToo = Annotated[bool, typer.Option("--stripe", help="Hold the simulated Stripe against stripe-mock instead.")]
MockUrl = Annotated[str, typer.Option("--stripe-mock", metavar="URL", help="A stripe-mock that runs; else Docker Compose or Go brings one.")]

EXAMPLE = "Example: billsim doctor dunning/late_failed_after_paid --seeds 3"
STORY = "dunning/late_failed_after_paid"


def doctor(
    scenario: Annotated[str, typer.Argument(metavar="[SCENARIO]", help="The scenario to run twice.", show_default=True)] = STORY,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Try the seeds 0 to N-1.")] = 1,
    engine: EngineName = "recompute",
    json: Json = False,
    policy: PolicyFile = None,
    stripe: StripeToo = False,
    stripe_mock: MockUrl = "",
) -> int:
    """Look at the installation, and at whether a scenario leaves the same trace in two fresh processes; or at whether Stripe is simulated truly."""
    if stripe or stripe_mock:
        return _stripe(stripe_mock, json)
    if seeds < 1:
        raise InputError(f"must be 1 or more, not {seeds}", key="--seeds")
    check(0, engine)
    platform(policy)  # a file that is none is told of here, in one line, and not by each run
    from billsim import doctor as examining
    from billsim.scenario.toml_file import find, names

    checks = examining.installation(lambda: len(names()))
    again = command("doctor", scenario, seeds=seeds, engine=engine, **policy_option(policy))
    with interruptible(json, "nothing is kept", again):
        outcomes = [examining.determinism(find(scenario), engine, seed, policy) for seed in range(seeds)]
    ok = all(check.ok for check in checks) and all(outcome.same for outcome in outcomes)
    if json:
        print_json(_doctor_data(ok, checks, scenario, engine, outcomes))
    else:
        from billsim import summary

        summary.show_installation(summary.console(), checks)
        summary.show_determinism(summary.console(), scenario, engine, outcomes)
    return 0 if ok else 1


def _stripe(url: str, json: bool) -> int:
    """Hold what engines ask of the simulated Stripe, in every scenario that ships, and what it answers against stripe-mock."""
    try:
        from billsim import oracle
    except ImportError as missing:
        raise InputError(f"{missing}", key="--stripe") from missing
    from billsim import summary
    from billsim.bars import Bars
    from billsim.scenario.toml_file import names

    with interruptible(json, "nothing is kept", "billsim doctor --stripe"), Bars(wants_progress(json, quiet=False)) as bars:
        try:
            found = oracle.examine(url, bars.count("what engines ask", len(names())))
        except oracle.NoMockError as none:
            raise InputError(str(none), key="--stripe-mock") from None
    if json:
        print_json(found.data)
    else:
        summary.show_conformance(summary.console(), found)
    return 0 if found.ok else 1


def _doctor_data(ok: bool, checks: Sequence[Any], scenario: str, engine: str, outcomes: Sequence[Any]) -> dict[str, Any]:
    seeds = [{"seed": o.seed, "same": o.same, "digests": list(o.digests), "first_difference": o.first_difference} for o in outcomes]
    return {"ok": ok, "checks": [check._asdict() for check in checks], "determinism": {"scenario": scenario, "engine": engine, "seeds": seeds}}
