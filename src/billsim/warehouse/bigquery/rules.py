"""Which rule rewrites which kind of expression: the whole translation at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from billsim.warehouse.bigquery import dates, functions, operators, tables, values
from billsim.warehouse.bigquery.context import Context

RULES: dict[type[exp.Expr], Callable[[Any, Context], exp.Expr]] = {
    # values.py: literals, and what they are cast to
    exp.Literal: values.literal,
    exp.HexString: values.hexadecimal,
    exp.ByteString: values.octets,
    exp.ParseJSON: values.document,
    exp.Cast: values.cast,
    exp.TryCast: values.cast,
    exp.Struct: values.struct,
    exp.Array: values.array,
    # operators.py
    exp.Div: operators.divide,
    exp.Mul: operators.multiply,
    exp.BitwiseLeftShift: operators.shift_left,
    exp.BitwiseRightShift: operators.shift_right,
    exp.Like: operators.like,
    exp.Bracket: operators.bracket,
    exp.Dot: operators.dot,
    # dates.py
    exp.Interval: dates.interval,
    exp.Extract: dates.extract,
    exp.AtTimeZone: dates.at_time_zone,
    exp.CurrentDate: dates.current,
    exp.CurrentDatetime: dates.current,
    exp.CurrentTime: dates.current,
    exp.CurrentTimestamp: dates.current,
    # functions.py: everything that is called by a name
    exp.Anonymous: functions.function,
    exp.SafeFunc: functions.safe,
    exp.NetFunc: functions.net,
    # tables.py: what stands in FROM, and what is selected
    exp.Select: tables.select,
    exp.Subquery: tables.subquery,
    exp.Table: tables.table,
    exp.Unnest: tables.unnest,
}
