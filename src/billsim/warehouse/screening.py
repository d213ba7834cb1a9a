"""A project of views looks at the mirrors of a run, night by night: which drift each of its views tells of, and how many rows they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import duckdb

from billsim.warehouse.bigquery import connect, rows, translate, why
from billsim.warehouse.dataform import Definition, Graph
from billsim.warehouse.errors import ViewError
from billsim.warehouse.looking import DETECTED
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.runner import Broken, Views, projects_of
from billsim.warehouse.snapshots import Snapshot

Sighting = tuple[str, str]
"""Of whom, and under which code."""
# What a view must have, to tell of drift; and what tomorrow is told of today's.
_TELLS = ("account", "code")
_REMEMBERED = (*_TELLS, "entity", "detail")


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

    def look(self, snapshot: Snapshot) -> Looked:
        """Roll the mirror forward to this night, and run every view over it."""
        self._mirror.roll_forward(snapshot.deltas)
        counted = self.views.run(snapshot.seen_ms)
        if self._tellers is None:
            self._tellers = tuple([each.name for each in self._may_tell() if set(_TELLS) <= set(self.views.columns(each.name))])
        by_view = {name: self._told(name) for name in self._tellers}
        whole = self._whole()
        self._mirror.remember(whole)
        return Looked(snapshot.first_ms, snapshot.last_ms, snapshot.seen_ms, frozenset([row[:2] for row in whole]), by_view, counted)

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
        return frozenset([(account, code) for account, code, *_ in self._rows(name)])

    def _whole(self) -> list[tuple[str, str, str, str]]:
        """All that is detected, each thing once, as it is remembered until the next night."""
        names = [self._detected.name] if self._detected is not None else self._tellers or ()
        return list(dict.fromkeys([row for name in names for row in self._rows(name)]))

    def _rows(self, name: str) -> list[tuple[str, str, str, str]]:
        columns = self.views.columns(name)
        places = [columns.index(column) if column in columns else None for column in _REMEMBERED]
        found = []
        for row in self.views.rows(name):
            account, code, entity, detail = ["" if place is None or row[place] is None else str(row[place]) for place in places]
            if account and code:
                found.append((account, code, entity, detail))
        return found
