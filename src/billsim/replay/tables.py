"""Tables that people have: CSV and Parquet, read by DuckDB, which is allowed to open the one file that is named and nothing else.

What a CSV's first line says is taken at its word: its names are the columns, every value is text, and an empty one is none.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from billsim.replay.documents import MOST_BYTES, Found
from billsim.scenario.errors import InputError

_DELIMITERS = (",", "\t", ";", "|")
_LINE = re.compile(r"CSV Error on Line: (\d+)")


def read_csv(path: Path) -> list[Found]:
    """The rows of a CSV file (plain or gzipped), each with its line where no value spans several. Raises InputError."""
    head = _head(path)
    delimiter = max(_DELIMITERS, key=head.count)
    names = _columns(path, next(csv.reader([head], delimiter=delimiter)))
    typed = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in names)
    dialect = f"auto_detect=false, header=true, delim={_quoted(delimiter)}, quote='\"', escape='\"', strict_mode=true, columns={{{typed}}}"
    rows = _rows(path, f"SELECT * FROM read_csv(?, {dialect}{', compression=gzip' if _is_gzip(path) else ''})", "CSV")
    return [Found(str(path), line, {name: value for name, value in zip(names, row, strict=True) if value is not None}) for line, row in rows]


def read_parquet(path: Path) -> list[Found]:
    """The rows of a Parquet file, each with its ordinal; times are milliseconds since the epoch. Raises InputError."""
    _look(path)
    columns = [(str(name), str(kind)) for _, (name, kind, *_) in _rows(path, "DESCRIBE SELECT * FROM read_parquet(?)", "Parquet")]
    wanted = ", ".join(f"epoch_ms({_named(name)})" if kind.startswith(("TIMESTAMP", "DATE")) else _named(name) for name, kind in columns)
    rows = _rows(path, f"SELECT {wanted} FROM read_parquet(?)", "Parquet")
    named = ((line, zip((name for name, _ in columns), row, strict=True)) for line, row in rows)
    return [Found(str(path), line - 1, {name: _plain(value) for name, value in row if value is not None}) for line, row in named]


def _rows(path: Path, query: str, kind: str) -> list[tuple[int, tuple[Any, ...]]]:
    """What a query finds in the one file that it may open; rows are counted from 2, after a line of names."""
    with duckdb.connect(":memory:", config={"threads": 1, "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}) as database:
        try:
            database.execute(f"SET allowed_paths = [{_quoted(str(path))}]")
            database.execute("SET enable_external_access = false")
            return list(enumerate(database.execute(query, [str(path)]).fetchall(), 2))
        except duckdb.Error as error:
            raise _refusal(path, kind, str(error)) from None


def _refusal(path: Path, kind: str, said: str) -> InputError:
    line = _LINE.search(said)
    if "unicode" in said.lower() or "utf-8" in said.lower():
        return InputError("is not UTF-8", str(path), int(line[1]) if line else 0)
    if line:
        reason = next((text for text in said.splitlines()[2:] if text.strip()), "this line does not fit the first")
        return InputError(f"is not {kind} as its first line has it: {reason.strip()[:120]}", str(path), int(line[1]))
    return InputError(f"is no {kind} file that can be read: {_reason(said, path)}", str(path))


def _reason(said: str, path: Path) -> str:
    text = said.splitlines()[0].partition(": ")[2] or said.splitlines()[0]
    return text.replace(f"File '{path}' ", "").replace(f" of file '{path}'", "").replace(f"'{path}'", "it")[:120]


def _head(path: Path) -> str:
    """The first line of a CSV file: the names of its columns."""
    _look(path)
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            head = file.readline(1 << 20).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", str(path), 1) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", str(path)) from None
    if not head.strip():
        raise InputError("is empty", str(path))
    return head.rstrip("\r\n")


def _columns(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    for name in names:
        if not name:
            raise InputError("a column has no name: the first line must name them all", str(path), 1)
        if names.count(name) > 1:
            raise InputError(f"the column '{name[:60]}' stands twice", str(path), 1)
    return names


def _look(path: Path) -> None:
    """Raise InputError for what is no file, empty, or too large."""
    try:
        if path.is_dir():
            raise InputError("is a folder: name the files in it", str(path))
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError("there is no such file", str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", str(path)) from None
    if not size:
        raise InputError("is empty", str(path))
    if size > MOST_BYTES:
        raise InputError(f"is larger than {MOST_BYTES // 1024 // 1024} MB: split it, or leave out what the incident does not need", str(path))


def _is_gzip(path: Path) -> bool:
    return path.suffix == ".gz"


def _plain(value: Any) -> Any:
    """A decimal without a fraction is a whole number."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else str(value)
    return value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
