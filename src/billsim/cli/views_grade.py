"""`billsim views grade`: how much of a run's truth views find, one project or several side by side, and the smallest story that they are blind to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from billsim.bars import Bars
from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, seconds_of
from billsim.cli.output import Interrupted, beside, command, interruptible, print_json, wants_progress
from billsim.cli.viewing import OURS, view_errors
from billsim.cli.views_run import SeedOrItsOwn, What, again_of, figures, screen_of, viewed_by, watched_of
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
    twice = _twice(names)
    if twice is not None:
        raise InputError(f"names '{twice}' twice", key="--views")
    if blind_spot is not None and (blind_spot.exists() or len(names) > 1):
        what_is_wrong = "is there already, and is not written over" if blind_spot.exists() else "is of one project: give --views once"
        raise InputError(what_is_wrong, str(blind_spot), key="--blind-spot")
    if blind_spot is None and code is not None:
        raise InputError("says what --blind-spot is to be about, and there is none", key="--code")
    if blind_spot is not None:
        _refuse_unwritable(blind_spot)
    seconds = seconds_of(time)
    from billsim.explore.trial import Budget

    progress = wants_progress(json, quiet)
    screens = {name: screen_of(name, progress) for name in names}
    asked = {"views": views, "code": code}
    again = again_of("views grade", what, engine, seed, policy, {**asked, "blind-spot": blind_spot})
    watched, seed, engine = watched_of(what, engine, seed, json, quiet, policy, again, keep_tape=blind_spot is not None)
    with view_errors(), interruptible(json, "nothing is kept", again):
        viewed = viewed_by(screens, watched, progress)
        spot = None if blind_spot is None else _blind_spot(watched, viewed[names[0]], code, seed, engine, Budget(runs, seconds), progress)
    if blind_spot is not None and spot is not None:
        _keep(blind_spot, spot.text)
        if spot.data["stopped"]:
            further = {**asked, "code": spot.data["code"], "blind-spot": beside(blind_spot)}
            again = again_of("views grade", str(blind_spot), engine, spot.data["seed"], policy, further)
            raise Interrupted(f"interrupted; the smallest story so far is in {blind_spot}; again, from there: {again}")
    run = {"scenario": watched.scenario.id, "seed": seed, "engine": engine, "digest": watched.result.data["digest"], "nights": len(watched.snapshots)}
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


def _twice(names: list[str]) -> str | None:
    """The first name of a project that has been named before, perhaps by another path."""
    folders = [OURS if name == OURS else str(Path(name).resolve()) for name in names]
    return next((name for nth, name in enumerate(names) if folders[nth] in folders[:nth]), None)


class _Story(NamedTuple):
    """A blind spot as a scenario file, and what is told of it."""

    text: str
    data: dict[str, Any]


def _blind_spot(watched: Watched, viewed: Viewed, code: str | None, seed: int, engine: str, budget: Budget, progress: bool) -> _Story:
    """The smallest story that shows one. Raises InputError where nothing is missed, or nothing of that code."""
    from billsim.grading.blind_spots import blind_spot, candidates
    from billsim.scenario.toml_file import dump

    missed = candidates(viewed.grade)
    if not missed or (code is not None and code not in missed):
        raise InputError("nothing is missed" + (f" of {code}; missed: {', '.join(missed)}" if code and missed else ""), key="--blind-spot")
    chosen = code or next(iter(missed))
    with Bars(progress) as bars:
        bar = bars.planned("shrinking", "runs")
        step = None if bar is None else (lambda to: bar(to.runs, to.most_runs))
        spot = blind_spot(watched, viewed.graph, chosen, missed[chosen], seed=seed, engine=engine, budget=budget, progress=step)
    if spot is None:
        raise InputError(f"{chosen} is missed in this run, but not when its story is run again from the tape", key="--blind-spot")
    story = spot.scenario
    size = {"accounts": len(story.given) or (story.population.accounts if story.population else 0), "timeline_rows": len(story.timeline)}
    told = {"code": spot.code, "pictured": spot.pictured, "seed": spot.seed, "runs": spot.runs, "exhausted": spot.exhausted, "rule": story.rule}
    told["stopped"] = spot.stopped
    return _Story(dump(story), {**told, **size})


def _refuse_unwritable(path: Path) -> None:
    """Raise InputError where a file could not be written once it is made: that takes a while."""
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(f"cannot be written: {there} is {'not writable' if there.is_dir() else 'no folder'}", str(path), key="--blind-spot")


def _keep(path: Path, text: str) -> None:
    """Write a story to a file that is not there yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(path), key="--blind-spot") from None


def _counted(data: dict[str, Any]) -> str:
    return f"{_count(data['accounts'], 'account')}, {_count(data['timeline_rows'], 'row')}, after {_count(data['runs'], 'run')}"


def _by_view(viewed: Viewed) -> dict[str, dict[str, Any]]:
    return {view: {code: mark.data for code, mark in marks.items()} for view, marks in viewed.grade.by_view.items()}


# The figures that may differ between two projects, where one of them never tells of a code that does not drift.
_UNTOLD: Mapping[str, Any] = {"found": 0, "false_alarms": 0, "in_lag": 0, "unhealable": 0, "delay_ms_p50": None}


def _differs(viewed: Mapping[str, Viewed]) -> dict[str, dict[str, dict[str, Any]]]:
    """By code and figure: what each folder has, where they do not all have the same."""
    marks = {name: {code: mark.data for code, mark in each.grade.by_code.items()} for name, each in viewed.items()}
    codes = dict.fromkeys(sorted(code for each in marks.values() for code in each))
    differing: dict[str, dict[str, dict[str, Any]]] = {}
    for code in codes:
        # A code that drifted is in every folder's marks; one that is only told of, in those that do.
        of = {name: each.get(code, _UNTOLD) for name, each in marks.items()}
        for figure in _UNTOLD:
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
        who = "1 view finds" if len(each.graph.views) == 1 else f"{len(each.graph.views)} views find"
        summary.say(out, f"  {name}: {who} {found} of {found + missed} drifts, with {_count(alarms, 'false alarm')}")
    if quiet:
        return
    if len(viewed) > 1:
        _show_side_by_side(out, viewed)
    else:
        _show_one(out, next(iter(viewed.values())))


def _show_one(out: Console, viewed: Viewed) -> None:
    from billsim import summary

    table = _table("drift", "true", "found", "missed", "of these between nights", "false alarms", "in lag", "unhealable", "delay p50", "p99")
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
    counts = [str(figures[key]) for key in ("true", "found", "missed", "between_snapshots", "false_alarms", "in_lag", "unhealable")]
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
