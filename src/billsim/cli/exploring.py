"""`billsim explore`: every order of a told story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, ScenarioName, Seed, check, load, platform, policy_option, seconds_of
from billsim.cli.output import EXIT_OF_VERDICT, Interrupted, command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from billsim.explore.explored import Exploration, Progress
    from billsim.explore.orders import Explored

EXAMPLE = "Example: billsim explore races/void_pay_card_recompute --engine legacy --switches 1"
ALL = "all"
MOST_SWITCHES = 100
Reduce = Annotated[bool, typer.Option("--reduce", help="With --switches all: of orders that only swap independent steps, try one.")]
_NONE = {0: "every order without a switch", -1: "not yet every order without a switch"}
_LAWS = {
    "idempotent": "one more recompute, at any end, writes nothing",
    "order_invariant": "equal authorities, equal derived fields, in whatever order",
    "duplicate_invariant": "also with every delivery made twice",
    "split_invariant": "also with all events held and let go together",
    "minimal_diff": "nothing is written that was so already, or twice",
}


def explore(
    scenario: ScenarioName,
    engine: EngineName = "recompute",
    seed: Seed = 0,
    switches: Annotated[str, typer.Option("--switches", metavar="N|all", help="How often a step may go before what waits first.")] = "2",
    runs: Annotated[int | None, typer.Option("--runs", metavar="N", help="Stop after so many branches.")] = None,
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="Stop after so long: 90s, 10m, 1h.")] = "60s",
    window: Annotated[str, typer.Option("--window", metavar="TIME", help="What is due within so long races.")] = "10s",
    reduce: Reduce = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the failing order as a story to a new file.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Try every order of what races in a told story: whether one falls, where they end, and which rows do not commute."""
    check(seed, engine)
    story, bound = load(scenario), _switches(switches)
    if runs is not None and runs < 1:
        raise InputError(f"must be 1 or more, not {runs}", key="--runs")
    if out is not None and out.exists():
        raise InputError("is there already, and is not written over", str(out), key="--out")
    from billsim.explore import explored
    from billsim.explore.orders import MOST_RUNS

    window_ms = round(seconds_of(window, "--window") * 1000)
    asked = explored.Asked(bound, MOST_RUNS if runs is None else runs, seconds_of(time), window_ms, reduce)
    options: dict[str, Any] = {"engine": engine, "seed": seed, "switches": switches, "time": time, **policy_option(policy)}
    again = command("explore", scenario, **options)
    with interruptible(json, "nothing is kept", again), Bars(wants_progress(json, quiet)) as bars:
        try:
            found = explored.explore(story, engine, seed=seed, asked=asked, progress=_bar(bars, scenario), **platform(policy))
        except explored.Stopped as stopped:
            raise Interrupted(f"interrupted; covered until then: {_covered(stopped.explored)}; again: {again}") from None
    _write(found, engine, seed, out)
    if json:
        print_json({**found.data, "file": str(out) if out is not None and found.told is not None else None})
    else:
        from billsim import summary

        _show(summary.console(), found, scenario, options, out, quiet)
    return EXIT_OF_VERDICT[found.verdict]


def _switches(text: str) -> int | None:
    if text == ALL:
        return None
    if not text.isdecimal() or int(text) > MOST_SWITCHES:
        raise InputError(f"must be 0 to {MOST_SWITCHES}, or {ALL}, not '{text}'", key="--switches")
    return int(text)


def _bar(bars: Bars, name: str) -> Any:
    moved = bars.searched(name)
    return None if moved is None else (lambda to: moved(_progress(to)))


def _progress(to: Progress) -> str:
    return f"{'any number of' if to.switches is None else to.switches} switches, {to.runs:,} branches, {to.states:,} states"


def _write(found: Exploration, engine: str, seed: int, out: Path | None) -> None:
    from billsim.explore.explored import as_file
    from billsim.scenario.toml_file import dump

    story = as_file(found, engine, seed)
    if out is not None and story is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(dump(story), encoding="utf-8")


# -- for people ----------------------------------------------------------------------------------------------------------------------


def _covered(explored: Explored) -> str:
    """How far a search has come."""
    most = explored.within
    whole = "every order" if most is None else f"every order of at most {most} switch{'' if most == 1 else 'es'}" if most > 0 else _NONE[most]
    return f"{whole}; {explored.orders:,} orders ({explored.failing:,} fall) by {explored.runs:,} branches of {explored.states:,} states"


def _show(out: Console, found: Exploration, scenario: str, options: dict[str, Any], file: Path | None, quiet: bool) -> None:
    from billsim import summary

    data, engine = found.data, options["engine"]
    headline = f"{found.verdict}  {scenario} under {engine}, seed {data['seed']}: {_counted(data)}"
    summary.say(out, headline, summary.COLOURS[found.verdict])
    if quiet:
        return
    speed = f"{data['wall_s']:.1f} s, {data['orders_per_s']:,} orders/s, {data['reduction']:,} orders for each branch that was run"
    summary.say(out, f"  {_covered(found.explored)}; {speed}")
    if data["left_out"]:
        summary.say(out, f"  not all: {data['left_out']}")
    for end in sorted(data["ends"], key=lambda end: -end["orders"])[: summary.STORIES]:
        summary.say(out, f"  end {end['end'][:8]}  {end['orders']:>10,} orders  {', '.join(end['wrong']) or 'all is right'}")
    if found.pair is not None:
        one, other = found.pair
        summary.say(out, f"  these two rows do not commute: {_row(one)}  |  {_row(other)}")
    for name, law in found.laws.items():
        held = {True: "holds", False: "BROKEN", None: "untried"}[law.holds]
        summary.say(out, f"  {name:<20} {held:<8} {_LAWS[name]}{f': {law.counter}' if law.counter else ''}")
    _show_failing(out, found, options, file)


def _show_failing(out: Console, found: Exploration, options: dict[str, Any], file: Path | None) -> None:
    from billsim import summary

    if found.falling is None:
        return
    if found.told is None:
        summary.say(out, "The order with the fewest switches that falls shows nothing once the clock runs: no latencies make it.")
        return
    answers = found.told.answers
    summary.say(out, "The order with the fewest switches that falls, by its latencies" + (":" if answers else ": the seed's own."))
    for label, answer in answers.items():
        summary.say(out, f"  {label} = {answer} ms")
    summary.show_drift(out, found.told.result.drift, None)
    if file is not None:
        summary.say(out, f"Again: {command('run', str(file), engine=options['engine'], seed=options['seed'])}")
    else:
        summary.say(out, "Keep it as a story with --out FILE.")


def _counted(data: dict[str, Any]) -> str:
    ends = data["end_states"]
    return f"{data['orders']:,} orders, {data['failing_orders']:,} fall, {ends} end state{'' if ends == 1 else 's'}"


def _row(row: Any) -> str:
    return " ".join([row.by, row.do, *[f"{key}={value}" for key, value in row.params.items()]])
