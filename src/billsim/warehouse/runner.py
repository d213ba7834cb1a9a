"""A compiled project over a night's mirror: every view in dependency order, its assertions, and its unit tests.

Nothing changes while a snapshot is looked at, so a view's rows are worked out once and kept for the views that read it: the same rows, without
working out everything below again for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import duckdb

from billsim.warehouse.bigquery import quoted, rows, set_clock, translate, why
from billsim.warehouse.dataform.graph import Definition, Graph, Target, UnitTest
from billsim.warehouse.errors import ViewError
from billsim.warehouse.tables import TABLES, TOLD

OURS = "billsim"
_MIRRORED = {table.name: table for table in (*TABLES, *TOLD)}
_SHOWN = 3


class Broken(NamedTuple):
    """An assertion that does not hold: how many rows break it, and the first of them."""

    definition: Definition
    broken_by: int
    shown: tuple[tuple[Any, ...], ...]

    def __str__(self) -> str:
        told = "1 row breaks" if self.broken_by == 1 else f"{self.broken_by} rows break"
        return f"{self.definition.file}: {self.definition.name}: {told} it, such as {self.shown[0]}"


class Tested(NamedTuple):
    """A unit test, and what is wrong: '' where it passes."""

    test: UnitTest
    wrong: str


class Views:
    """A project on a connection of `bigquery.connect`, which must have a catalogue for each of `projects_of(graph)`.

    Queries are translated once; `run` may be called every night. Raises ViewError for what cannot be translated, and for a view that reads a declared
    table which the mirror does not have. What nobody reads need not be there.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, graph: Graph) -> None:
        self.graph = graph
        self._connection = connection
        _refuse_taken(graph.views)
        self._views = [(each, _translated(each)) for each in graph.views]
        self._assertions = [(each, _translated(each)) for each in graph.assertions]
        self._point_declarations()
        for each, _ in self._views:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(each.target.database)}.{quoted(each.target.schema)}")

    def run(self, now_ms: int, progress: Callable[[str], None] | None = None) -> Mapping[str, int]:
        """How many rows each view has at `now_ms` (milliseconds since the epoch), by `dataset.name`, in the order in which they were worked out.
        `progress` is told of each view that is.
        """
        set_clock(self._connection, now_ms)
        counted = {}
        for each, sql in self._views:
            counted[each.name] = self._work_out(each, sql)
            if progress is not None:
                progress(each.name)
        return counted

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of a view as it was last run, in one total order. `name`: as `Graph.find` takes it."""
        return rows(self._connection, name_of(self._find(name).target))

    def columns(self, name: str) -> tuple[str, ...]:
        """The names of a view's columns, as it was last run."""
        told = self._connection.execute(f"DESCRIBE {name_of(self._find(name).target)}").fetchall()
        return tuple([str(column) for column, *_ in told])

    def broken(self) -> list[Broken]:
        """The assertions that do not hold of what was last run."""
        found = []
        for each, sql in self._assertions:
            wrong = self._asked(each, sql)
            if wrong:
                found.append(Broken(each, len(wrong), tuple(wrong[:_SHOWN])))
        return found

    def _work_out(self, each: Definition, sql: str) -> int:
        try:
            made = self._connection.execute(f"CREATE OR REPLACE TABLE {name_of(each.target)} AS {sql}").fetchone()
        except duckdb.Error as error:
            raise ViewError(why(error), each.file, each.name) from None
        return int(made[0]) if made else 0

    def _asked(self, each: Definition, sql: str) -> list[tuple[Any, ...]]:
        try:
            return rows(self._connection, sql)
        except duckdb.Error as error:
            raise ViewError(why(error), each.file, each.name) from None

    def _find(self, name: str) -> Definition:
        return view_of(self.graph, name)

    def _point_declarations(self) -> None:
        """A declared table that bears the name of a mirrored one is that one, in whatever dataset the project has it."""
        readers = {target: each for each in reversed((*self.graph.views, *self.graph.assertions)) for target in each.dependencies}
        for declared in self.graph.declarations:
            reader, target = readers.get(declared.target), declared.target
            if reader is None:
                continue
            table = _MIRRORED.get(target.name)
            if table is None:
                near = get_close_matches(target.name, list(_MIRRORED), n=1)
                hint = f" (did you mean '{near[0]}'?)" if near else f"; it has {', '.join(_MIRRORED)}"
                raise ViewError(f"reads {target}, a table that the mirror does not have{hint}", reader.file, reader.name)
            source = Target(OURS, table.dataset, table.name)
            if target != source:
                self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(target.database)}.{quoted(target.schema)}")
                self._connection.execute(f"CREATE OR REPLACE VIEW {name_of(target)} AS SELECT * FROM {name_of(source)}")


def view_of(graph: Graph, name: str) -> Definition:
    """The view of this name, as `Graph.find` takes it. Raises ViewError, with the nearest name, where there is none."""
    found = graph.find(name)
    if found is not None and found.kind == "view":
        return found
    near = get_close_matches(name, [form for each in graph.views for form in (each.name, each.target.name)], n=1)
    raise ViewError(f"there is no view '{name}'" + (f" (did you mean '{near[0]}'?)" if near else ""))


def _refuse_taken(views: Sequence[Definition]) -> None:
    """Raises ViewError for a view that would take the place of a mirrored table, or of another view: DuckDB does not tell names apart by case."""
    taken = {(OURS, table.dataset, table.name): "a table of the mirror" for table in _MIRRORED.values()}
    for each in views:
        database, schema, name = each.target.database.lower(), each.target.schema.lower(), each.target.name.lower()
        holder = taken.setdefault((database, schema, name), each.name)
        if holder != each.name:
            raise ViewError(f"bears the name of {holder}", each.file, each.name)


def projects_of(graph: Graph) -> tuple[str, ...]:
    """The catalogues that a connection needs for the project: the mirror's, and those that its definitions name."""
    return tuple(dict.fromkeys([OURS, *[each.target.database for each in graph.definitions]]))


def name_of(target: Target) -> str:
    """The three-part name, as DuckDB's SQL writes it."""
    return ".".join(map(quoted, (target.database, target.schema, target.name)))


def run_views(connection: duckdb.DuckDBPyConnection, graph: Graph, now_ms: int) -> dict[str, list[tuple[Any, ...]]]:
    """Run a project once: the rows of every view at `now_ms`, by `dataset.name`, each in one total order. Raises as `Views` does."""
    views = Views(connection, graph)
    views.run(now_ms)
    return {each.name: views.rows(each.name) for each in graph.views}


def run_unit_tests(
    connection: duckdb.DuckDBPyConnection, graph: Graph, now_ms: int, progress: Callable[[str], None] | None = None
) -> list[Tested]:
    """Every unit test of the project: the view over the rows that the test gives, beside the rows that it expects, at `now_ms`. Raises ViewError for
    one that cannot be translated. `progress` is told of each test that is through.
    """
    set_clock(connection, now_ms)
    found = []
    for test in graph.tests:
        found.append(Tested(test, _tested(connection, test)))
        if progress is not None:
            progress(test.name)
    return found


def _tested(connection: duckdb.DuckDBPyConnection, test: UnitTest) -> str:
    """What is wrong with a test, in one line; '' for nothing. Rows are compared in one order, columns by name."""
    try:
        actual, expected = [translate(query, file=test.file, definition=test.name) for query in (test.query, test.expected)]
        names, wanted = _columns(connection, actual), _columns(connection, expected)
        if sorted(names) != sorted(wanted):
            return f"columns {', '.join(names)}, expected {', '.join(wanted)}"
        listed = ", ".join(map(quoted, wanted))
        found = rows(connection, f"SELECT {listed} FROM ({actual}) AS found")
        return _first_difference(wanted, found, rows(connection, expected))
    except duckdb.Error as error:
        return why(error)


def _first_difference(names: Sequence[str], found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> str:
    if len(found) != len(wanted):
        extra = [row for row in found if row not in wanted] or [row for row in wanted if row not in found]
        return f"{len(found)} rows, expected {len(wanted)}" + (f"; only one side has {extra[0]}" if extra else "")
    for number, (row, other) in enumerate(zip(found, wanted, strict=True), 1):
        for name, value, right in zip(names, row, other, strict=True):
            if value != right:
                return f"row {number}: {name} is {value!r}, expected {right!r}"
    return ""


def _columns(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [str(name) for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM ({query}) AS told").fetchall()]


def _translated(each: Definition) -> str:
    return translate(each.query, file=each.file, definition=each.name)
