"""TOML documents: read with every care that bad input needs, and merged along `extends`, each value with the spot where it stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from billsim.scenario.errors import InputError
from billsim.scenario.locate import Spot, locate

LIMIT_BYTES = 8 * 1024 * 1024
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Document(NamedTuple):
    """A parsed file: its values, and where they stand."""

    data: dict[str, Any]
    spot: Spot


def read_document(path: Path, extended_by: tuple[Path, ...] = ()) -> Document:
    """The document at `path`, merged over the one that its `extends` names (a path beside it).

    Raises InputError for a file that cannot be read, is empty, huge, not UTF-8, not TOML, or that extends itself in the end.
    """
    document = parse(read_text(path), str(path))
    if "extends" not in document.data:
        return document
    chain = (*extended_by, path.resolve())
    named = document.data["extends"]
    line = document.spot.at(("extends",)).line
    if not isinstance(named, str) or not named:
        raise InputError("must be text, the path of a scenario file", str(path), line, "extends")
    base = path.parent / named
    if base.resolve() in chain:
        names = [step.name for step in chain[chain.index(base.resolve()) :]]
        raise InputError(f"circular reference: {' -> '.join([*names, base.name])}", str(path), line, "extends")
    if not base.is_file():
        raise InputError(f"there is no file {base}", str(path), line, "extends")
    return merge(read_document(base, chain), document)


def read_text(path: Path) -> str:
    """The text of a file of people's making. Raises InputError when there is none."""
    name = str(path)
    if path.is_dir():
        raise InputError("is a folder, not a scenario file", name)
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise InputError(f"is too large: {size} bytes, at most {LIMIT_BYTES} are read", name)
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError("there is no such file", name) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", name) from None
    return decode(raw, name)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file beside a scenario that hold something, counted from 1. Raises InputError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    return ((number, text) for number, text in enumerate(lines, 1) if text.strip())


def decode(raw: bytes, file: str) -> str:
    """UTF-8 text. Raises InputError, with the line, for bytes that are none."""
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"is not UTF-8: byte 0x{raw[error.start]:02x}", file, line) from None


def parse(text: str, file: str) -> Document:
    """A document from text. Raises InputError for text that is empty or no TOML."""
    if not text.strip():
        raise InputError("the file is empty", file)
    text = text.replace("\r\n", "\n")
    try:
        return Document(tomllib.loads(text), locate(text, file))
    except RecursionError:
        raise InputError("is nested too deeply", file) from None
    except ValueError as error:
        found = _AT.search(str(error))
        line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1 if found else 0
        raise InputError(f"is not TOML: {_AT.sub('', str(error))}", file, line) from None


def merge(base: Document, over: Document) -> Document:
    """`over` laid over `base`: tables key by key, `given` account by account, `timeline` merged in the order of time; other values are replaced."""
    spot = Spot(over.spot.file, 1)
    data = _tables(base, over, spot)
    data.pop("extends", None)
    for key, joined in (("given", _accounts), ("timeline", _rows)):
        mine, theirs = base.data.get(key), over.data.get(key)
        if isinstance(mine, list) and isinstance(theirs, list):
            rows = joined(_items(base, key), _items(over, key))
            data[key] = [row for row, _ in rows]
            spot.parts[key] = Spot(over.spot.file, over.spot.at((key,)).line)
            spot.parts[key].parts = {index: place for index, (_, place) in enumerate(rows)}
    return Document(data, spot)


Item = tuple[Any, Spot]


def _items(document: Document, key: str) -> list[Item]:
    return [(row, document.spot.at((key, index))) for index, row in enumerate(document.data[key])]


def _accounts(base: list[Item], over: list[Item]) -> list[Item]:
    """An account that both give is laid over the base's, where that stood."""
    left = list(over)
    merged = []
    for item in base:
        same = next((other for other in left if _account(other) is not None and _account(other) == _account(item)), None)
        if same is not None:
            left.remove(same)
            spot = Spot(same[1].file, same[1].line)
            item = (_tables(Document(*item), Document(*same), spot), spot)
        merged.append(item)
    return [*merged, *left]


def _account(item: Item) -> Any:
    return item[0].get("account") if isinstance(item[0], dict) else None


def _rows(base: list[Item], over: list[Item]) -> list[Item]:
    rows = [*base, *over]
    if all(isinstance(row, dict) and isinstance(row.get("at"), datetime) and row["at"].tzinfo for row, _ in rows):
        rows.sort(key=lambda item: item[0]["at"])
    return rows


def _tables(base: Document, over: Document, spot: Spot) -> dict[str, Any]:
    """Both tables in one; `spot` receives the spots of its values."""
    spot.parts = {**base.spot.parts, **over.spot.parts}
    merged = {**base.data, **over.data}
    for key, mine in base.data.items():
        theirs = over.data.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            inner = Spot(over.spot.file, over.spot.at((key,)).line)
            merged[key] = _tables(Document(mine, base.spot.at((key,))), Document(theirs, over.spot.at((key,))), inner)
            spot.parts[key] = inner
    return merged
