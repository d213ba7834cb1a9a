"""A DuckDB that answers as BigQuery does: one thread, a clock that is told, three-part names, and no way out to files or the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from billsim.warehouse.errors import ViewError

# What a database of ours is called, and what DuckDB has taken already.
_TAKEN = ("memory", "system", "temp")
# BigQuery's types as DuckDB stores them. A TIMESTAMP is an instant; a DATETIME knows no time zone.
DUCKDB_TYPES = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38, 9)",
    "BOOL": "BOOLEAN",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIME": "TIME",
    "JSON": "JSON",
}
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
_RAISED = re.compile(r"Could not convert string 'bigquery: (.*?)' to INT64", re.DOTALL)


def connect(path: Path | None = None, *, projects: Sequence[str] = ("billsim",)) -> duckdb.DuckDBPyConnection:
    """A database with a catalogue for each project, the first of them kept in `path` (none: in memory), and the macros that translated queries call.

    Macros and the clock belong to this one connection: a cursor of it knows neither. Raises ViewError where a project's name is taken.
    """
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.execute("SET TimeZone = 'UTC'")
    for number, project in enumerate(projects):
        if project.lower() in _TAKEN:
            raise ViewError(f"a project cannot be called '{project}' here: DuckDB has that name taken")
        where = str(path) if path is not None and number == 0 else ":memory:"
        connection.execute(f"ATTACH {_text(where)} AS {quoted(project)}")
    connection.execute((files("billsim.warehouse.bigquery") / "macros.sql").read_text(encoding="utf-8"))
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def set_clock(connection: duckdb.DuckDBPyConnection, now_ms: int) -> None:
    """From now on CURRENT_TIMESTAMP and its kin, in views made before too, say `now_ms` (milliseconds since the epoch)."""
    connection.execute(f"SET VARIABLE clock = CAST(make_timestamp({now_ms * 1000}) AS TIMESTAMPTZ)")


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """All rows of a DuckDB query or of a quoted view's name, in one total order; instants come as datetimes without a zone, in UTC.

    The types are BigQuery's: a sum of INT64 is one, so a sum that does not fit is an error (duckdb.Error), as there.
    """
    source = query if query.lstrip().startswith('"') else f"({query})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source} AS told").fetchall()
    wanted = ", ".join(_plain(str(name), str(kind)) for name, kind, *_ in described)
    return connection.execute(f"SELECT {wanted} FROM {source} AS told ORDER BY ALL").fetchall()


def why(error: duckdb.Error) -> str:
    """What went wrong, in one line: DuckDB's first line, without its own kind of error where the query raised it."""
    raised = _RAISED.search(str(error))
    return raised[1] if raised else str(error).strip().split("\n")[0]


def quoted(name: str) -> str:
    """A name as DuckDB's SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _plain(name: str, kind: str) -> str:
    """A column as Python can take it: no time zones, and no integer wider than INT64."""
    plain = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP").replace("HUGEINT", "BIGINT")
    return quoted(name) if plain == kind else f"CAST({quoted(name)} AS {plain}) AS {quoted(name)}"
