"""A scenario as TOML, laid out for people: one account and one row a line, their first columns aligned, and nothing that is a default."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from billsim.core.time import iso
from billsim.scenario.plan import Control, Expect, Outcome, Scenario, TimelineRow
from billsim.scenario.reading import INSTANTS

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Instant(NamedTuple):
    """Milliseconds that are to be written as a date and time."""

    ms: int


def write(scenario: Scenario, left_out: frozenset[str]) -> str:
    """The whole file; `left_out` are the keys of the top level that go without saying."""
    told = {key: value for key, value in fields(scenario).items() if key not in left_out}
    head = [(key, told[key]) for key in ("id", "rule", "from", "events", "rows", "reconstructed", "start", "until", "calm_hours", "cron_minute") if
    key in told]
    width = max(len(key) for key, _ in head)
    lines = [f"{key:<{width}} = {literal(value)}" for key, value in head]
    lines += _rows("given", [list(fields(account).items()) for account in scenario.given], 1)
    lines += _rows("timeline", [_row(row) for row in scenario.timeline], 3)
    for engine, expect in scenario.expect.items():
        lines += ["", f"[expect.{key_of(engine)}]", *_pairs(_expect(expect))]
    for key in ("judge", "before", "button", "remediation", "warehouse", "population", "tales", "stripe"):
        if key in told:
            lines += ["", f"[{key}]", *_pairs(fields(getattr(scenario, key)))]
    if scenario.faults:
        lines += ["", "[faults]", *_pairs(scenario.faults)]
    if scenario.answers:
        lines += ["", "[answers]", *_pairs(scenario.answers)]
    return "\n".join(lines) + "\n"


def fields(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields of a struct that are not at their defaults, by their names in the file."""
    told = {}
    for field in msgspec.structs.fields(type(struct)):
        value = getattr(struct, field.name)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if field.required or value != default:
            told[field.encode_name] = Instant(value) if field.name in INSTANTS and value is not None else value
    return told


def literal(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Instant):
        return iso(value.ms)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, msgspec.Struct):
        return literal(_outcome(value) if isinstance(value, Outcome | Control) else fields(value))
    if isinstance(value, dict):
        return _table(value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item) for item in value)}]"
    return str(value)


def key_of(key: str) -> str:
    """A key in TOML, quoted where it must be."""
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    escaped = [_ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in text]
    return f'"{"".join(escaped)}"'


def _table(items: Iterable[tuple[str, Any]]) -> str:
    inner = ", ".join(f"{key_of(key)} = {literal(value)}" for key, value in items)
    return f"{{ {inner} }}" if inner else "{}"


def _pairs(told: dict[str, Any]) -> list[str]:
    return [f"{key_of(key)} = {literal(value)}" for key, value in told.items()]


def _row(row: TimelineRow) -> list[tuple[str, Any]]:
    return [("at", Instant(row.at)), ("by", row.by), ("do", row.do), *row.params.items()]


def _expect(expect: Expect) -> dict[str, Any]:
    return {key: getattr(expect, key) for key in ("every_order", "some_order", "control") if getattr(expect, key) is not None}


def _outcome(outcome: Outcome | Control) -> dict[str, Any]:
    """What is expected, with an empty list of drift too: that is the point of it."""
    return {**fields(outcome), "drift": outcome.drift}


def _rows(name: str, rows: list[list[tuple[str, Any]]], aligned: int) -> list[str]:
    """A list of inline tables, one a line, their first `aligned` cells padded to columns."""
    if not rows:
        return []
    cells = [[f"{key_of(key)} = {literal(value)}" for key, value in row] for row in rows]
    widths = [max((len(row[column]) + 1 for row in cells if len(row) > column + 1), default=0) for column in range(aligned)]
    return [f"{name} = [", *(f"  {{ {_line(row, widths)} }}," for row in cells), "]"]


def _line(cells: list[str], widths: list[int]) -> str:
    padded = [f"{cell + ',':<{widths[column] if column < len(widths) else 0}}" for column, cell in enumerate(cells[:-1])]
    return " ".join([*padded, cells[-1]])
