"""`billsim mutants`: how soon each planted fault of recompute is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.fuzzing import SHRINK_S, check_sizes, line
from billsim.cli.options import Json, Quiet, check, load
from billsim.cli.output import EXIT_OF_VERDICT, interruptible, print_json, print_names, wants_progress
from billsim.scenario.errors import InputError, nearest

if TYPE_CHECKING:
    from billsim.explore.measuring import Measured

EXAMPLE = "Example: billsim mutants --only void_not_heard --strategy random,pct3 --runs 2000"
TALES = ("fuzz/tales", "fuzz/whole")


def mutants(
    scenario: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO...]", help=f"Where to look for them.  [default: {' '.join(TALES)}]")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only say which there are, and the safeguard that each lacks.")] = False,
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME,NAME", help="As for `billsim fuzz`; several are compared.")] = "portfolio",
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="How many runs to look for each, at most.")] = 20_000,
    only: Annotated[str, typer.Option("--only", metavar="NAME,NAME", help="Some of them.")] = "",
    half: Annotated[str, typer.Option("--half", metavar="HALF", help="`tuned` (strategies were tuned on these) or `held_out`.")] = "",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The first seed.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="How many processes.")] = 1,
    shrink: Annotated[float, typer.Option("--shrink", metavar="SECONDS", help="How long to shrink what is found; 0: not at all.")] = SHRINK_S,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Look for each mutant of recompute: found or not, after how many runs, and the rows of its story; exit 1 if one is not found."""
    from billsim.explore import measuring

    wanted = measuring.chosen(_names(only), _half(half))
    if not wanted:
        raise InputError("leaves no mutant over", key="--half")
    if listed:
        _list(measuring.described(wanted), json)
        return 0
    check(seed)
    strategies = _checked(strategy, runs, jobs, shrink)
    stories = [load(name) for name in scenario or TALES]
    with interruptible(json, "nothing is kept", _again(scenario, strategy, runs, only, half, jobs)), Bars(wants_progress(json, quiet)) as bars:
        progress = bars.count("mutants", len(wanted) * len(strategies))
        measured = measuring.measure(
            wanted, stories, strategies, runs=runs, seed=seed, shrink_s=shrink, jobs=jobs, progress=lambda each: progress(each.mutant)
        )
    summary = [measuring.summed_up(measured, name, part) for name in strategies for part in (*measuring.HALVES, "")]
    verdict = "holds" if all(each.found for each in measured) else "falls"
    if json:
        data = {"scenarios": [story.id for story in stories], "seed": seed, "most_runs": runs, "verdict": verdict, "summary": summary}
        print_json({**data, "mutants": measured})
    else:
        _show(measured, summary, quiet)
    return EXIT_OF_VERDICT[verdict]


def _names(only: str) -> list[str]:
    from billsim.explore.mutants import MUTANTS

    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in MUTANTS:
            raise InputError(f"there is no mutant '{name}'", key="--only", hint=nearest(name, MUTANTS))
    return names


def _half(half: str) -> str:
    from billsim.explore.measuring import HALVES

    if half and half not in HALVES:
        raise InputError(f"is {' or '.join(HALVES)}, not '{half}'", key="--half", hint=nearest(half, HALVES))
    return half


def _checked(strategy: str, runs: int, jobs: int, shrink: float) -> list[str]:
    """The strategies. Raises InputError for options that cannot be."""
    from billsim.explore.campaign import check_strategy

    check_sizes(runs, jobs, shrink)
    strategies = list(dict.fromkeys(name.strip() for name in strategy.split(",") if name.strip()))
    for name in strategies or [""]:
        check_strategy(name)
    return strategies


def _again(scenario: list[str] | None, strategy: str, runs: int, only: str, half: str, jobs: int) -> str:
    return line("mutants", scenario or [], {"strategy": strategy, "runs": runs, "only": only or None, "half": half or None, "jobs": jobs})


def _list(found: Sequence[Any], json: bool) -> None:
    if json:
        print_json({"mutants": found})
    else:
        print_names({each["name"]: f"{each['safeguard']} ({each['part']}, {each['half']})" for each in found})


def _show(measured: Sequence[Measured], summary: Sequence[Any], quiet: bool) -> None:
    from rich.table import Table

    from billsim import summary as telling

    out = telling.console()
    if not quiet:
        table = Table("mutant", "half", "strategy", box=None)
        for column in ("runs", "seconds", "rows"):
            table.add_column(column, justify="right")
        table.add_column("what shows it", overflow="fold")
        for each in measured:
            runs = f"{each.runs:,}" if each.found else f"not in {each.runs:,}"
            rows = "" if each.rows is None else str(each.rows)
            table.add_row(each.mutant, each.half, each.strategy, runs, f"{each.seconds:.1f}", rows, each.signature)
        out.print(table)
    for part in summary:
        if not part["mutants"]:
            continue
        what = f"{part['strategy']}, {part['half'].replace('_', ' ')}: {part['found']} of {part['mutants']} found"
        cost = f"median {part['runs_median']:,} runs and {part['seconds_median']:.1f} s, at most {part['runs_max']:,} runs"
        rows = f"; stories of {part['rows_median']} rows in the median, at most {part['rows_max']}" if part["rows_median"] is not None else ""
        telling.say(out, f"{what}; {cost}{rows}")
