"""`billsim fuzz`: a campaign over scenarios and seeds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, check, load, platform, policy_option, seconds_of
from billsim.cli.output import EXIT_OF_VERDICT, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.explore.campaign import Campaign

EXAMPLE = "Example: billsim fuzz fuzz/tales --engine legacy --runs 200"
# Where neither runs nor time are said.
RUNS = 1_000
SHRINK_S = 10.0
_MOST_RUNS = 1_000_000_000

Scenarios = Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Names of scenarios (see `billsim scenarios`), or TOML files.")]
Jobs = Annotated[int, typer.Option("--jobs", metavar="N", help="How many processes run; what is found does not depend on it.")]


def fuzz(
    scenarios: Scenarios,
    runs: Annotated[int | None, typer.Option("--runs", metavar="N", help=f"How many runs, in all; without --time {RUNS}.")] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="TIME", help="Stop after so long: 90s, 10m, 1h.")] = None,
    jobs: Jobs = 1,
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME", help="Also fifo, random, few, pct1 to pct5, swarm.")] = "portfolio",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The first seed; run after run has the next.")] = 0,
    engine: EngineName = "recompute",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep the campaign in a folder, or go on with it.")] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", metavar="FILE", help="Known signatures: an earlier --json, or a list.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Stop at the first failure (with --baseline: the first new one).")] = False,
    cluster: Annotated[bool, typer.Option("--cluster/--no-cluster", help="Group failures by signature, or list every failing run.")] = True,
    shrink: Annotated[float, typer.Option("--shrink", metavar="SECONDS", help="How long to shrink each distinct failure; 0: not at all.")] = SHRINK_S,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Run many seeds and orders; group what fails, and shrink each distinct failure to a scenario file."""
    check(seed, engine)
    check_sizes(runs, jobs, shrink)
    seconds = None if time is None else seconds_of(time)
    limit = RUNS if runs is None and seconds is None else runs
    from billsim.explore.baseline import NOTHING_KNOWN, read_baseline
    from billsim.explore.campaign import Campaign, Limits, check_strategy

    check_strategy(strategy)
    known = NOTHING_KNOWN if baseline is None else read_baseline(baseline)
    campaign = Campaign(tuple(load(name) for name in _each_once(scenarios)), engine, seed, strategy, **platform(policy))
    asked: dict[str, Any] = {"runs": runs, "time": time, "jobs": jobs, "strategy": strategy, "seed": seed, "engine": engine}
    asked |= {"baseline": baseline, "out": out}
    if shrink != SHRINK_S:
        asked["shrink"] = f"{shrink:g}"
    again = line("fuzz", scenarios, {**asked, **policy_option(policy)}) + (" --first" if first else "") + ("" if cluster else " --no-cluster")
    from billsim.explore.fuzz import Asked, fuzz

    with interruptible(json, _kept(out), again), Bars(wants_progress(json, quiet)) as bars:
        wanted = Asked(Limits(limit, seconds, first), jobs, out, known, shrink, cluster)
        data = fuzz(campaign, wanted, bars.campaign(", ".join(scenarios), limit))
    if json:
        print_json(data)
    else:
        _show(data, campaign, scenarios, again, policy, quiet)
    return EXIT_OF_VERDICT[data["verdict"]]


def check_sizes(runs: int | None, jobs: int, shrink: float) -> None:
    """Raise InputError for sizes that cannot be."""
    from billsim.explore.workers import MOST_JOBS

    if runs is not None and not 1 <= runs <= _MOST_RUNS:
        raise InputError(f"must be 1 to {_MOST_RUNS}, not {runs}", key="--runs")
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"must be 1 to {MOST_JOBS}, not {jobs}", key="--jobs")
    if not 0 <= shrink < float("inf"):
        raise InputError(f"must be 0 seconds or more, not {shrink}", key="--shrink")


def _each_once(names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"names '{twice}' twice", key="SCENARIO")
    return names


def _kept(out: Path | None) -> str:
    return "nothing is kept without --out DIR" if out is None else f"what was finished is in {out}, and the same command goes on from there"


def line(name: str, scenarios: list[str], options: Mapping[str, Any]) -> str:
    """The command line of several scenarios; options that are None are left out."""
    told = [f"--{option} {shlex.quote(str(value))}" for option, value in options.items() if value is not None]
    return " ".join(["billsim", name, *map(shlex.quote, scenarios), *told])


# -- for people ----------------------------------------------------------------------------------------------------------------------


def _show(data: Mapping[str, Any], campaign: Campaign, scenarios: list[str], again: str, policy: Path | None, quiet: bool) -> None:
    from billsim import summary

    out = summary.console()
    groups = data["distinct"]
    new = [group for group in groups if not group["known"]]
    ways = f"{len(new)} distinct" + (f", {len(groups) - len(new)} known" if len(new) < len(groups) else "")
    failing = f"{data['failing_runs']:,} failing ({ways})" if groups else "none failing"
    summary.say(out, f"{data['verdict']}  {', '.join(scenarios)} under {data['engine']}: {data['runs']:,} runs from seed {data['seed']}, {failing}")
    if quiet:
        return
    speed = f"  {data['runs_per_s']:,.0f} runs/s with {data['jobs']} {'job' if data['jobs'] == 1 else 'jobs'}, strategy {data['strategy']}"
    summary.say(out, speed if data["complete"] else f"{speed}; time was up")
    if data["unfinished_runs"]:
        summary.say(out, f"  in {data['unfinished_runs']} runs something was still on its way at the end")
    if data["marks_missing"]:
        summary.say(out, f"  never reached, though a scenario asks for it: {', '.join(data['marks_missing'])}")
    for group in new:
        _show_group(out, group, campaign, data, scenarios, policy)
    summary.say(out, f"Marks, in one run of: {', '.join(_rarity(mark, runs, data['runs']) for mark, runs in data['marks'].items())}")
    summary.say(out, f"Again: {again}")


def _show_group(out: Any, group: Mapping[str, Any], campaign: Campaign, data: Mapping[str, Any], scenarios: list[str], policy: Path | None) -> None:
    from billsim import summary

    times = "once" if group["runs"] == 1 else f"in {group['runs']:,} runs"
    summary.say(out, f"{group['signature']}")
    summary.say(out, f"  {times}, first in run {group['first_run']} (seed {group['seed']}, {group['strategy']})")
    run = campaign.run(group["first_run"])
    options: dict[str, Any] = {"runs": 1, "strategy": run.strategy, "seed": run.seed, "engine": data["engine"], **policy_option(policy)}
    if group["file"] is None:
        if group["not_shrunk"]:
            summary.say(out, f"  not shrunk: {group['not_shrunk']}")
        summary.say(out, f"  {line('fuzz', [scenarios[run.place]], options)}")
        return
    left = ", and could be shrunk further" if group["shrink_exhausted"] else ""
    other = "" if group["replays"] else "; it does not fall as that run did"
    summary.say(out, f"  shrunk to {_rows(group['timeline_rows'])} in {group['shrink_s']:.1f} s{left}{other}")
    options = {"engine": data["engine"], **({"seed": group["file_seed"]} if group["file_seed"] else {}), **policy_option(policy)}
    summary.say(out, f"  {summary.command('run', group['file'], **options)}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _rarity(mark: str, reached: int, runs: int) -> str:
    if not reached:
        return f"{mark} never"
    every = runs / reached
    return f"{mark} {every:.1f}" if every < 10 else f"{mark} {every:,.0f}"
