"""`billsim bench`: how fast and how large billsim is, alone or against an earlier result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billsim.cli.options import EngineName, Json, PolicyFile, Seed, check, policy_option
from billsim.cli.output import EXIT_OF_VERDICT, command, interruptible, print_json

EXAMPLE = "Example: billsim bench --scale-to 0 --json > before.json; billsim bench --scale-to 0 --baseline before.json --fail-over 15"


def bench(
    scenario: Annotated[str, typer.Argument(metavar="[SCENARIO]", help="The day that is measured.")] = "load/day_50k",
    seed: Seed = 0,
    engine: EngineName = "recompute",
    scale_to: Annotated[int, typer.Option("--scale-to", metavar="N", help="Run on to so many Stripe events; 0: do not.")] = 1_000_000,
    worlds: Annotated[int, typer.Option("--worlds", metavar="N", help="How many small worlds; 0: none.")] = 300,
    baseline: Annotated[Path | None, typer.Option("--baseline", metavar="FILE", help="An earlier result (--json) to compare with.")] = None,
    fail_over: Annotated[int, typer.Option("--fail-over", metavar="PERCENT", help="Exit 1 if a figure is worse by more than this.")] = 10,
    json: Json = False,
    policy: PolicyFile = None,
) -> int:
    """Measure throughput, memory and the latency of recompute, against an empty run on the same machine; Markdown, or JSON."""
    check(seed, engine)
    from billsim import bench as measuring
    from billsim.scenario.toml_file import find

    before = measuring.read_baseline(baseline) if baseline else None
    measuring.check(scale_to, worlds, fail_over)
    again = command("bench", scenario, seed=seed, engine=engine, **{"scale-to": scale_to, "worlds": worlds}, **policy_option(policy))
    with interruptible(json, "nothing is kept", again):
        data = measuring.bench(find(scenario), engine=engine, seed=seed, scale_to=scale_to, worlds=worlds, policy=policy)
    against = measuring.compared(before, data) if before else []
    worse = measuring.failing(against, fail_over)
    if json:
        compared = {"compared": [each._asdict() for each in against], "fail_over": fail_over, "failing": [each.metric for each in worse]}
        print_json(data | compared if before else data)
    else:
        typer.echo(measuring.markdown(data, against), nl=False)
        for each in worse:
            typer.echo(f"worse by more than {fail_over} %: {each.metric}, {each.baseline} -> {each.now}")
    return 1 if worse else EXIT_OF_VERDICT[data["verdict"]]
