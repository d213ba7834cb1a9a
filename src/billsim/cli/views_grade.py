"""`billsim views grade`: how much of a run's truth views find, one project or several side by side, and the smallest story that they are blind to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, seconds_of
from billsim.cli.output import command, interruptible, print_json
from billsim.cli.viewing import OURS, view_errors
from billsim.cli.views_run import SeedOrItsOwn, What, figures, screen_of, watched_of
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from billsim.explore.trial import Budget
    from billsim.grading.watching import Viewed, Watched
    from billsim.warehouse.grade import Mark

EXAMPLE = "Example: billsim views grade dunning/late_failed_after_paid --engine legacy"
RUNS = 400


def grade(
    what: What,
    views: Annotated[
        list[str] | None, typer.Option("--views", metavar="DIR", help=f"A Dataform project; twice or more: side by side. `{OURS}`: ours.")
    ] = None,
    engine: EngineName = "recompute",
    seed: SeedOrItsOwn = None,
    blind_spot: Annotated[
        Path | None, typer.Option("--blind-spot", metavar="FILE", help="Write the smallest story in which the views miss drift to a new file.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="CODE", help="The code that --blind-spot is to be about.")] = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="How many runs the story may take.", min=1)] = RUNS,
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="How long the story may take.")] = "60s",
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Grade views against the truth of a run: for each drift code, what they find, miss and tell wrongly, and how late."""
    names = views or [OURS]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"names '{twice}' twice", key="--views")
    if blind_spot is not None and (blind_spot.exists() or len(names) > 1):
        what_is_wrong = "is there already, and is not written over" if blind_spot.exists() else "is of one project: give --views once"
        raise InputError(what_is_wrong, str(blind_spot), key="--blind-spot")
    seconds = seconds_of(time)
    from billsim.explore.trial import Budget

    screens = {name: screen_of(name) for name in names}
    watched, seed, engine = watched_of(what, engine, seed, json, quiet, policy, "views grade", keep_tape=blind_spot is not None)
    with view_errors(), interruptible(json, "nothing is kept", command("views grade", what)):
        from billsim.grading.watching import view

        viewed = {name: view(watched, screen) for name, screen in screens.items()}
        spot = None if blind_spot is None else _blind_spot(watched, viewed[names[0]], code, seed, engine, Budget(runs, seconds))
    run = {"scenario": watched.scenario.id, "seed": seed, "engine": engine, "digest": watched.result.data["digest"], "nights": len(watched.snapshots)}
    if blind_spot is not None and spot is not None:
        blind_spot.parent.mkdir(parents=True, exist_ok=True)
        blind_spot.write_text(spot.text, encoding="utf-8")
    if json:
        told = {name: {**figures(each), "views": _by_view(each)} for name, each in viewed.items()}
        story = {} if spot is None else {"blind_spot": {**spot.data, "file": str(blind_spot)}}
        print_json({**run, **(told[names[0]] if len(names) == 1 else {"folders": told, "differs": _differs(viewed)}), **story})
    else:
        _show(viewed, what, run, quiet)
        if spot is not None:
            typer.echo(f"blind spot: {spot.data['rule']}")
            typer.echo(f"  {_counted(spot.data)}; again: {command('views grade', str(blind_spot), engine=engine, seed=spot.data['seed'])}")
    return 0


class _Story(NamedTuple):
    """A blind spot as a scenario file, and what is told of it."""

    text: str
    data: dict[str, Any]


def _blind_spot(watched: Watched, viewed: Viewed, code: str | None, seed: int, engine: str, budget: Budget) -> _Story:
    """The smallest story that shows one. Raises InputError where nothing is missed, or nothing of that code."""
    from billsim.grading.blind_spots import blind_spot, candidates
    from billsim.scenario.toml_file import dump

    missed = candidates(viewed.grade)
    if not missed or (code is not None and code not in missed):
        raise InputError("nothing is missed" + (f" of {code}; missed: {', '.join(missed)}" if code and missed else ""), key="--blind-spot")
    chosen = code or next(iter(missed))
    spot = blind_spot(watched, viewed.graph, chosen, missed[chosen], seed=seed, engine=engine, budget=budget)
    if spot is None:
        raise InputError(f"{chosen} is missed in this run, but not when its story is run again from the tape", key="--blind-spot")
    story = spot.scenario
    size = {"accounts": len(story.given) or (story.population.accounts if story.population else 0), "timeline_rows": len(story.timeline)}
    told = {"code": spot.code, "pictured": spot.pictured, "seed": spot.seed, "runs": spot.runs, "exhausted": spot.exhausted, "rule": story.rule}
    return _Story(dump(story), {**told, **size})


def _counted(data: dict[str, Any]) -> str:
    return f"{_count(data['accounts'], 'account')}, {_count(data['timeline_rows'], 'row')}, after {_count(data['runs'], 'run')}"


def _by_view(viewed: Viewed) -> dict[str, dict[str, Any]]:
    return {view: {code: mark.data for code, mark in marks.items()} for view, marks in viewed.grade.by_view.items()}


def _differs(viewed: Mapping[str, Viewed]) -> dict[str, dict[str, dict[str, Any]]]:
    """By code and figure: what each folder has, where they do not all have the same."""
    marks = {name: {code: mark.data for code, mark in each.grade.by_code.items()} for name, each in viewed.items()}
    codes = dict.fromkeys(sorted(code for each in marks.values() for code in each))
    differing: dict[str, dict[str, dict[str, Any]]] = {}
    for code in codes:
        # A code that drifted is in every folder's marks; one that is only told of, in those that do.
        of = {name: each.get(code, {"found": 0, "false_alarms": 0, "delay_ms_p50": None}) for name, each in marks.items()}
        for figure in ("found", "false_alarms", "delay_ms_p50"):
            values = {name: each[figure] for name, each in of.items()}
            if any(value != values[next(iter(values))] for value in values.values()):
                differing.setdefault(code, {})[figure] = values
    return differing


# -- for people ----------------------------------------------------------------------------------------------------------------------


def _show(viewed: Mapping[str, Viewed], what: str, run: Mapping[str, Any], quiet: bool) -> None:
    from billsim import summary

    out = summary.console()
    nights = "1 night" if run["nights"] == 1 else f"{run['nights']} nights"
    summary.say(out, f"{what} under {run['engine']}, seed {run['seed']}: {nights}; digest {run['digest']}")
    for name, each in viewed.items():
        marks = each.grade.by_code.values()
        found, missed, alarms = sum(len(mark.found) for mark in marks), sum(len(mark.missed) for mark in marks), sum(m.false_alarms for m in marks)
        summary.say(out, f"  {name}: {len(each.graph.views)} views find {found} of {found + missed} drifts, with {_count(alarms, 'false alarm')}")
    if quiet:
        return
    if len(viewed) > 1:
        _show_side_by_side(out, viewed)
    else:
        _show_one(out, next(iter(viewed.values())))


def _show_one(out: Console, viewed: Viewed) -> None:
    from billsim import summary

    table = _table("drift", "true", "found", "missed", "of these between nights", "false alarms", "delay p50", "p99")
    for code, mark in viewed.grade.by_code.items():
        table.add_row(code, *_cells(mark))
    out.print(table)
    _show_by_view(out, viewed)
    for each in [each for each in viewed.grade.missed if each.pictured][: summary.STORIES]:
        summary.say(out, f"missed: {each.drift.account}  {each.drift.code}, opened {_iso(each.drift.opened_ms)}: {each.drift.detail}")


def _show_by_view(out: Console, viewed: Viewed) -> None:
    told = {name: marks for name, marks in viewed.grade.by_view.items() if marks}
    if not told:
        return
    table = _table("view", "code", "found", "missed", "false alarms", "delay p50")
    for name, marks in told.items():
        for code, mark in marks.items():
            figures = mark.data
            table.add_row(name, code, *[str(figures[key]) for key in ("found", "missed", "false_alarms")], _span(figures["delay_ms_p50"]))
    out.print(table)


def _show_side_by_side(out: Console, viewed: Mapping[str, Viewed]) -> None:
    names = list(viewed)
    first, *others = _short(names)
    heads = [head for figure in ("found", "false alarms", "delay p50") for head in (f"{figure}: {first}", *others)]
    table = _table("drift", "true", *heads)
    marks = {name: {code: mark.data for code, mark in each.grade.by_code.items()} for name, each in viewed.items()}
    differs = _differs(viewed)
    for code in dict.fromkeys(sorted(code for each in marks.values() for code in each)):
        of = [marks[name].get(code, {"true": 0, "found": 0, "false_alarms": 0, "delay_ms_p50": None}) for name in names]
        figures = [str(each[key]) for key in ("found", "false_alarms") for each in of]
        style = "bold" if code in differs else None
        table.add_row(code, str(of[0]["true"]), *figures, *[_span(each["delay_ms_p50"]) for each in of], style=style)
    out.print(table)


def _short(names: list[str]) -> list[str]:
    """What folders are called in a table: the last part of their paths, where that tells them apart."""
    last = [Path(name).name or name for name in names]
    return last if len({*last}) == len(last) else names


def _cells(mark: Mark) -> list[str]:
    figures = mark.data
    counts = [str(figures[key]) for key in ("true", "found", "missed", "between_snapshots", "false_alarms")]
    return [*counts, _span(figures["delay_ms_p50"]), _span(figures["delay_ms_p99"])]


def _table(first: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="left" if column == "code" else "right")
    return table


def _span(ms: int | None) -> str:
    from billsim import summary

    return "" if ms is None else summary.span(ms)


def _iso(ms: int) -> str:
    from billsim.core.time import iso

    return iso(ms)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
