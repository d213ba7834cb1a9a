"""`billsim views run`: what views show of a run by night."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, check, load, platform, policy_option
from billsim.cli.output import command, interruptible, print_json, wants_progress
from billsim.cli.viewing import OURS, ViewsFolder, graph_of, view_errors
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from billsim.grading.watching import Viewed, Watched
    from billsim.warehouse.screening import Screen

EXAMPLE = "Example: billsim views run dunning/late_failed_after_paid --engine legacy --show detected_drift"
MOST_ROWS = 100
What = Annotated[str, typer.Argument(metavar="RUN|SCENARIO", help="A run directory, or a scenario's name or file.")]
SeedOrItsOwn = Annotated[int | None, typer.Option("--seed", metavar="N", help="What all chance is derived from.", show_default="0")]


def run(
    what: What,
    views: ViewsFolder = None,
    engine: EngineName = "recompute",
    seed: SeedOrItsOwn = None,
    show: Annotated[list[str] | None, typer.Option("--show", metavar="VIEW", help="Show the last night's rows of this view.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Run the views over every nightly mirror of a run: how many rows each has, and which assertions do not hold (exit code 1)."""
    progress = wants_progress(json, quiet)
    screen = screen_of(views, progress)
    with view_errors():
        from billsim.warehouse.runner import view_of

        for name in show or ():
            view_of(screen.views.graph, name)
    again = again_of("views run", what, engine, seed, policy, {"views": views, "show": show})
    watched, _, _ = watched_of(what, engine, seed, json, quiet, policy, again)
    with view_errors(), interruptible(json, "nothing is kept", again):
        viewed = viewed_by({str(views or OURS): screen}, watched, progress)[str(views or OURS)]
        shown = {name: told_rows(screen.views.columns(name), screen.views.rows(name)) for name in show or ()}
    if json:
        from billsim.core.time import iso

        nights = [{"at": iso(night.seen_ms), "detected": len(night.detected)} for night in viewed.nights]
        print_json({**figures(viewed), "nights": nights, "broken": [str(each) for each in viewed.broken], "shown": shown})
    else:
        _show_run(viewed, what, shown)
    return 1 if viewed.broken else 0


def screen_of(views: Path | str | None, progress: bool = False) -> Screen:
    """A project that is ready to look at mirrors: whatever can be said to be wrong with it before a run is said. Raises InputError."""
    graph = graph_of(views, progress)
    if not graph.views:
        raise InputError("defines no view: there is nothing to look through", str(views))
    with view_errors():
        from billsim.warehouse.screening import Screen

        return Screen(graph)


def viewed_by(screens: Mapping[str, Screen], watched: Watched, progress: bool) -> dict[str, Viewed]:
    """What each project, by its name, makes of a run's nights. Raises InputError and ViewError."""
    from billsim.grading.watching import view

    with Bars(progress) as bars:
        looks = {name: bars.count(name, len(watched.snapshots) * len(screen.views.graph.views)) for name, screen in screens.items()}
        return {name: view(watched, screen, looks[name]) for name, screen in screens.items()}


def again_of(name: str, what: str, engine: str, seed: int | None, policy: Path | None, options: Mapping[str, Any], run: str = "") -> str:
    """The command line that does it again, without options that are None, and with each of a list's. A recorded run (`what`, unless `run` is
    told) has an engine of its own.
    """
    own = {} if is_recorded(run or what) else {"engine": engine, "seed": seed or 0, **policy_option(policy)}
    told = [(option, each) for option, value in options.items() for each in (value if isinstance(value, list) else [value]) if each is not None]
    return " ".join([command(name, what, **own), *[f"--{option} {shlex.quote(str(value))}" for option, value in told]])


def is_recorded(what: str) -> bool:
    """Whether it is a run directory."""
    return (Path(what) / "run.json").is_file()


def watched_of(
    what: str, engine: str, seed: int | None, json: bool, quiet: bool, policy: Path | None, again: str, keep_tape: bool = False
) -> tuple[Watched, int, str]:
    """The run of a scenario, or a recorded one made again, with its mirrors; its seed and its engine. `again` is the command, for who interrupts it.
    Raises InputError.
    """
    recorded = is_recorded(what)
    if recorded and (seed is not None or policy is not None):
        raise InputError("is the recorded run's own: leave it out", key="--policy" if policy is not None else "--seed")
    check(seed or 0, engine)
    story = None if recorded else load(what)
    with view_errors():
        from billsim.grading.watching import watch, watch_again
    with interruptible(json, "nothing is kept", again), Bars(wants_progress(json, quiet)) as bars:
        if story is None:
            return watch_again(Path(what), keep_tape=keep_tape, progress=bars.add(what))
        watched = watch(story, seed=seed or 0, engine=engine, keep_tape=keep_tape, progress=bars.add(story.id), **platform(policy))
        return watched, seed or 0, engine


def figures(viewed: Viewed) -> dict[str, Any]:
    """What is told of a project's nights: how many definitions there are, how many ran, the last night's rows, and the marks by code."""
    rows = viewed.nights[-1].rows
    grade = {code: mark.data for code, mark in viewed.grade.by_code.items()}
    return {"definitions": len(viewed.graph.views), "ran": len(rows), "rows": dict(rows), "grade": grade}


def told_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows by their columns' names, as JSON has them: what it has no word for, as text."""
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)


def _show_run(viewed: Viewed, what: str, shown: dict[str, list[dict[str, Any]]]) -> None:
    from billsim import summary
    from billsim.core.time import iso

    out, rows = summary.console(), viewed.nights[-1].rows
    nights = "1 night" if len(viewed.nights) == 1 else f"{len(viewed.nights)} nights"
    summary.say(out, f"{len(rows)} views over {nights} of {what}, the last seen at {iso(viewed.nights[-1].seen_ms)}")
    width = max(map(len, rows))
    for name, count in rows.items():
        summary.say(out, f"  {name:<{width}}  {count:>8,}")
    for name, found in shown.items():
        summary.say(out, f"{name}:")
        show_rows(out, found)
    for each in viewed.broken:
        summary.say(out, f"assertion: {each}", "bold red")


def show_rows(out: Console, rows: list[dict[str, Any]]) -> None:
    """A line a row, without what is NULL; not more than people read."""
    from billsim import summary

    for row in rows[:MOST_ROWS]:
        summary.say(out, "  " + ", ".join(f"{column} {value}" for column, value in row.items() if value is not None))
    if len(rows) > MOST_ROWS:
        summary.say(out, f"  and {len(rows) - MOST_ROWS:,} more; --json has them all")
