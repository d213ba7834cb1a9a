"""What views show of a night beside drift: rows that somebody asks after, and the classes of line items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from billsim.core.nearest import nearest
from billsim.warehouse.bigquery import quoted
from billsim.warehouse.dataform import Definition, Graph
from billsim.warehouse.errors import ViewError
from billsim.warehouse.nightly import Wanted
from billsim.warehouse.runner import name_of, view_of

ELEMENTS, CLASS = "element_classification", "class"


class Showing:
    """Asks views that have been run on this connection. Raises ViewError for a view that there is not, and at a night for a column."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, graph: Graph, wanted: Iterable[Wanted] = ()) -> None:
        self._connection = connection
        self._wanted = [(each, view_of(graph, each[0])) for each in dict.fromkeys(wanted)]
        elements = graph.find(ELEMENTS)
        self._elements = elements if elements is not None and elements.kind == "view" else None

    def shown(self) -> frozenset[Wanted]:
        """Which of the rows that are asked after there are."""
        return frozenset([each for each, view in self._wanted if self._has(view, each[1])])

    def classes(self) -> tuple[str, ...]:
        """The classes that line items have; none in a project that does not classify them."""
        if self._elements is None or CLASS not in self._columns(self._elements):
            return ()
        query = f"SELECT DISTINCT {quoted(CLASS)} AS told FROM {name_of(self._elements.target)} WHERE told IS NOT NULL ORDER BY told"
        return tuple([str(told) for (told,) in self._connection.execute(query).fetchall()])

    def _has(self, view: Definition, wanted: tuple[tuple[str, Any], ...]) -> bool:
        columns = self._columns(view)
        for name, _ in wanted:
            if name not in columns:
                near = nearest(name, columns)
                raise ViewError(f"there is no column '{name}'" + (f" (did you mean '{near}'?)" if near else ""), view.file, view.name)
        listed = ", ".join([quoted(name) for name, _ in wanted])
        rows = self._connection.execute(f"SELECT {listed} FROM {name_of(view.target)}").fetchall()
        return any(all(_is(held, value) for held, (_, value) in zip(row, wanted, strict=True)) for row in rows)

    def _columns(self, view: Definition) -> list[str]:
        return [str(name) for name, *_ in self._connection.execute(f"DESCRIBE {name_of(view.target)}").fetchall()]


def _is(held: Any, value: Any) -> bool:
    """Whether a column holds a value: '' stands for nothing, and text for what is written like it, such as a date."""
    if value == "" and held is None:
        return True
    return bool(held == value and isinstance(held, bool) == isinstance(value, bool)) or (isinstance(value, str) and str(held) == value)
