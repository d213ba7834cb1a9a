"""`billsim run`: one run, or one in every order of what races."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import (
    EngineName,
    Json,
    PolicyFile,
    Quiet,
    RemediationName,
    ScenarioName,
    Seed,
    StripeWay,
    check,
    check_way,
    load,
    platform,
    policy_option,
    remediation_option,
)
from billsim.cli.output import EXIT_OF_VERDICT, command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.run import OrdersResult, RunResult
    from billsim.scenario.plan import Scenario

EXAMPLE = "Example: billsim run dunning/late_failed_after_paid --engine legacy"


def run(
    scenario: ScenarioName,
    seed: Seed = 0,
    engine: EngineName = "recompute",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep the run in a new folder: run.json, tape, tables.")] = None,
    json: Json = False,
    every_order: Annotated[bool, typer.Option("--every-order", help="Try every order of the rows that race.")] = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
    remediation: RemediationName = None,
    stripe: StripeWay = "direct",
) -> int:
    """Run a scenario once: verdict, drift, and which write opened and closed it."""
    check(seed, engine)
    check_way(stripe)
    story = load(scenario, remediation)
    if every_order:
        if out is not None:
            raise InputError("keeps one run, and --every-order makes many: leave one of them out", key="--out")
        if stripe != "direct":
            raise InputError("is for one run, and --every-order makes many: leave one of them out", key="--stripe")
        return _run_every_order(story, scenario, seed, engine, json, quiet, policy)
    more = {**policy_option(policy), **remediation_option(remediation), **({"stripe": stripe} if stripe != "direct" else {})}
    with interruptible(json, _kept(out), _again(scenario, seed, engine, out, more)):
        result = _run_once(story, seed, engine, out, wants_progress(json, quiet), policy, stripe)
    if json:
        print_json(result.data)
    else:
        from billsim import summary

        console = summary.console()
        if quiet:
            summary.say(console, summary.headline(result.data, result.as_expected))
        else:
            summary.show_run(console, result, scenario, str(out) if out else None)
    return EXIT_OF_VERDICT[result.verdict]


def _run_once(story: Scenario, seed: int, engine: str, out: Path | None, bar: bool, policy: Path | None, stripe: str) -> RunResult:
    with Bars(bar) as bars:
        progress = bars.add(story.id)
        if out is None:
            from billsim.run import DIRECT, asking_through, run_scenario

            result = run_scenario(story, seed=seed, engine=engine, progress=progress, attend=asking_through(stripe), **platform(policy))
            result.data |= {"stripe": stripe} if stripe != DIRECT else {}
            return result
        from billsim.replay.tape import record

        return record(story, out, seed=seed, engine=engine, progress=progress, stripe=stripe, **platform(policy))


def _kept(out: Path | None) -> str:
    if out is None:
        return "nothing is kept without --out DIR"
    return f"what was written until then is in {out}, and its run.json says that it is incomplete"


def _again(scenario: str, seed: int, engine: str, out: Path | None, more: dict[str, Any]) -> str:
    options: dict[str, Any] = {"seed": seed, "engine": engine, **more}
    return command("run", scenario, **options, **({"out": out.with_name(f"{out.name}-2")} if out else {}))


def _run_every_order(story: Scenario, name: str, seed: int, engine: str, json: bool, quiet: bool, policy: Path | None) -> int:
    from billsim.run import run_orders
    from billsim.scenario.orders import TooManyOrdersError

    try:
        with interruptible(json, "nothing is kept", f"{command('run', name, seed=seed, engine=engine, **policy_option(policy))} --every-order"):
            orders = run_orders(story, seed=seed, engine=engine, **platform(policy))
    except TooManyOrdersError as error:
        if json:
            unknown = {"scenario": story.id, "seed": seed, "engine": engine, "verdict": "unknown", "complete": False}
            print_json({**unknown, "orders": error.count, "failing_orders": 0, "runs": []})
        else:
            typer.echo(f"unknown  {name} under {engine}, seed {seed}: {error}")
        return EXIT_OF_VERDICT["unknown"]
    if json:
        print_json(_orders_data(orders, story.id, seed, engine))
    else:
        from billsim import summary

        summary.show_orders(summary.console(), orders, story, name, engine, seed, stories=not quiet)
    return EXIT_OF_VERDICT[orders.verdict]


def _orders_data(orders: OrdersResult, scenario: str, seed: int, engine: str) -> dict[str, Any]:
    runs = [{"order": order, "verdict": run.verdict, "digest": run.data["digest"], "drift": run.data["drift"]} for order, run in orders.orders]
    return {
        "scenario": scenario,
        "seed": seed,
        "engine": engine,
        "verdict": orders.verdict,
        "as_expected": orders.as_expected,
        "complete": True,
        "orders": len(runs),
        "failing_orders": sum(run["verdict"] == "falls" for run in runs),
        "runs": runs,
    }
