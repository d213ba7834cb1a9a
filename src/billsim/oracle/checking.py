"""The simulation's exchanges held against stripe-mock: each request is one that it takes, and each answer has the fields and types of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from billsim.oracle.mock import Answer, Mock
from billsim.oracle.recording import Seen
from billsim.stripe.wire import routes
from billsim.stripe.wire.conformance import Difference, compared


class Wrong(msgspec.Struct, frozen=True):
    """Something that stripe-mock has otherwise: in which request, which was first made in which scenario under which engine."""

    shape: str
    what: str
    scenario: str
    engine: str


class Row(msgspec.Struct):
    """What was found for one kind of object: how many shapes of requests, how many fields of answers, which differences have a reason, and which have
    none.
    """

    kind: str
    requests: int = 0
    fields: int = 0
    exceptions: dict[str, str] = {}
    wrong: list[Wrong] = []

    @property
    def ok(self) -> bool:
        """Whether everything is as stripe-mock has it, or has a reason not to be."""
        return not self.wrong


class Found(msgspec.Struct, frozen=True):
    """What came of it: a row for each kind of object. `origin` is where the stripe-mock came from."""

    origin: str
    rows: list[Row]

    @property
    def ok(self) -> bool:
        """Whether nothing differs without a reason."""
        return all(row.ok for row in self.rows)

    @property
    def data(self) -> dict[str, Any]:
        """As JSON."""
        rows: list[dict[str, Any]] = [{**msgspec.to_builtins(row), "ok": row.ok} for row in self.rows]
        return {"ok": self.ok, "stripe_mock": self.origin, "kinds": rows}


def check(seen: Iterable[Seen], mock: Mock) -> Found:
    """Ask stripe-mock what was asked of the simulation, once for each shape, and compare every answer; a row for each kind, by name.

    Raises NoMockError where it stops answering.
    """
    rows: dict[str, Row] = {}
    answers: dict[str, Answer] = {}
    for each in seen:
        kind = routes.BY_NAME[each.exchange.name].answers
        row = rows.setdefault(kind, Row(kind, exceptions={}, wrong=[]))
        if each.shape not in answers:
            request = each.exchange.request
            answers[each.shape] = mock.ask(request.method, request.path, request.query, request.body)
            row.requests += 1
            if not answers[each.shape].accepted:
                row.wrong.append(_wrong(each, f"refused: {answers[each.shape].complaint}"))
        if answers[each.shape].accepted and each.exchange.response.status == 200:
            _compare(row, each, answers[each.shape].body)
    return Found(mock.origin, [rows[kind] for kind in sorted(rows)])


def _compare(row: Row, each: Seen, theirs: Mapping[str, Any]) -> None:
    ours: dict[str, Any] = msgspec.json.decode(each.exchange.response.body)
    found = compared(ours, theirs)
    row.fields += found.fields
    for difference in found.differences:
        if difference.reason:
            row.exceptions[difference.path] = difference.reason
        else:
            _add(row, each, difference)


def _add(row: Row, each: Seen, difference: Difference) -> None:
    what = f"{difference.path} {difference.what}"
    if all(wrong.what != what for wrong in row.wrong):
        row.wrong.append(_wrong(each, what))


def _wrong(each: Seen, what: str) -> Wrong:
    return Wrong(each.shape, what, each.scenario, each.engine)
