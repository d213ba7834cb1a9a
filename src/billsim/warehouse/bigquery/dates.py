"""Dates and times: parts, intervals, differences and truncations, which DuckDB counts and types in its own way."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from billsim.warehouse.bigquery.aggregates import aggregated
from billsim.warehouse.bigquery.context import Context, call, did_you_mean, literal_text, text, whole

# Days to add so that a week which begins on this day begins on Monday.
_SHIFTS = {"MONDAY": 0, "SUNDAY": 1, "SATURDAY": 2, "FRIDAY": 3, "THURSDAY": 4, "WEDNESDAY": 5, "TUESDAY": 6}
_MICROSECONDS = {
    "MICROSECOND": 1,
    "MILLISECOND": 1000,
    "SECOND": 1000**2,
    "MINUTE": 60 * 1000**2,
    "HOUR": 3600 * 1000**2,
    "DAY": 86400 * 1000**2,
}
_CLOCK_PARTS = ("MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR")
_STEPS = {"DAY": ("to_days", 1), "WEEK": ("to_days", 7), "MONTH": ("to_months", 1), "QUARTER": ("to_months", 3), "YEAR": ("to_months", 12)}
_CALENDAR = tuple(_STEPS)
_WEEKS = ("WEEK", "ISOWEEK", *(f"WEEK({day})" for day in _SHIFTS))
_FLOORS = (*_CALENDAR, *_WEEKS[1:], "ISOYEAR")
_CURRENT: dict[type[exp.Expr], str] = {
    exp.CurrentDate: "current_date",
    exp.CurrentDatetime: "current_datetime",
    exp.CurrentTime: "current_time",
    exp.CurrentTimestamp: "current_timestamp",
}
_SAME_FIELDS = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "ISOYEAR")

Maker = Callable[[list[exp.Expr], exp.Expr, Context], exp.Expr]


def part_of(node: exp.Expr, allowed: tuple[str, ...], context: Context) -> str:
    """The date part that a node names: DAY, WEEK(MONDAY). Raises ViewError for one that is not allowed."""
    day = node.expressions[0].name if isinstance(node, exp.Anonymous) and len(node.expressions) == 1 else ""
    name = (f"{node.this}({day})" if day else node.name).upper()
    if name not in allowed:
        context.refuse(node, f"{name or node.sql('bigquery')} is not a date part here{did_you_mean(name, allowed)}")
    return name


def _unit(part: str) -> tuple[str, int]:
    """(DuckDB's part, days to shift by) for a part that cuts time into pieces."""
    if part in ("WEEK", "ISOWEEK") or part.startswith("WEEK("):
        day = "SUNDAY" if part == "WEEK" else "MONDAY" if part == "ISOWEEK" else part[5:-1]
        return "week", _SHIFTS[day]
    return part.lower(), 0


def interval(node: exp.Interval, context: Context) -> exp.Expr:
    """INTERVAL n PART."""
    unit = node.args.get("unit")
    amount = node.this
    if unit is None or isinstance(unit, exp.IntervalSpan) or amount is None:
        context.refuse(node, "an INTERVAL of several parts is not supported")
    part = part_of(unit, (*_CLOCK_PARTS, *_CALENDAR), context)
    written = literal_text(amount)
    if written is not None:
        if not written.lstrip("-").isdigit():
            context.refuse(node, f"the INTERVAL '{written}' is not a whole number")
        if part not in _STEPS:
            return call("to_microseconds", whole(int(written) * _MICROSECONDS[part]))
        function, times = _STEPS[part]
        return call(function, exp.Literal.number(int(written) * times))
    if part in _STEPS:
        function, times = _STEPS[part]
        return call(function, exp.Cast(this=_times(amount, times), to=exp.DataType.build("INT")))
    return call("to_microseconds", _times(amount, _MICROSECONDS[part]))


def _times(amount: exp.Expr, times: int) -> exp.Expr:
    return amount if times == 1 else exp.Mul(this=exp.Paren(this=amount), expression=whole(times))


def current(node: exp.Expr, context: Context) -> exp.Expr:
    """CURRENT_DATE and its kin, written without parentheses."""
    return call(f"bq_{_CURRENT[type(node)]}", *([node.this] if node.this else []))


def at_time_zone(node: exp.AtTimeZone, context: Context) -> exp.Expr:
    """AT TIME ZONE, which stands only within EXTRACT."""
    if not isinstance(node.parent, exp.Extract):
        context.refuse(node, "AT TIME ZONE is supported within EXTRACT only")
    return node


def extract(node: exp.Extract, context: Context) -> exp.Expr:
    """EXTRACT(part FROM x [AT TIME ZONE zone])."""
    allowed = (*_SAME_FIELDS, *_WEEKS, "DAYOFWEEK", "DAYOFYEAR", "MILLISECOND", "MICROSECOND", "DATE", "TIME", "DATETIME")
    part = part_of(node.this, allowed, context)
    value = node.expression
    if isinstance(value, exp.AtTimeZone):
        value = call("bq_datetime_at", value.this, value.args["zone"])
    if part in ("DATE", "TIME", "DATETIME"):
        return call(f"bq_{part.lower()}", value)
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=call("dayofweek", value), expression=whole(1)))
    if part in ("MILLISECOND", "MICROSECOND"):
        within_a_second = whole(1000 if part == "MILLISECOND" else 1000**2)
        return exp.Paren(this=exp.Mod(this=call("date_part", text(part.lower()), value), expression=within_a_second))
    if part == "WEEK" or part.startswith("WEEK("):
        return call("bq_week", value, whole((8 - _unit(part)[1]) % 7))
    return call("date_part", text({"ISOWEEK": "week", "DAYOFYEAR": "doy"}.get(part, part.lower())), value)


def _step(arguments: list[exp.Expr], allowed: tuple[str, ...], node: exp.Expr, context: Context) -> None:
    """Checks that an interval's part is one that the function takes; the interval has been rewritten already."""
    made = arguments[1]
    known = isinstance(made, exp.Anonymous) and str(made.this) in ("to_days", "to_months", "to_microseconds")
    if not known:
        context.refuse(node, "an INTERVAL is wanted as the second argument")
    function = str(made.this)
    if function == "to_microseconds" and "HOUR" not in allowed:
        context.refuse(node, "an INTERVAL of days or longer is wanted")
    if (function == "to_months" and "MONTH" not in allowed) or (function == "to_days" and "DAY" not in allowed):
        context.refuse(node, f"an INTERVAL of {', '.join(allowed)} is wanted")


def shifted(macro: str, allowed: tuple[str, ...]) -> Maker:
    """DATE_ADD and its like: a value moved by an interval."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        _step(arguments, allowed, node, context)
        return call(macro, *arguments)

    return make


def boundaries(macro: str, allowed: tuple[str, ...]) -> Maker:
    """DATE_DIFF and DATETIME_DIFF: how many boundaries of a part lie between two values."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        unit, shift = _unit(part_of(arguments[2], allowed, context))
        return call(macro, arguments[0], arguments[1], text(unit), exp.Literal.number(shift))

    return make


def timestamp_diff(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """TIMESTAMP_DIFF: how many whole parts fit between two instants."""
    part = part_of(arguments[2], tuple(_MICROSECONDS), context)
    return call("bq_timestamp_diff", arguments[0], arguments[1], whole(_MICROSECONDS[part]))


def time_diff(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """TIME_DIFF."""
    return call("bq_time_diff", arguments[0], arguments[1], text(part_of(arguments[2], _CLOCK_PARTS, context).lower()))


def truncated(macro: str, allowed: tuple[str, ...]) -> Maker:
    """DATE_TRUNC and its like."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        value, (unit, shift) = arguments[0], _unit(part_of(arguments[1], allowed, context))
        any_type = len(arguments) == 2 and literal_text(value) is None and not aggregated(value)
        return call("bq_any_trunc" if any_type else macro, value, text(unit), exp.Literal.number(shift), *arguments[2:])

    return make


def time_trunc(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """TIME_TRUNC."""
    return call("bq_time_trunc", arguments[0], text(part_of(arguments[1], _CLOCK_PARTS, context).lower()))


def last_day(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """LAST_DAY(date [, part]): of the month, where no part is named."""
    part = part_of(arguments[1], (*_FLOORS[1:],), context) if len(arguments) > 1 else "MONTH"
    if part == "ISOYEAR":
        context.refuse(node, "LAST_DAY of an ISOYEAR is not supported")
    unit, shift = _unit(part)
    function, times = _STEPS[unit.upper()]
    return call("bq_last_day", arguments[0], text(unit), exp.Literal.number(shift), call(function, exp.Literal.number(times)))


def made(name: str) -> Maker:
    """DATE(...), DATETIME(...), TIME(...): from one value, from a value in a time zone, or from parts."""
    parts = {"date": 3, "datetime": 6, "time": 3}[name]

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        if len(arguments) == 1:
            return call(f"bq_{name}", *arguments)
        if len(arguments) == parts:
            return call(f"bq_{name}_of", *arguments)
        if len(arguments) != 2:
            context.refuse(node, f"{name.upper()} takes 1, 2 or {parts} arguments, not {len(arguments)}")
        if name == "datetime" and literal_text(arguments[1]) is None:
            return call("bq_datetime_on", *arguments)
        return call(f"bq_{name}_at", *arguments)

    return make


def timestamp(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """TIMESTAMP(x [, zone])."""
    return call("bq_timestamp" if len(arguments) == 1 else "bq_timestamp_at", *arguments)


def date_array(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """GENERATE_DATE_ARRAY(first, last [, INTERVAL n PART]): a day at a time, where no interval is named."""
    if len(arguments) == 2:
        arguments = [*arguments, call("to_days", exp.Literal.number(1))]
    _step(arguments[1:], _CALENDAR, node, context)
    return call("bq_generate_date_array", *arguments)


def timestamp_array(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """GENERATE_TIMESTAMP_ARRAY(first, last, INTERVAL n PART)."""
    _step(arguments[1:], (*_CLOCK_PARTS, "DAY"), node, context)
    return call("bq_generate_timestamp_array", *arguments)


# name -> (fewest arguments, most, what it becomes)
DATES: dict[str, tuple[int, int, Maker]] = {
    "DATE": (1, 3, made("date")),
    "DATETIME": (1, 6, made("datetime")),
    "TIME": (1, 3, made("time")),
    "TIMESTAMP": (1, 2, timestamp),
    "DATE_ADD": (2, 2, shifted("bq_date_add", _CALENDAR)),
    "DATE_SUB": (2, 2, shifted("bq_date_sub", _CALENDAR)),
    "DATETIME_ADD": (2, 2, shifted("bq_datetime_add", (*_CLOCK_PARTS, *_CALENDAR))),
    "DATETIME_SUB": (2, 2, shifted("bq_datetime_sub", (*_CLOCK_PARTS, *_CALENDAR))),
    "TIMESTAMP_ADD": (2, 2, shifted("bq_timestamp_add", (*_CLOCK_PARTS, "DAY"))),
    "TIMESTAMP_SUB": (2, 2, shifted("bq_timestamp_sub", (*_CLOCK_PARTS, "DAY"))),
    "TIME_ADD": (2, 2, shifted("bq_time_add", _CLOCK_PARTS)),
    "TIME_SUB": (2, 2, shifted("bq_time_sub", _CLOCK_PARTS)),
    "DATE_DIFF": (3, 3, boundaries("bq_date_diff", _FLOORS)),
    "DATETIME_DIFF": (3, 3, boundaries("bq_datetime_diff", (*_CLOCK_PARTS, *_FLOORS))),
    "TIMESTAMP_DIFF": (3, 3, timestamp_diff),
    "TIME_DIFF": (3, 3, time_diff),
    "DATE_TRUNC": (2, 2, truncated("bq_date_trunc", _FLOORS)),
    "DATETIME_TRUNC": (2, 2, truncated("bq_datetime_trunc", (*_CLOCK_PARTS, *_FLOORS))),
    "TIMESTAMP_TRUNC": (2, 3, truncated("bq_timestamp_trunc", (*_CLOCK_PARTS, *_FLOORS))),
    "TIME_TRUNC": (2, 2, time_trunc),
    "LAST_DAY": (1, 2, last_day),
    "GENERATE_DATE_ARRAY": (2, 3, date_array),
    "GENERATE_TIMESTAMP_ARRAY": (3, 3, timestamp_array),
}
