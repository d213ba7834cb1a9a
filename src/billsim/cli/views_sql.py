"""`billsim views sql`: the SQL of a view, or a query of one's own over the last night's mirror of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from billsim.cli.options import EngineName, Json, PolicyFile, Quiet
from billsim.cli.output import interruptible, print_json, wants_progress
from billsim.cli.viewing import OURS, ViewsFolder, graph_of, view_errors
from billsim.cli.views_run import SeedOrItsOwn, again_of, screen_of, show_rows, told_rows, viewed_by, watched_of
from billsim.scenario.errors import InputError, nearest

EXAMPLE = "Example: billsim views sql detected_drift --duckdb"
QUERY = "query"


def sql(
    view: Annotated[str, typer.Argument(metavar="VIEW|QUERY", help="A view, or a query in BigQuery's SQL.")],
    over: Annotated[
        str | None, typer.Option("--over", metavar="RUN|SCENARIO", help="Ask the query of this run's last night: its mirror, and the views over it.")
    ] = None,
    views: ViewsFolder = None,
    duckdb: Annotated[bool, typer.Option("--duckdb", help="As DuckDB runs it, instead of as BigQuery would.")] = False,
    engine: EngineName = "recompute",
    seed: SeedOrItsOwn = None,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Show the SQL of a view, as Dataform made it or as it is run; or ask a query of a run's last night (its tables: billsim.raw.subs_account)."""
    if over is None:
        return _show(view, views, duckdb, json)
    if duckdb:
        raise InputError("shows SQL, and --over asks it: leave one of them out", key="--duckdb")
    query = view if _is_query(view) else _definition(view, views)[2]
    progress = wants_progress(json, quiet)
    again = again_of("views sql", view, engine, seed, policy, {"over": over, "views": views}, over)
    screen = screen_of(views, progress)
    watched, _, _ = watched_of(over, engine, seed, json, quiet, policy, again)
    with view_errors(), interruptible(json, "nothing is kept", again):
        viewed_by({OURS: screen}, watched, progress)
        rows = told_rows(*screen.ask(query, view if query is not view else QUERY))
    if json:
        print_json({"rows": rows})
    else:
        from billsim import summary

        show_rows(summary.console(), rows)
    return 0


def _show(view: str, views: ViewsFolder, duckdb: bool, json: bool) -> int:
    name, file, text = (QUERY, "", view) if _is_query(view) else _definition(view, views)
    if duckdb:
        from billsim.warehouse.bigquery import translate

        with view_errors():
            text = translate(text, file=file, definition=name)
    if json:
        print_json({"view": name, "file": file or None, "dialect": "duckdb" if duckdb else "bigquery", "sql": text.strip()})
    else:
        typer.echo(text.strip())
    return 0


def _is_query(text: str) -> bool:
    """A name is one word."""
    return len(text.split()) > 1


def _definition(view: str, views: ViewsFolder) -> tuple[str, str, str]:
    """Name, file and query of a view or an assertion. Raises InputError where there is none of that name."""
    graph = graph_of(views)
    found = graph.find(view)
    if found is None or found.kind == "declaration":
        near = nearest(view, [form for each in (*graph.views, *graph.assertions) for form in (each.name, each.target.name)])
        raise InputError(f"there is no view '{view}'", key="VIEW", hint=near)
    return found.name, found.file, found.query
