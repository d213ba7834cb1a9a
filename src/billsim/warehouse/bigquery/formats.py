"""Format strings: those of dates and times, and FORMAT's, which are printf's with a few letters of their own.

They must be literals: an element is translated here, or refused by name, before a query runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context, call, join, literal_text, text, whole
from billsim.warehouse.bigquery.dates import Maker

# Elements that stand for several others.
_LONG = {
    "%D": "%m/%d/%y",
    "%F": "%Y-%m-%d",
    "%R": "%H:%M",
    "%T": "%H:%M:%S",
    "%X": "%H:%M:%S",
    "%c": "%a %b %e %H:%M:%S %Y",
    "%h": "%b",
    "%x": "%m/%d/%y",
    "%E4Y": "%Y",
}
_SAME = ("%A", "%B", "%G", "%H", "%I", "%M", "%S", "%U", "%V", "%W", "%Y", "%a", "%b", "%d", "%j", "%m", "%p", "%u", "%w", "%y")
_READ = ("%A", "%B", "%H", "%I", "%M", "%S", "%Y", "%a", "%b", "%d", "%j", "%m", "%p", "%y")
_PADDED = {"%e": "%-d", "%k": "%-H", "%l": "%-I"}
_ELEMENT = re.compile(r"%(?:E\*S|E4Y|E\dS|Ez|.)|[^%]+|%", re.DOTALL)
_SPEC = re.compile(r"%(?P<flags>[-+ #0']*)(?P<width>\d*|\*)(?P<precision>(?:\.(?:\d+|\*))?)(?P<kind>.)", re.DOTALL)


def elements(pattern: str) -> Iterator[str]:
    """The elements and the plain text of a format, those that stand for several taken apart."""
    for found in _ELEMENT.findall(pattern):
        if found in _LONG:
            yield from elements(_LONG[found])
        else:
            yield found


def format_time(zoned: bool, kind: str) -> Maker:
    """FORMAT_DATE, FORMAT_DATETIME, FORMAT_TIME and (zoned) FORMAT_TIMESTAMP with its time zone."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        pattern = _literal(arguments[0], context)
        value: exp.Expr = call(f"bq_a_{kind}", arguments[1]) if kind != "time" else call("bq_datetime_on", text("1970-01-01"), arguments[1])
        zone = arguments[2] if len(arguments) > 2 else text("UTC")
        if zoned:
            value = call("bq_datetime_at", arguments[1], zone)
        in_utc = zoned and literal_text(zone) == "UTC"
        pieces = [_written(element, value, in_utc, node, context) for element in _runs(elements(pattern))]
        if all(literal_text(piece) is not None for piece in pieces):  # which would not be NULL for a NULL date
            return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.Is(this=value, expression=exp.Null())), true=join(pieces or [text("")]))])
        return join(pieces)

    return make


def _runs(found: Iterator[str]) -> Iterator[str]:
    """Elements and plain text that DuckDB writes alike, taken together."""
    run = ""
    for element in found:
        if element in _SAME or not element.startswith("%"):
            run += element
            continue
        yield from [run] if run else []
        run = ""
        yield element
    yield from [run] if run else []


def _written(element: str, value: exp.Expr, in_utc: bool, node: exp.Expr, context: Context) -> exp.Expr:
    value = value.copy()
    plain = {"%%": "%", "%n": "\n", "%t": "\t"}.get(element, element)
    if "%" not in plain or plain == "%":
        return text(plain)
    if element[:2] in _SAME or not element.startswith("%"):
        return call("strftime", value, text(element))
    if element in _PADDED:
        return call("lpad", call("strftime", value, text(_PADDED[element])), exp.Literal.number(2), text(" "))
    if element == "%E*S":
        return call("bq_fraction", value)
    if re.fullmatch(r"%E\dS", element):
        digits = int(element[2])
        return call("left", call("strftime", value, text("%S.%f")), exp.Literal.number(3 + digits if digits else 2))
    if element in ("%Z", "%z", "%Ez") and in_utc:
        return text({"%Z": "UTC", "%z": "+0000", "%Ez": "+00:00"}[element])
    special = _special(element, value)
    if special is None:
        context.refuse(node, f"the format element {element} is not supported")
    return special


def _special(element: str, value: exp.Expr) -> exp.Expr | None:
    """Elements that DuckDB has no letter for."""
    if element == "%C":
        return call("left", call("strftime", value, text("%Y")), exp.Literal.number(2))
    if element == "%g":
        return call("right", call("strftime", value, text("%G")), exp.Literal.number(2))
    if element == "%P":
        return call("lower", call("strftime", value, text("%p")))
    if element == "%Q":
        return exp.Cast(this=call("quarter", value), to=exp.DataType.build("TEXT"))
    if element == "%s":
        return exp.Cast(this=call("bq_floor_div", call("epoch_us", value), whole(1000**2)), to=exp.DataType.build("TEXT"))
    return None


def parse_time(kind: str) -> Maker:
    """PARSE_DATE, PARSE_DATETIME, PARSE_TIME and PARSE_TIMESTAMP."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        pattern = _literal(arguments[0], context)
        found = list(elements(pattern))
        if kind != "time" and not any(element in ("%Y", "%y", "%s") for element in found):
            context.refuse(node, "a format without a year is not supported")
        if found == ["%s"] and kind == "timestamp":
            return call("bq_timestamp_seconds", call("bq_int64", arguments[1]))
        zoned = any(element in ("%z", "%Ez") for element in found)
        if zoned and kind != "timestamp":
            context.refuse(node, "a time zone is read by PARSE_TIMESTAMP only")
        read: exp.Expr = call("strptime", arguments[1], _readable(found, node, context))
        if kind == "timestamp":
            return call("bq_timestamp", read) if zoned else call("bq_timestamp_at", read, arguments[2] if len(arguments) > 2 else text("UTC"))
        return call(f"bq_{kind}", read)

    return make


def _readable(found: list[str], node: exp.Expr, context: Context) -> exp.Expr:
    """The format as DuckDB reads it; two of them where a fraction of a second may be missing."""
    parts = []
    for element in found:
        if element in _READ or not element.startswith("%"):
            parts.append(element)
        elif element in ("%e", "%k", "%l"):
            parts.append(_PADDED[element])
        elif element in ("%z", "%Ez"):
            parts.append("%z")
        elif re.fullmatch(r"%E[1-9*]S", element):
            parts.append("%S.%f")
        elif element == "%E0S":
            parts.append("%S")
        elif element == "%P":
            parts.append("%p")
        else:
            context.refuse(node, f"the format element {element} is not supported for parsing")
    pattern = "".join(parts)
    if "%E*S" in found:
        return exp.Array(expressions=[text(pattern), text(pattern.replace("%S.%f", "%S"))])
    return text(pattern)


def _literal(node: exp.Expr, context: Context) -> str:
    written = literal_text(node)
    if written is None:
        context.refuse(node, "a format must be a literal")
    return written


def format_values(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """FORMAT(format, ...): printf, with %t for any value as a string and %' for thousands."""
    values = iter(arguments[1:])
    pieces: list[exp.Expr] = []
    pattern, position = _literal(arguments[0], context), 0
    for spec in _SPEC.finditer(pattern):
        pieces += [text(pattern[position : spec.start()])] if spec.start() > position else []
        position = spec.end()
        if spec["kind"] == "%":
            pieces.append(text("%"))
            continue
        value = next(values, None)
        if value is None:
            context.refuse(node, f"FORMAT has fewer values than '{pattern}' asks for")
        pieces.append(_printed(spec, value, node, context))
    if next(values, None) is not None:
        context.refuse(node, f"FORMAT has more values than '{pattern}' asks for")
    if "%" in pattern[position:]:
        context.refuse(node, f"the format '{pattern}' ends in the midst of a specifier")
    pieces += [text(pattern[position:])] if position < len(pattern) else []
    return join(pieces or [text("")])


def _printed(spec: re.Match[str], value: exp.Expr, node: exp.Expr, context: Context) -> exp.Expr:
    flags, size, kind = spec["flags"], spec["width"] + spec["precision"], spec["kind"]
    if "*" in size:
        context.refuse(node, f"the format specifier {spec[0]} is not supported")
    if kind in "di" and "'" in flags and not size and flags == "'":
        return call("bq_thousands", value)
    if "'" in flags or kind not in "dioxXfFeEgGst":
        context.refuse(node, f"the format specifier {spec[0]} is not supported")
    if kind in "st":
        shown = call("bq_string", value)
        shown = call("coalesce", shown, text("NULL")) if kind == "t" else shown
        return call("printf", text(f"%{flags}{size}s"), shown) if flags or size else shown
    if kind in "dioxX":
        return call("printf", text(f"%{flags}{size}{'d' if kind == 'i' else kind}"), exp.Cast(this=value, to=exp.DataType.build("BIGINT")))
    return call("printf", text(f"%{flags}{size}{kind}"), exp.Cast(this=value, to=exp.DataType.build("DOUBLE")))


# name -> (fewest arguments, most, what it becomes)
FORMATS: dict[str, tuple[int, int, Maker]] = {
    "FORMAT": (1, 100, format_values),
    "FORMAT_DATE": (2, 2, format_time(False, "date")),
    "FORMAT_DATETIME": (2, 2, format_time(False, "datetime")),
    "FORMAT_TIME": (2, 2, format_time(False, "time")),
    "FORMAT_TIMESTAMP": (2, 3, format_time(True, "timestamp")),
    "PARSE_DATE": (2, 2, parse_time("date")),
    "PARSE_DATETIME": (2, 2, parse_time("datetime")),
    "PARSE_TIME": (2, 2, parse_time("time")),
    "PARSE_TIMESTAMP": (2, 3, parse_time("timestamp")),
}
