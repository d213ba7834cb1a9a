"""The run directory: what a run leaves, in files that DuckDB, pandas and polars read. The only file that imports duckdb.

    run.json        scenario, seed, engine, versions, verdict, digest, figures; "complete" is false until the run has ended
    scenario.toml   the scenario as it was run, with the events file that it names
    <table>/*.parquet

Written as it goes: rows wait in memory until a part is full or a slice of the run has ended, and a part is written under another name and
renamed. So whenever a run is killed, run.json says `"complete": false`, each table opens, and what is in it is whole. Part 00000 of each table
is empty and there from the start, which keeps `FROM 'run/writes/*.parquet'` valid. `n` is the ordinal of the trace record that a row was made
of, over all tables; what is no record of the trace (`tape`, `nights`, `remaining`) counts for itself, and the last two are written at the end.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import duckdb
import msgspec

from billsim.core.trace import ActionRecord, DriftRecord, LatencyRecord, MarkRecord, MessageRecord, WriteRecord
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import dump

PART_ROWS = 50_000
PINNED = ("simpy", "msgspec", "xxhash", "duckdb", "typer", "rich", "faker")

# Columns and their DuckDB types. `old`, `new`, `opening` and `closing` are JSON; an SQL NULL there means that there was no row.
# `version` is the row's version after the write, `read_version` the one that its writer had read (-1: none).
TABLES: dict[str, dict[str, str]] = {
    "writes": {
        "n": "BIGINT", "at_ms": "BIGINT", "component": "VARCHAR", "task": "VARCHAR", "cause": "VARCHAR", "store": "VARCHAR", "account": "VARCHAR",
        "key": "VARCHAR", "field": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR", "read_version": "BIGINT", "version": "BIGINT",
    },
    "messages": {
        "n": "BIGINT", "at_ms": "BIGINT", "what": "VARCHAR", "name": "VARCHAR", "kind": "VARCHAR", "account": "VARCHAR", "attempt": "BIGINT",
    },
    "drift": {
        "n": "BIGINT", "account": "VARCHAR", "code": "VARCHAR", "opened_ms": "BIGINT", "closed_ms": "BIGINT", "cause": "VARCHAR",
        "opening": "VARCHAR", "closing": "VARCHAR", "detail": "VARCHAR",
    },
    "actions": {
        "n": "BIGINT", "at_ms": "BIGINT", "kind": "VARCHAR", "account": "VARCHAR", "debt": "VARCHAR", "step": "VARCHAR", "key": "VARCHAR",
        "component": "VARCHAR", "task": "VARCHAR", "executed": "BOOLEAN",
    },
    "remediation": {"n": "BIGINT", "at_ms": "BIGINT", "account": "VARCHAR", "params": "VARCHAR", "result": "VARCHAR", "failed": "BOOLEAN"},
    "nights": {
        "n": "BIGINT", "name": "VARCHAR", "taken_ms": "BIGINT", "seen_ms": "BIGINT", "detected": "BIGINT", "new": "BIGINT", "candidates": "BIGINT",
    },
    "remaining": {
        "n": "BIGINT", "account": "VARCHAR", "code": "VARCHAR", "since_ms": "BIGINT", "nights": "BIGINT", "reason": "VARCHAR",
        "account_reason": "VARCHAR", "holds": "BOOLEAN",
    },
    "tickets": {"n": "BIGINT", "at_ms": "BIGINT", "account": "VARCHAR", "kind": "VARCHAR", "code": "VARCHAR", "text": "VARCHAR"},
    "marks": {"n": "BIGINT", "at_ms": "BIGINT", "mark": "VARCHAR", "account": "VARCHAR", "task": "VARCHAR"},
    "latency": {"n": "BIGINT", "at_ms": "BIGINT", "what": "VARCHAR", "account": "VARCHAR", "ms": "BIGINT"},
    "tape": {"n": "BIGINT", "label": "VARCHAR", "answer": "BIGINT"},
}  # fmt: skip
# What is no record of the trace: answers, what views saw, and what is known of drift only when the run is over.
_UNTRACED = ("tape", "nights", "remaining")
_TRACED = tuple(name for name in TABLES if name not in _UNTRACED)


class RunDir:
    """A run directory being written: it takes a run's records as a trace sink, and its choices.

    As a context manager it writes what is waiting when the block is left, however it is left; only `finish` makes the run complete.
    Raises InputError for a folder that holds something, or that another run has just taken.
    """

    def __init__(self, path: Path, scenario: Scenario, about: Mapping[str, Any]) -> None:
        self.path = path
        self._about = {"complete": False, "scenario": scenario.id, **about, "versions": versions()}
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        self._parts = dict.fromkeys(TABLES, 0)
        self._records = 0
        self._asked = 0
        _claim(path, _json_text(self._about))
        self._database = _connect()
        for name, columns in TABLES.items():
            (path / name).mkdir()
            self._database.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")
            self._write_part(name)
        _keep_scenario(path, scenario)

    def __enter__(self) -> RunDir:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def sink(self, batch: list[Any]) -> None:
        """Take a batch of trace records."""
        for record in batch:
            table = record[0]
            self._rows[table].extend(_ROWS_OF[table](self._records, record))
            self._records += 1
        self._write_full_parts()

    def keep(self, asked: Sequence[tuple[str, int]]) -> None:
        """Append the choices of a slice of the run to the tape, in the order in which they were asked for, and write down what waits."""
        self._rows["tape"].extend((n, label, answer) for n, (label, answer) in enumerate(asked, start=self._asked))
        self._asked += len(asked)
        self.flush()

    def flush(self) -> None:
        """Write the rows that wait for a full part."""
        for name, rows in self._rows.items():
            if rows:
                self._write_part(name)

    def finish(self, data: Mapping[str, Any]) -> None:
        """Write what is waiting, and then run.json with the figures of the run, complete."""
        self._rows["nights"].extend((n, *night.values()) for n, night in enumerate(data.get("nights", ())))
        self._rows["remaining"].extend(_remaining_rows(data.get("remediation", {}).get("remaining", ())))
        self.flush()
        _replace(self.path / "run.json", _json_text({**self._about, **data, "complete": True}))

    def close(self) -> None:
        """Write what is waiting and let go of the files. Without `finish` the run stays visibly incomplete."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _write_full_parts(self) -> None:
        for name, rows in self._rows.items():
            if len(rows) >= PART_ROWS:
                self._write_part(name)

    def _write_part(self, name: str) -> None:
        rows, self._rows[name] = self._rows[name], []
        with _undisturbed():
            if rows:
                with self._database.appender(name) as appender:
                    appender.append_rows(rows)
            self._copy(name)

    def _copy(self, name: str) -> None:
        part = self.path / name / f"{self._parts[name]:05d}.parquet"
        unfinished = part.with_name(f".{part.name}.unfinished")
        self._database.execute(f"COPY {name} TO {_quoted(unfinished)} (FORMAT parquet, COMPRESSION zstd)")
        self._database.execute(f"TRUNCATE {name}")
        os.replace(unfinished, part)
        self._parts[name] += 1


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A Ctrl-C waits until the part is whole: DuckDB would give up half way."""
    struck: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _frame: struck.append(number))
    except ValueError:
        # Not in the main thread, where alone signals strike.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if struck:
        raise KeyboardInterrupt


def versions() -> dict[str, str]:
    """What determinism and the files depend on: Python, billsim and the pinned libraries, by name."""
    found = {"python": platform.python_version()}
    for name in ("billsim", *PINNED):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def read_run(path: Path) -> dict[str, Any]:
    """run.json of a run directory. Raises InputError where there is none that can be read."""
    try:
        about = msgspec.json.decode((path / "run.json").read_bytes())
    except FileNotFoundError:
        found = "is no run directory: it holds no run.json" if path.is_dir() else "there is no such run directory"
        raise InputError(f"{found}; `billsim run SCENARIO --out DIR` makes one", str(path)) from None
    except (NotADirectoryError, PermissionError) as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("is not whole JSON: the run was stopped while it began; run it again", str(path / "run.json")) from None
    if not isinstance(about, dict):
        raise InputError("holds no JSON object", str(path / "run.json"))
    return about


def read_tape(path: Path) -> dict[str, int]:
    """The tape of a run directory: answers by label."""
    with _connect() as database:
        try:
            rows = database.execute("SELECT label, answer FROM read_parquet(?)", [_files(path, "tape")])
            return {label: answer for label, answer in _fetched(rows)}
        except duckdb.Error as error:
            raise InputError(f"the tape cannot be read: {str(error).splitlines()[0]}", str(path / "tape")) from None


def read_rows(path: Path, table: str, accounts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a table, of some accounts or of all, in the order of the trace. Raises InputError for a table that cannot be read."""
    query = f"SELECT * FROM read_parquet(?) {'' if accounts is None else 'WHERE account IN (SELECT unnest(?))'} ORDER BY n"
    with _connect() as database:
        try:
            rows = database.execute(query, [_files(path, table), *([] if accounts is None else [list(accounts)])])
            return [dict(zip(TABLES[table], row, strict=True)) for row in _fetched(rows)]
        except duckdb.Error as error:
            raise InputError(f"the table cannot be read: {str(error).splitlines()[0]}", str(path / table)) from None


class Difference(NamedTuple):
    """Where two runs part: the ordinal of the first record that is not the same, and the row that each of them has there (None: none)."""

    n: int
    one: dict[str, Any] | None
    other: dict[str, Any] | None


def first_difference(one: Path, other: Path) -> Difference | None:
    """The first trace record in which two run directories differ, or None. Raises InputError for tables that cannot be read."""
    with _connect() as database:
        try:
            found = [(n, table) for table in _TRACED if (n := _first_in(database, table, one, other)) is not None]
            if not found:
                return None
            n, _ = min(found)
            ours, theirs = _rows_at(database, one, n), _rows_at(database, other, n)
        except duckdb.Error as error:
            raise InputError(f"the tables cannot be compared: {str(error).splitlines()[0]}", str(one)) from None
    return Difference(n, next((row for row in ours if row not in theirs), None), next((row for row in theirs if row not in ours), None))


def duckdb_works(folder: Path) -> str:
    """Write and read back a Parquet file in `folder`; DuckDB's version. Raises duckdb.Error or OSError."""
    with _connect() as database:
        database.execute(f"COPY (SELECT 42 AS answer) TO {_quoted(folder / 'probe.parquet')} (FORMAT parquet)")
        assert database.execute("SELECT answer FROM read_parquet(?)", [str(folder / "probe.parquet")]).fetchone() == (42,)
    return version("duckdb")


def _claim(path: Path, about: str) -> None:
    """Take the folder for this run: the one that creates run.json has it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise _taken(path)
        with open(path / "run.json", "x", encoding="utf-8") as file:
            file.write(about)
    except FileExistsError:
        raise (_taken(path) if path.is_dir() else InputError("is a file, not a folder", str(path), key="--out")) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(path), key="--out") from None


def _taken(path: Path) -> InputError:
    held = "holds files already"
    if (path / "run.json").exists():
        try:
            complete = read_run(path).get("complete")
        except InputError:
            complete = False
        held = "holds a complete run already" if complete else "holds an incomplete run, or one that is still running"
    return InputError(f"{held}; name another folder, such as {path.with_name(path.name + '-2')}", str(path), key="--out")


def _keep_scenario(path: Path, scenario: Scenario) -> None:
    """Copy the scenario, and the files of events and rows that it names, so that the run can be repeated when the originals have changed."""
    for key in ("events", "rows"):
        if named := getattr(scenario, key):
            beside = Path(scenario.source).parent / named
            shutil.copyfile(beside, path / beside.name)
            scenario = msgspec.structs.replace(scenario, **{key: beside.name})
    _replace(path / "scenario.toml", dump(scenario))


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def _connect() -> duckdb.DuckDBPyConnection:
    """A database in memory, on one thread (the order of rows is ours), that fetches nothing from anywhere."""
    return duckdb.connect(":memory:", config={"threads": 1, "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})


def _fetched(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while some := rows.fetchmany(10_000):
        yield from some


def _first_in(database: duckdb.DuckDBPyConnection, table: str, one: Path, other: Path) -> int | None:
    ours, theirs = "(SELECT * FROM read_parquet($one))", "(SELECT * FROM read_parquet($other))"
    found = database.execute(
        f"SELECT min(n) FROM (({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours}))",
        {"one": _files(one, table), "other": _files(other, table)},
    ).fetchone()
    return found[0] if found else None


def _rows_at(database: duckdb.DuckDBPyConnection, path: Path, n: int) -> list[dict[str, Any]]:
    found = []
    for table in _TRACED:
        rows = database.execute("SELECT * FROM read_parquet(?) WHERE n = ?", [_files(path, table), n]).fetchall()
        found += [{"table": table, **dict(zip(TABLES[table], row, strict=True))} for row in rows]
    return found


def _files(path: Path, table: str) -> str:
    """The pattern of a table's parts; what would be a pattern in the folder's own name is taken literally."""
    literal = "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(path / table))
    return f"{literal}/*.parquet"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


_json = msgspec.json.Encoder().encode


def _json_text(data: Mapping[str, Any]) -> str:
    return msgspec.json.format(_json(data), indent=2).decode() + "\n"


def _text(value: Any) -> str | None:
    return None if value is None else _json(value).decode()


_ABSENT: Any = object()


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A struct's fields with their defaults; the columns `account` and `version` hold those two already."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.name not in ("account", "version"):
            made = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            fields[field.name] = _ABSENT if made is msgspec.NODEFAULT else made
    return fields


def _values(row: Any) -> Mapping[str, Any]:
    """The fields of a row that are not at their default."""
    if isinstance(row, msgspec.Struct):
        return {name: value for name, default in _defaults(type(row)).items() if (value := getattr(row, name)) != default}
    return row if isinstance(row, dict) else {"": row}


def _changed(old: Any, new: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """(field, old, new) of each field that differs, as JSON. A row that was made or removed lists its fields that are not at their default."""
    if old is not None and new is not None and type(old) is type(new) and isinstance(new, msgspec.Struct):
        for name in _defaults(type(new)):
            before, after = getattr(old, name), getattr(new, name)
            if before is not after and before != after:
                yield name, _json(before).decode(), _json(after).decode()
        return
    before, after = ({} if row is None else _values(row) for row in (old, new))
    for name in dict.fromkeys((*before, *after)):
        ours, theirs = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if ours is _ABSENT or theirs is _ABSENT or ours != theirs:
            yield name, None if ours is _ABSENT else _json(ours).decode(), None if theirs is _ABSENT else _json(theirs).decode()


def _write_rows(n: int, record: WriteRecord) -> Iterator[tuple[Any, ...]]:
    _, at_ms, component, task, cause, store, account, key, read_version, old, new = record
    row_version = getattr(new, "version", 0)
    changed = list(_changed(old, new)) or [("", None, None)]
    for field, before, after in changed:
        yield n, at_ms, component, task, cause, store, account, key, field, before, after, read_version, row_version


def _drift_rows(n: int, record: DriftRecord) -> Iterator[tuple[Any, ...]]:
    _, account, code, opened_ms, closed_ms, cause, opening, closing, detail = record
    yield n, account, code, opened_ms, closed_ms, cause, _text(opening), _text(closing), detail


def _as_it_is(n: int, record: MessageRecord | ActionRecord | MarkRecord | LatencyRecord) -> Iterator[tuple[Any, ...]]:
    yield (n, *record[1:])


def _remaining_rows(remaining: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """A row for each drift that stands open, account by account."""
    drift = [(each, drift) for each in remaining for drift in each["drift"]]
    return [
        (n, each["account"], drift["code"], drift["since_ms"], drift["nights"], drift["reason"], each["reason"], each["holds"])
        for n, (each, drift) in enumerate(drift)
    ]


_ROWS_OF: dict[str, Callable[[int, Any], Iterator[tuple[Any, ...]]]] = {
    **dict.fromkeys(_TRACED, _as_it_is),
    "writes": _write_rows,
    "drift": _drift_rows,
}
