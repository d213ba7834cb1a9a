"""How the nights look at the mirror: through the views of a compiled Dataform project, which tells its drift by two of them."""

from __future__ import annotations

import duckdb

from billsim.warehouse.dataform import Graph
from billsim.warehouse.nightly import Detected, Look, Seen
from billsim.warehouse.runner import Views

# All drift that a night's mirror shows, and what of it the mirror before did not; both with the columns of `Detected`.
DETECTED, NEW = "detected_drift", "new_drift"


def through(connection: duckdb.DuckDBPyConnection, graph: Graph) -> Look:
    """Through the views of a project, over the mirror of this connection. Raises ViewError, then or at a look: for what cannot be translated or run,
    and where one of the two is missing.
    """
    views = Views(connection, graph)

    def look(now_ms: int) -> Seen:
        views.run(now_ms)
        return Seen(_drift(views, DETECTED), _drift(views, NEW))

    return look


def _drift(views: Views, name: str) -> list[Detected]:
    rows, columns = views.rows(name), views.columns(name)
    return [Detected(*row) for row in _picked(rows, [columns.index(field) for field in Detected._fields])]


def _picked(rows: list[tuple[str, ...]], which: list[int]) -> list[tuple[str, ...]]:
    return [tuple([row[number] for number in which]) for row in rows]
