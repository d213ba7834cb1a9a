"""The JSON that people have their Stripe events in: one event, a list, a page of the list API, or one event a line; plain or gzipped."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from billsim.scenario.errors import InputError

MOST_BYTES = 256 * 1024 * 1024
"""What a file may hold, unpacked."""

_GZIP = b"\x1f\x8b"


class Found(NamedTuple):
    """A value in a file, and the line (from 1) on which it begins; of a page, the line of the page."""

    file: str
    line: int
    value: Any


class _Refused(ValueError):
    """A value that Python would read and JSON does not have, or that could be read in two ways."""


def read_values(path: Path, what: str = "event") -> list[Found]:
    """Every candidate for an event (or for `what` else) in a file, in the file's order. Raises InputError."""
    text = _text(path)
    if not text.strip():
        raise InputError("is empty", str(path))
    try:
        return [unpacked for found in _values(str(path), text) for unpacked in _unpack(found, what)]
    except RecursionError:
        raise InputError("is nested too deeply to be an event", str(path)) from None


def _text(path: Path) -> str:
    raw = _bytes(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})", str(path), raw.count(b"\n", 0, error.start) + 1) from None


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError("is a folder: name the files in it", str(path))
        if path.stat().st_size > MOST_BYTES:
            raise InputError(_too_big(), str(path))
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if raw.startswith(_GZIP):
            with gzip.open(path) as packed:
                raw = packed.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError("there is no such file", str(path)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("is a gzip file that is cut off or broken", str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", str(path)) from None
    if len(raw) > MOST_BYTES:
        raise InputError(_too_big(), str(path))
    return raw


def _too_big() -> str:
    return f"is larger than {MOST_BYTES // 1024 // 1024} MB: split it, or leave out what the incident does not need"


def _values(file: str, text: str) -> Iterator[Found]:
    lead = text[: len(text) - len(text.lstrip())].count("\n")
    lines = text.strip().split("\n") if "\n" in text.strip() else []
    if lines and (_is_whole(lines[0]) or (lines[0][:1] == "{" and _is_whole(lines[-1]))):
        return _by_line(file, [""] * lead + lines)
    return _by_document(file, text)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _by_line(file: str, lines: list[str]) -> Iterator[Found]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield Found(file, number, _DECODER.decode(line))
            except ValueError as error:
                _not_json(file, number, error)


def _by_document(file: str, text: str) -> Iterator[Found]:
    """One document, or several one after the other; of a list each element by itself, so that each has its line."""
    start, line = _skip(text, 0), 1
    counted = 0
    in_list = False
    while start < len(text):
        if text[start] == "[" and not in_list:
            in_list, start = True, _skip(text, start + 1)
            continue
        if in_list and text[start] == "]":
            in_list, start = False, _skip(text, start + 1)
            continue
        try:
            value, end = _DECODER.raw_decode(text, start)
        except ValueError as error:
            _not_json(file, text.count("\n", 0, getattr(error, "pos", start)) + 1, error)
        line, counted = line + text.count("\n", counted, start), start
        yield Found(file, line, value)
        start = _skip(text, end)
        if in_list:
            start = _after_element(file, text, start)
    if in_list:
        raise InputError("is not JSON: the list is not closed", file, text.count("\n") + 1)


def _after_element(file: str, text: str, start: int) -> int:
    if text[start : start + 1] == ",":
        after = _skip(text, start + 1)
        if text[after : after + 1] not in ("]", ""):
            return after
    elif text[start : start + 1] in ("]", ""):
        return start
    raise InputError("is not JSON: expected one more element, or the end of the list", file, text.count("\n", 0, start) + 1)


def _skip(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _not_json(file: str, line: int, error: ValueError) -> NoReturn:
    """Of what the decoder raises, only its own errors and ours say what is wrong: Python's limit on digits is the one that remains."""
    said = error.msg[:1].lower() + error.msg[1:] if isinstance(error, json.JSONDecodeError) else "a number is too long"
    raise InputError(f"is not JSON: {error if isinstance(error, _Refused) else said}", file, line) from None


def _unpack(found: Found, what: str) -> list[Found]:
    """A page of the list API is its items, and a list on a line its elements."""
    value = found.value
    if isinstance(value, dict) and value.get("object") == "list":
        value = value.get("data")
        if not isinstance(value, list):
            raise InputError("a list is required here", found.file, found.line, "data")
    if isinstance(value, list):
        return [Found(found.file, found.line, item) for item in value]
    if not isinstance(value, dict):
        raise InputError(f"holds {json.dumps(value)[:40]}, which is no {what}", found.file, found.line)
    return [found]


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"the key '{twice[:40]}' stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise _Refused("a number is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_no_twice, parse_constant=_no_constant, parse_float=_finite)
