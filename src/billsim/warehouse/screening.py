"""A project of views looks at mirrors, night by night, while a world runs (`through`) or afterwards (`Screen`): which drift its views tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb

from billsim.core.policy import DunningPolicy
from billsim.warehouse.bigquery import connect, rows, translate, why
from billsim.warehouse.dataform import Definition, Graph
from billsim.warehouse.errors import ViewError
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.nightly import Detected, Look, Seen
from billsim.warehouse.runner import Broken, Views, projects_of
from billsim.warehouse.snapshots import Snapshot

Sighting = tuple[str, str]
"""Of whom, and under which code."""
# All drift that a night's mirror shows, and what of it the mirror before did not.
DETECTED, NEW = "detected_drift", "new_drift"
# What a view must have, to tell of drift.
_TELLS = ("account", "code")


class Looked(NamedTuple):
    """What a night's mirror showed: the drift that was detected, and that which each view tells of.

    The mirror was taken from `first_ms` to `last_ms`, and looked at `seen_ms`.
    """

    first_ms: int
    last_ms: int
    seen_ms: int
    detected: frozenset[Sighting]
    by_view: Mapping[str, frozenset[Sighting]]
    rows: Mapping[str, int]


def through(connection: duckdb.DuckDBPyConnection, graph: Graph) -> Look:
    """Through the views of a project, over the mirror of this connection, which the caller rolls forward. Raises ViewError, then or at a look: for
    what cannot be translated or run, and where one of the views `detected_drift` and `new_drift` is missing.
    """
    absent = next((name for name in (DETECTED, NEW) if graph.find(name) is None), None)
    if absent is not None:
        raise ViewError(f"there is no view '{absent}' among the project's {len(graph.views)}, by which nights are told of drift")
    views = Views(connection, graph)

    def look(now_ms: int) -> Seen:
        views.run(now_ms)
        return Seen(drift_of(views, DETECTED), drift_of(views, NEW))

    return look


def drift_of(views: Views, name: str) -> list[Detected]:
    """What a view tells of drift, as it was last run: each thing once, in the order of its rows. What it has no column for is ''; a row that names
    nobody, or no code, tells of nothing. Raises ViewError for a view without a column of the two.
    """
    columns = views.columns(name)
    _refuse_untelling(views, name, columns)
    places = [columns.index(field) if field in columns else None for field in Detected._fields]
    rows = views.rows(name)
    told = [Detected(*["" if place is None or row[place] is None else str(row[place]) for place in places]) for row in rows]
    return [each for each in dict.fromkeys(told) if each.account and each.code]


def _refuse_untelling(views: Views, name: str, columns: Sequence[str]) -> None:
    absent = next((field for field in _TELLS if field not in columns), None)
    definition = views.graph.find(name)
    if absent is not None and definition is not None:
        raise ViewError(f"tells of drift, and has no column '{absent}'", definition.file, definition.name)


class Screen:
    """Looks at snapshots, which must come in their order, through the views of a project.

    What it detects is what its view `detected_drift` says, and the views that this one reads are told apart. A project that has none detects what any
    view says that has an account and a code. Raises ViewError for what cannot be translated or run.
    """

    def __init__(self, graph: Graph) -> None:
        self._connection = connect(projects=projects_of(graph))
        self._mirror = Mirror(self._connection)
        self.views = Views(self._connection, graph)
        self._detected = graph.find(DETECTED)
        self._tellers: tuple[str, ...] | None = None

    def look(self, snapshot: Snapshot, progress: Callable[[str], None] | None = None) -> Looked:
        """Roll the mirror forward to this night, and run every view over it; `progress` is told of each."""
        self._mirror.roll_forward(snapshot.deltas)
        counted = self.views.run(snapshot.seen_ms, progress)
        if self._tellers is None:
            self._tellers = tuple([each.name for each in self._may_tell() if set(_TELLS) <= set(self.views.columns(each.name))])
        by_view = {name: self._told(name) for name in self._tellers}
        whole = self._whole()
        self._mirror.remember(whole)
        return Looked(snapshot.first_ms, snapshot.last_ms, snapshot.seen_ms, frozenset([row[:2] for row in whole]), by_view, counted)

    def follow(self, policy: DunningPolicy) -> None:
        """The platform of the snapshots to come follows this policy; else it is the usual one."""
        self._mirror.follow(policy)

    def clear(self) -> None:
        """Forget what was looked at: the next snapshot is the first of another run."""
        self._mirror.load({})
        self._mirror.remember([])

    def broken(self) -> list[Broken]:
        """The assertions that do not hold of the night that was looked at last."""
        return self.views.broken()

    def ask(self, query: str, name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Columns and rows of a query in BigQuery's SQL, over the mirror as it is now and the views as they were last run; errors call it `name`."""
        told = translate(query, definition=name)
        try:
            columns = self._connection.execute(f"DESCRIBE {told}").fetchall()
            return tuple([str(column) for column, *_ in columns]), rows(self._connection, told)
        except duckdb.Error as error:
            raise ViewError(why(error), "", name) from None

    def _may_tell(self) -> list[Definition]:
        views, union = self.views.graph.views, self._detected
        return [each for each in views if each.target in union.dependencies] if union is not None else list(views)

    def _told(self, name: str) -> frozenset[Sighting]:
        return frozenset([each[:2] for each in drift_of(self.views, name)])

    def _whole(self) -> list[Detected]:
        """All that is detected, each thing once, as it is remembered until the next night."""
        names = [self._detected.name] if self._detected is not None else self._tellers or ()
        return list(dict.fromkeys([row for name in names for row in drift_of(self.views, name)]))
