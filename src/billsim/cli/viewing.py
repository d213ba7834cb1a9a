"""`billsim views`: a Dataform project of views, listed, compiled, run over the nightly mirrors of a run, tested, and graded against its truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import Json, Quiet
from billsim.cli.output import print_json, print_names, wants_progress
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.warehouse.dataform import Definition, Graph

OURS = "shipped"
ViewsFolder = Annotated[
    Path | None, typer.Option("--views", metavar="DIR", help="A Dataform project of your own.", show_default="the views that ship")
]
LIST_EXAMPLE = "Example: billsim views list"
COMPILE_EXAMPLE = "Example: billsim views compile"
TEST_EXAMPLE = "Example: billsim views test"


def list_(views: ViewsFolder = None, json: Json = False) -> int:
    """List the views of a project: what each is of, and the file that defines it."""
    graph = graph_of(views, wants_progress(json, False))
    if json:
        print_json({**_counts(graph), "views": [_described(each) for each in graph.views], "notes": list(graph.notes)})
    else:
        print_names({each.name: each.description or each.file for each in graph.views})
        _tell_notes(graph)
    return 0


def compile_(
    views: ViewsFolder = None,
    packages: Annotated[
        Path | None, typer.Option("--packages", metavar="DIR", help="A node_modules that has @dataform/core.", show_default="the project's own")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Keep the graph in the project's folder, for who has no @dataform/core.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compile a project, as Dataform does: what it defines, or what is wrong with it, or cannot be run here."""
    from billsim.warehouse import dataform

    folder = views or dataform.SHIPPED
    with view_errors(), Bars(wants_progress(json, quiet)) as bars, bars.busy(f"compiling {folder}"):
        graph = dataform.compile_folder(folder, packages=packages)
        _refuse_what_cannot_run(graph)
    path = folder / dataform.COMPILED if write else None
    if path is not None:
        try:
            path.write_text(dataform.dump(graph), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", str(path)) from None
    if json:
        print_json({**_counts(graph), "core": graph.core_version, "file": None if path is None else str(path), "notes": list(graph.notes)})
    else:
        typer.echo(f"{_count(len(graph.views), 'view')}, {_count(len(graph.assertions), 'assertion')}, {_count(len(graph.tests), 'unit test')}")
        typer.echo(f"  compiled by @dataform/core {graph.core_version}" + ("" if path is None else f"; kept in {path}"))
        _tell_notes(graph)
    return 0


def test(views: ViewsFolder = None, json: Json = False, quiet: Quiet = False) -> int:
    """Run the unit tests of a project, as `dataform test` does: exit code 1 where one fails."""
    progress = wants_progress(json, quiet)
    graph = graph_of(views, progress)
    with view_errors(), Bars(progress) as bars:
        from billsim.core.time import DAY_MS
        from billsim.warehouse.bigquery import connect
        from billsim.warehouse.mirror import Mirror
        from billsim.warehouse.runner import projects_of, run_unit_tests

        connection = connect(projects=projects_of(graph))
        Mirror(connection)
        # Any instant would do: a test tells its inputs by the clock, or does without it.
        tested = run_unit_tests(connection, graph, 20_000 * DAY_MS, bars.count("unit tests", len(graph.tests)))
    failed = sum(bool(each.wrong) for each in tested)
    if json:
        told = [{"name": each.test.name, "file": each.test.file, "passed": not each.wrong, "wrong": each.wrong} for each in tested]
        print_json({"passed": len(tested) - failed, "failed": failed, "tests": told})
    else:
        for each in tested:
            typer.echo(f"{'FAILED' if each.wrong else 'passed'}  {each.test.name}" + (f": {each.wrong} ({each.test.file})" if each.wrong else ""))
        typer.echo(f"{_count(len(tested), 'unit test')}, {failed} failed")
    return 1 if failed else 0


# -- what the other commands of views need too ---------------------------------------------------------------------------------------


def graph_of(views: Path | str | None, progress: bool = False) -> Graph:
    """The compiled project in a folder; of none, or of one called `shipped` that is not there, the views that ship. `progress`: a bar shows while
    it is compiled. Raises InputError.
    """
    from billsim.warehouse import dataform

    with view_errors():
        if views is None or (str(views) == OURS and not Path(views).exists()):
            return dataform.shipped()
        with Bars(progress) as bars, bars.busy(f"compiling {views}"):
            return dataform.compile_folder(Path(views))


@contextmanager
def view_errors() -> Iterator[None]:
    """What is wrong with a view is bad input, and so is that the extra `views` is not installed."""
    try:
        from billsim.warehouse.errors import ViewError

        try:
            yield
        except ViewError as error:
            line = f" (line {error.line} of its query)" if error.file else f" (line {error.line})"
            where = error.definition + (line if error.line else "")
            raise InputError(error.message, error.file, key=where) from None
    except ImportError as error:
        raise InputError(str(error), key="views") from None


def _refuse_what_cannot_run(graph: Graph) -> None:
    """Raises ViewError for a view or an assertion that has no translation, or that reads a table which the mirror does not have."""
    from billsim.warehouse.bigquery import connect
    from billsim.warehouse.mirror import Mirror
    from billsim.warehouse.runner import Views, projects_of

    connection = connect(projects=projects_of(graph))
    Mirror(connection)
    Views(connection, graph)


def _described(each: Definition) -> dict[str, Any]:
    reads = [str(target) for target in each.dependencies]
    return {"name": each.name, "description": each.description, "file": each.file, "reads": reads, "tags": list(each.tags)}


def _counts(graph: Graph) -> dict[str, int]:
    return {"definitions": len(graph.views), "assertions": len(graph.assertions), "unit_tests": len(graph.tests)}


def _tell_notes(graph: Graph) -> None:
    for note in graph.notes:
        typer.echo(f"note: {note}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
