"""Columns: what a store's rows hold, what people's tables call it, and how a cell becomes a value.

Without a mapping a column is called as the field is. A mapping is a TOML file with a table a store, and in it, for each field that is called or
written otherwise, the column's name, or `{ column, values, unit, bits, constant }`; `ignore` lists the columns that say nothing of the field's store,
and `file` what the store's file is called. All of it is optional.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING
from billsim.replay.documents import Found
from billsim.scenario.documents import parse, read_text
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.reading import LARGEST, Reader
from billsim.scenario.rows import AUDIT, instant_of

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_SECONDS_BELOW = 100_000_000_000
"""A number of time below this counts seconds (until the year 5138), one from it on milliseconds (from 1973)."""


class Field(NamedTuple):
    """A field of a store's rows: how its cells are read, whether every row must have it, and which words it may hold (() for any)."""

    kind: str
    required: bool = False
    words: tuple[str, ...] = ()


_KEY, _TEXT, _COUNT = Field("text", True), Field("text"), Field("number")
_METADATA = ("bad_debt", "bad_debt_since", "has_no_successful_payment", "account_type", "bad_debt_amount")
FIELDS: dict[str, dict[str, Field]] = {
    "subs_dunning": {
        "account": _KEY,
        "status": Field("text", True, (HEALTHY, RETRYING, DELINQUENT, BAD_DEBT)),
        "retry_count": _COUNT,
        "escalation_level": _COUNT,
        "since_ms": Field("time"),
    },
    "subs_account": {"account": _KEY, "name": _TEXT, "email": _TEXT, "country": _TEXT, "account_type": _TEXT, "flags": _COUNT},
    "subs_customer": {"account": _KEY, "stripe_customer": _TEXT, "checkout_plan": _TEXT, "braintree_paid": Field("bool")},
    "billing_prod": {
        "account": _KEY,
        "object_id": _KEY,
        "kind": Field("text", False, ("invoice", "charge")),
        "status": Field("text", True, ("draft", "open", "paid", "void", "uncollectible", "succeeded", "pending", "failed")),
        "currency": _TEXT,
        "amount_due": Field("number", True),
        "amount_paid": _COUNT,
        "amount_remaining": _COUNT,
        "sequence": _COUNT,
    },
    "cf_prod": {"account": _KEY, "product": _KEY, "plan": _KEY},
    "stripe_metadata": {"object_id": _KEY, "account": _TEXT, **dict.fromkeys(_METADATA, _TEXT)},
    "ope": {
        "account": _KEY,
        "key": _KEY,
        "status": Field("text", False, ("active", "canceled")),
        "stripe_subscription": _TEXT,
        "interval": Field("text", False, ("day", "week", "month", "year")),
        "product": _KEY,
        "plan": _KEY,
        "price": Field("number", True),
        "quantity": _COUNT,
    },
    "www": {"account": _KEY, "zone": _KEY, "plan": _KEY},
    AUDIT: {"account": _KEY, "at": Field("time", True), "params": Field("json"), "result": Field("json"), "failed": Field("bool", True)},
}
_WRITTEN = Field("time")
"""`at`, when a row was written last, may stand in every table: the newest is the moment that the rows are of."""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one field is told. `values`: their word -> ours. `unit` of a time: `s` or `ms`. `bits`: a column of true or false -> the bit that it sets.
    `constant`: what all rows hold.
    """

    column: str = ""
    values: dict[str, str] = {}
    unit: str = ""
    bits: dict[str, int] = {}
    constant: str = ""


class Told(NamedTuple):
    """A row as its table tells it, by our fields; `at` is when it was written (None: it does not say)."""

    store: str
    file: str
    line: int
    fields: dict[str, Any]
    at_ms: int | None


class StoreColumns(NamedTuple):
    """A mapping of one store: field -> column, columns to pass over, and what the store's file is called."""

    columns: dict[str, Column]
    ignore: frozenset[str] = frozenset()
    file: str = ""


class Columns:
    """The columns of all stores, under a mapping or without one."""

    def __init__(self, stores: Mapping[str, StoreColumns] | None = None) -> None:
        self._stores = dict(stores or {})

    def file_of(self, store: str) -> str:
        """What the mapping says that the store's file is called; '' where it says nothing."""
        return self._of(store).file

    def row(self, store: str, found: Found) -> Told:
        """A row of a table in our fields. Raises InputError for a column or value that does not fit."""
        if not isinstance(found.value, dict):
            raise InputError("a row is required here, an object", found.file, found.line)
        mapping, fields = self._of(store), {"at": _WRITTEN, **FIELDS[store]}
        self._known(store, mapping, fields, found)
        told: dict[str, Any] = {}
        for name, field in fields.items():
            value = _told(found, mapping.columns.get(name, Column(name)), name, field)
            if value is not None:
                told[name] = value
            elif field.required:
                column = mapping.columns.get(name, Column(name)).column or name
                raise InputError(f"{store} needs it in every row", found.file, found.line, column)
        at_ms = told.get("at") if store == AUDIT else told.pop("at", None)
        return Told(store, found.file, found.line, told, at_ms)

    def _of(self, store: str) -> StoreColumns:
        return self._stores.get(store) or StoreColumns({})

    def _known(self, store: str, mapping: StoreColumns, fields: Mapping[str, Field], found: Found) -> None:
        named = [name for column in mapping.columns.values() for name in (column.column, *column.bits) if name]
        free = [name for name in fields if name not in mapping.columns]
        for column in found.value:
            if column not in named and column not in free and column not in mapping.ignore:
                hint = nearest(column, (*named, *free))
                raise InputError(f"{store} has no such column; a mapping (--columns) can rename or ignore it", found.file, found.line, column, hint)


def read_mapping(path: Path) -> Columns:
    """A column mapping. Raises InputError."""
    return parse_mapping(read_text(path), str(path))


def parse_mapping(text: str, source: str = "") -> Columns:
    """The column mapping in a text; `source` is how errors name it. Raises InputError."""
    document = parse(text, source)
    reader = Reader(document.spot)
    stores = {}
    for store, table in document.data.items():
        if store not in FIELDS:
            raise reader.fail((store,), f"there is no store '{store}'", nearest(store, FIELDS))
        stores[store] = _mapping(reader, store, reader.table(table, (store,)))
    return Columns(stores)


def _mapping(reader: Reader, store: str, table: Mapping[str, Any]) -> StoreColumns:
    columns: dict[str, Column] = {}
    fields = ("at", *FIELDS[store])
    for name, told in table.items():
        path = (store, name)
        if name in ("ignore", "file"):
            continue
        if name not in fields:
            raise reader.fail(path, f"{store} has no field '{name}'", nearest(name, (*fields, "ignore", "file")))
        column = Column(told) if isinstance(told, str) else Column(**reader.fields(Column, told, path))
        if column.unit not in ("", "s", "ms"):
            raise reader.fail((*path, "unit"), f"'{column.unit}' is no unit of time: s or ms")
        if any(not 0 <= bit < 63 for bit in column.bits.values()):
            raise reader.fail((*path, "bits"), "a bit is a number from 0 to 62")
        columns[name] = column if column.column or column.bits or column.constant else msgspec.structs.replace(column, column=name)
    ignore = reader.items(str, table.get("ignore", []), (store, "ignore"))
    return StoreColumns(columns, frozenset(ignore), reader.plain(str, table.get("file", ""), (store, "file")))


def _told(found: Found, column: Column, name: str, field: Field) -> Any:
    """The field's value in a row, or None."""
    if column.bits:
        return _with_bits(found, column)
    raw = column.constant if column.constant else found.value.get(column.column or name)
    if raw is None or raw == "":
        return None
    where = column.column or name
    if column.values:
        raw = column.values.get(text := _text(raw), text)
    try:
        value = _READERS[field.kind](raw, column)
    except ValueError as error:
        raise InputError(str(error), found.file, found.line, where) from None
    if field.words and value not in field.words:
        message = f"'{str(value)[:40]}' is not one of {', '.join(field.words)}; a mapping (--columns) can say which it is"
        raise InputError(message, found.file, found.line, where, nearest(str(value), field.words))
    return value


def _with_bits(found: Found, column: Column) -> int | None:
    """A field of bits, from a number in `column` (where there is one) and a column of true or false a bit."""
    raw = found.value.get(column.column) if column.column else None
    told = raw is not None
    flags = _number_at(found, column.column, raw) if told else 0
    for name, bit in column.bits.items():
        if (cell := found.value.get(name)) is not None:
            told = True
            try:
                flags = flags & ~(1 << bit) | _bool(cell, column) << bit
            except ValueError as error:
                raise InputError(str(error), found.file, found.line, name) from None
    return flags if told else None


def _number_at(found: Found, name: str, raw: Any) -> int:
    try:
        return _number(raw, Column())
    except ValueError as error:
        raise InputError(str(error), found.file, found.line, name) from None


def _json(value: Any, column: Column) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else _text(value)


def _text(value: Any, column: Column | None = None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError(f"must be text, not {str(value)[:40]}")


def _number(value: Any, column: Column) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and re.fullmatch(r"-?\d{1,18}", text):
        text = int(text)
    if type(text) is not int:
        raise ValueError(f"must be a whole number, not '{str(value)[:40]}'")
    if not 0 <= text <= LARGEST:
        raise ValueError(f"must be a number from 0 to {LARGEST}, not {text}")
    return text


def _bool(value: Any, column: Column) -> bool:
    text = _text(value).strip().lower()
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(f"must be true or false, not '{text[:40]}'")
    return text in _TRUE


def _time(value: Any, column: Column) -> int:
    """Milliseconds, from a number of seconds or milliseconds, or a date and time (without a zone: UTC)."""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if type(value) is int or (isinstance(value, str) and value.strip().isdigit()):
        number = _number(value, column)
        is_seconds = column.unit == "s" or (not column.unit and number < _SECONDS_BELOW)
        return _in_range(number * 1000 if is_seconds else number, value)
    return _in_range(instant_of(_text(value)), value)


def _in_range(ms: int, value: Any) -> int:
    if not 946_684_800_000 <= ms < 7_258_118_400_000:
        raise ValueError(f"lies outside the years 2000 to 2199: '{str(value)[:40]}'")
    return ms


_READERS: dict[str, Callable[[Any, Column], Any]] = {"text": _text, "json": _json, "number": _number, "bool": _bool, "time": _time}
