"""The files with store rows among those that are imported: which store each is of, and its rows in our fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from billsim.replay.columns import FIELDS, Columns, Told
from billsim.replay.documents import Found, read_values
from billsim.replay.naming import Notes
from billsim.replay.tables import read_csv, read_parquet
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.rows import AUDIT

_TABLES = (".csv", ".csv.gz", ".tsv", ".parquet")
_KEYS: dict[str, tuple[str, ...]] = {
    "billing_prod": ("object_id", "status", "amount_paid", "amount_remaining"),
    "cf_prod": ("account", "product"),
    "stripe_metadata": ("object_id",),
    "ope": ("account", "key", "product"),
    "www": ("account", "zone"),
}


def named_stores(options: Sequence[str]) -> dict[str, Path]:
    """STORE=FILE, as store -> file. Raises InputError."""
    found: dict[str, Path] = {}
    for option in options:
        store, equals, file = option.partition("=")
        if not equals or not file:
            raise InputError(f"must be STORE=FILE, as in subs_dunning=dunning.csv, not '{option}'", key="--store")
        if store in found:
            raise InputError(f"names '{store}' twice", key="--store")
        found[store] = Path(file)
    return found


def split(files: Sequence[Path], stores: Mapping[str, Path], columns: Columns) -> tuple[list[Path], dict[str, list[Path]]]:
    """(the files of events, the files of each store): a store is told by `stores`, by the mapping, or by a file's name. Raises InputError."""
    events: list[Path] = []
    tables: dict[str, list[Path]] = {}
    for store, path in stores.items():
        if store not in FIELDS:
            raise InputError(f"there is no store '{store}'", key="--store", hint=nearest(store, FIELDS))
        tables.setdefault(store, []).append(path)
    for path in files:
        store = _store_of(path, columns)
        if store:
            tables.setdefault(store, []).append(path)
        elif path.name.lower().endswith(_TABLES):
            hint = nearest(path.name.split(".")[0], FIELDS)
            raise InputError("its name tells no store: call it <store>.csv, or say --store STORE=FILE", str(path), hint=hint)
        else:
            events.append(path)
    return events, tables


def _store_of(path: Path, columns: Columns) -> str:
    """The store that a file's name tells: by itself, or among its words, as in `prod.subs_dunning-2026-03-10.csv`; '' for none."""
    name = path.name.lower()
    for store in FIELDS:
        called = columns.file_of(store).lower()
        if called and (fnmatch(name, called) or name.split(".")[0] == called):
            return store
    return next((store for store in FIELDS if re.search(rf"(?<![a-z0-9_]){store}(?![a-z0-9_])", name)), "")


def read_tables(tables: Mapping[str, list[Path]], columns: Columns, notes: Notes) -> list[Told]:
    """The rows of every store, in the stores' order. Raises InputError for what is no table, or holds a key twice."""
    told: list[Told] = []
    for store in FIELDS:
        mine = [columns.row(store, found) for path in tables.get(store, ()) for found in _read(path)]
        _no_key_twice(store, mine)
        told += mine
    _lonely(told, notes)
    return told


def _read(path: Path) -> list[Found]:
    name = path.name.lower()
    if name.endswith(".parquet"):
        rows = read_parquet(path)
    elif name.endswith((".csv", ".csv.gz", ".tsv")):
        rows = read_csv(path)
    else:
        rows = read_values(path, "row")
    if not rows:
        raise InputError("holds no row", str(path))
    return rows


def _no_key_twice(store: str, told: Iterable[Told]) -> None:
    """An account (in a store of many: one of its keys) has one row; an audit has no key."""
    if store == AUDIT:
        return
    keys = _KEYS.get(store, ("account",))
    seen: dict[tuple[object, ...], Told] = {}
    for row in told:
        key = tuple(row.fields.get(name) for name in keys)
        first = seen.setdefault(key, row)
        if first is not row:
            shown = ", ".join(f"{name} '{str(value)[:40]}'" for name, value in zip(keys, key, strict=True) if value is not None)
            message = f"a second row of {shown} in {store}: the first stands in line {first.line} of {first.file}"
            raise InputError(message, row.file, row.line, keys[-1])


def _lonely(told: Sequence[Told], notes: Notes) -> None:
    """Note accounts that one store has and another, which was given too, has not: kept so, for that is drift."""
    held: dict[str, dict[str, Told]] = {}
    for row in told:
        if row.store not in (AUDIT, "stripe_metadata"):
            held.setdefault(row.store, {}).setdefault(row.fields["account"], row)
    singles = [store for store in ("subs_dunning", "subs_account", "subs_customer") if store in held]
    for store, rows in held.items():
        for account, row in rows.items():
            missing = [other for other in singles if account not in held[other]]
            if missing:
                notes.add(f"lonely {store}", row.file, row.line, f"this account of {store} is not in {' and '.join(missing)}: kept so, as drift")
