"""From plain values to the plan's types, with one clear line for whatever does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from billsim.core.time import to_ms
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.locate import Spot
from billsim.scenario.plan import TimelineRow

Path = tuple[str | int, ...]

# Fields that are milliseconds in the plan and a date and time in the file.
INSTANTS = frozenset({"at", "start", "until", "started", "last_attempt"})
LARGEST = 2**53
_FIRST_YEAR, _LAST_YEAR = 2000, 2199

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    datetime: "a date and time",
    date: "a date",
    time: "a time of day",
    list: "a list",
    dict: "a table",
}


def words(value: Any) -> str:
    """What kind of thing a value is, in the words of a message."""
    return _WORDS.get(type(value), type(value).__name__)


def show(path: Path) -> str:
    """`given[0].price`: the path of a value, as messages name it."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


class Reader:
    """Converts the values of one document; every error says where the value stands."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot

    def fail(self, path: Path, message: str, hint: str = "") -> InputError:
        """The error to raise for the value at `path`."""
        place = self.spot.at(path)
        return InputError(message, place.file, place.line, show(path), hint)

    def fields(self, cls: type[msgspec.Struct], table: Any, path: Path, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The fields of a struct that a table tells, by the struct's own names.

        A missing one is an error unless it has a default or is `optional`.
        """
        if not isinstance(table, dict):
            raise self.fail(path, f"must be a table, not {words(table)}")
        known = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        for key in table:
            if key not in known:
                raise self.fail((*path, key), "unknown key", nearest(key, known))
        for key, field in known.items():
            if field.required and key not in table and key not in optional:
                raise self.fail(path, f"'{key}' is missing")
        return {known[key].name: self.field(known[key], value, (*path, key)) for key, value in table.items()}

    def field(self, field: msgspec.structs.FieldInfo, value: Any, path: Path) -> Any:
        """One field's value."""
        if field.name in INSTANTS:
            return self.instant(value, path)
        return self.value(field.type, value, path)

    def value(self, kind: Any, value: Any, path: Path) -> Any:
        """`value` as the type `kind` of the plan."""
        if isinstance(kind, type) and issubclass(kind, TimelineRow):
            return self.row(value, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return kind(**self.fields(kind, value, path))
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            return self.value(next(part for part in get_args(kind) if part is not NoneType), value, path)
        if origin is Literal:
            return self.one_of(get_args(kind), value, path)
        if origin is tuple:
            return self.items(get_args(kind)[0], value, path)
        if origin is dict:
            return {key: self.value(get_args(kind)[1], inner, (*path, key)) for key, inner in self.table(value, path).items()}
        return value if kind is Any else self.plain(kind, value, path)

    def plain(self, kind: type[Any], value: Any, path: Path) -> Any:
        """Text, a number of 0 or more, or true or false."""
        if type(value) is not kind:
            raise self.fail(path, f"must be {_WORDS[kind]}, not {words(value)}")
        if kind is int and value < 0:
            raise self.fail(path, f"must not be negative, is {value}")
        if kind is int and value > LARGEST:
            raise self.fail(path, f"is too large, at most {LARGEST}")
        return value

    def one_of(self, allowed: tuple[str, ...], value: Any, path: Path) -> str:
        """One of some names."""
        text: str = self.plain(str, value, path)
        if text not in allowed:
            raise self.fail(path, f"'{text}' is not one of {', '.join(allowed)}", nearest(text, allowed))
        return text

    def items(self, kind: Any, value: Any, path: Path) -> tuple[Any, ...]:
        """A list, all of whose items are of one type."""
        if not isinstance(value, list | tuple):
            raise self.fail(path, f"must be a list, not {words(value)}")
        return tuple(self.value(kind, inner, (*path, index)) for index, inner in enumerate(value))

    def table(self, value: Any, path: Path) -> Mapping[str, Any]:
        """A table of any keys."""
        if not isinstance(value, dict):
            raise self.fail(path, f"must be a table, not {words(value)}")
        return value

    def instant(self, value: Any, path: Path) -> int:
        """Milliseconds since the epoch, from a date and time that says its zone."""
        if not isinstance(value, datetime):
            raise self.fail(path, f"must be a date and time such as 2026-03-14T01:00:00Z, not {words(value)}")
        if value.tzinfo is None:
            raise self.fail(path, f"has no time zone: add Z, as in {value.isoformat()}Z")
        if not _FIRST_YEAR < value.year < _LAST_YEAR:
            raise self.fail(path, f"lies outside the years {_FIRST_YEAR + 1} to {_LAST_YEAR - 1}")
        if value.microsecond % 1000:
            raise self.fail(path, "is finer than a millisecond")
        return to_ms(value)

    def row(self, table: Any, path: Path) -> TimelineRow:
        """A row of the timeline: beside `at`, `by` and `do` it holds its action's own keys."""
        told = self.table(table, path)
        for key in ("at", "by", "do"):
            if key not in told:
                raise self.fail(path, f"'{key}' is missing")
        params = {key: self._param(value, (*path, key)) for key, value in told.items() if key not in ("at", "by", "do")}
        at = self.instant(told["at"], (*path, "at"))
        by, do = (self.plain(str, told[key], (*path, key)) for key in ("by", "do"))
        return TimelineRow(at=at, by=by, do=do, params=params, line=self.spot.at(path).line)

    def _param(self, value: Any, path: Path) -> Any:
        if not isinstance(value, str | int | bool):
            raise self.fail(path, f"must be text, a whole number, or true or false, not {words(value)}")
        return value
