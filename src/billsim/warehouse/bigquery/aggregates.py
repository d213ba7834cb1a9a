"""Aggregates and window functions, with what BigQuery lets stand within their parentheses: DISTINCT, IGNORE NULLS, HAVING MAX, ORDER BY, LIMIT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context, call, literal_whole, text
from billsim.warehouse.bigquery.operators import is_numeric


@dataclass
class Inside:
    """What stands within the parentheses of an aggregate."""

    name: str
    node: exp.Expr
    arguments: list[exp.Expr]
    distinct: bool = False
    nulls: str = ""  # IGNORE, RESPECT or ''
    order: exp.Order | None = None
    limit: exp.Expr | None = None
    having: exp.HavingMax | None = None

    def only(self, context: Context, *allowed: str) -> None:
        """Raises ViewError for a modifier that is not among `allowed`."""
        for what in ("distinct", "nulls", "order", "limit", "having"):
            if getattr(self, what) and what not in allowed:
                said = {"distinct": "DISTINCT", "nulls": f"{self.nulls} NULLS", "order": "ORDER BY", "limit": "LIMIT", "having": "HAVING"}[what]
                context.refuse(self.node, f"{self.name} with {said} is not supported")
        if self.limit is not None and isinstance(self.node.parent, exp.Window):
            context.refuse(self.node, f"{self.name} with LIMIT is no window function")


Aggregate = Callable[[Inside, Context], exp.Expr]


def inside(name: str, node: exp.Anonymous) -> Inside:
    """The arguments and modifiers of a call, taken apart."""
    told = Inside(name, node, [])
    for argument in node.expressions:
        told.arguments += _peel(argument, told)
    return told


def _peel(argument: exp.Expr, told: Inside) -> list[exp.Expr]:
    if isinstance(argument, exp.Limit):
        told.limit = argument.expression
    elif isinstance(argument, exp.Order):
        told.order = argument
    elif isinstance(argument, exp.IgnoreNulls | exp.RespectNulls):
        told.nulls = "IGNORE" if isinstance(argument, exp.IgnoreNulls) else "RESPECT"
    elif isinstance(argument, exp.HavingMax):
        told.having = argument
    elif isinstance(argument, exp.Distinct):
        told.distinct = True
        return list(argument.expressions)
    else:
        return [argument]
    return _peel(argument.this, told)


def plain(function: str) -> Aggregate:
    """An aggregate that DuckDB has under this name, with or without DISTINCT."""

    def make(told: Inside, context: Context) -> exp.Expr:
        told.only(context, "distinct")
        first: list[exp.Expr] = [exp.Distinct(expressions=told.arguments)] if told.distinct else told.arguments
        return call(function, *first)

    return make


def average(told: Inside, context: Context) -> exp.Expr:
    """AVG: of INT64 a FLOAT64."""
    if is_numeric(told.arguments[0]):
        context.refuse(told.node, "AVG of NUMERIC is not supported: SUM(x) / COUNT(x)")
    return plain("avg")(told, context)


def count_if(told: Inside, context: Context) -> exp.Expr:
    """COUNTIF: an INT64, also over nothing."""
    told.only(context)
    return call("count", exp.Case(ifs=[exp.If(this=told.arguments[0], true=exp.Literal.number(1))]))


def any_value(told: Inside, context: Context) -> exp.Expr:
    """ANY_VALUE(x [HAVING MAX|MIN y])."""
    told.only(context, "having")
    if told.having is None:
        return call("any_value", *told.arguments)
    return call("arg_max_null" if told.having.args.get("max") else "arg_min_null", *told.arguments, told.having.expression)


def by(function: str) -> Aggregate:
    """MAX_BY and MIN_BY."""

    def make(told: Inside, context: Context) -> exp.Expr:
        told.only(context)
        return call(function, *told.arguments)

    return make


def _ordered(told: Inside, last: exp.Expr) -> exp.Expr:
    """The last argument with its order. Distinct values get one where none is told, so that runs agree."""
    order = told.order
    if order is None and told.distinct:
        order = exp.Order(expressions=[exp.Ordered(this=told.arguments[0].copy(), nulls_first=True)])
    return last if order is None else exp.Order(this=last, expressions=[part.copy() for part in order.expressions])


def _listed(told: Inside, value: exp.Expr, ignoring: bool) -> exp.Expr:
    """list(value ...), cut to its limit."""
    values: exp.Expr = exp.Distinct(expressions=[value]) if told.distinct else value
    made: exp.Expr = call("list", _ordered(told, values))
    if ignoring:
        made = exp.Filter(this=made, expression=exp.Where(this=exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))))
    return made if told.limit is None else call("list_slice", made, exp.Literal.number(1), told.limit)


def array_agg(told: Inside, context: Context) -> exp.Expr:
    """ARRAY_AGG([DISTINCT] x [IGNORE NULLS] [ORDER BY ...] [LIMIT n])."""
    told.only(context, "distinct", "nulls", "order", "limit")
    return _listed(told, told.arguments[0], ignoring=told.nulls == "IGNORE")


def array_concat_agg(told: Inside, context: Context) -> exp.Expr:
    """ARRAY_CONCAT_AGG(x [ORDER BY ...] [LIMIT n]); NULL arrays add nothing."""
    told.only(context, "order", "limit")
    return call("flatten", _listed(told, told.arguments[0], ignoring=True))


def string_agg(told: Inside, context: Context) -> exp.Expr:
    """STRING_AGG([DISTINCT] x [, delimiter] [ORDER BY ...] [LIMIT n])."""
    told.only(context, "distinct", "order", "limit")
    value, delimiter = told.arguments[0], told.arguments[1] if len(told.arguments) > 1 else text(",")
    if told.limit is not None:
        return call("array_to_string", _listed(told, value, ignoring=True), delimiter)
    values: exp.Expr = exp.Distinct(expressions=[value]) if told.distinct else value
    return call("string_agg", values, _ordered(told, delimiter))


def approx_count_distinct(told: Inside, context: Context) -> exp.Expr:
    """APPROX_COUNT_DISTINCT, exactly: BigQuery's is exact too where there is little to count."""
    told.only(context)
    return call("count", exp.Distinct(expressions=told.arguments))


def approx_quantiles(told: Inside, context: Context) -> exp.Expr:
    """APPROX_QUANTILES(x, n), exactly: the smallest value, n - 1 between, and the largest."""
    told.only(context, "nulls", "distinct")
    amount = literal_whole(told.arguments[1])
    if told.nulls == "RESPECT" or amount is None or not 1 <= amount <= 10_000:
        context.refuse(told.node, "APPROX_QUANTILES takes a literal number from 1 to 10000, and ignores NULLs")
    shares = exp.Array(expressions=[exp.Literal.number(str(number / amount)) for number in range(amount + 1)])
    value: exp.Expr = exp.Distinct(expressions=[told.arguments[0]]) if told.distinct else told.arguments[0]
    return call("quantile_disc", value, shares)


def approx_top_count(told: Inside, context: Context) -> exp.Expr:
    """APPROX_TOP_COUNT(x, n), exactly; of equally frequent values the smaller first."""
    told.only(context)
    return call("bq_top", call("histogram", told.arguments[0]), told.arguments[1])


def percentile(function: str) -> Aggregate:
    """PERCENTILE_CONT and PERCENTILE_DISC, which ignore NULLs."""

    def make(told: Inside, context: Context) -> exp.Expr:
        told.only(context, "nulls")
        if told.nulls == "RESPECT":
            context.refuse(told.node, f"{told.name} with RESPECT NULLS is not supported")
        return call(function, *told.arguments)

    return make


def navigation(kind: type[exp.Expr]) -> Aggregate:
    """FIRST_VALUE, LAST_VALUE and NTH_VALUE, with IGNORE NULLS or not."""

    def make(told: Inside, context: Context) -> exp.Expr:
        told.only(context, "nulls")
        more = {"offset": told.arguments[1]} if len(told.arguments) > 1 else {}
        made = kind(this=told.arguments[0], **more)
        return exp.IgnoreNulls(this=made) if told.nulls == "IGNORE" else made

    return make


_SAMPLES = ("CORR", "COVAR_POP", "COVAR_SAMP")
# name -> (fewest arguments, most, what it becomes)
AGGREGATES: dict[str, tuple[int, int, Aggregate]] = {
    "ANY_VALUE": (1, 1, any_value),
    "APPROX_COUNT_DISTINCT": (1, 1, approx_count_distinct),
    "APPROX_QUANTILES": (2, 2, approx_quantiles),
    "APPROX_TOP_COUNT": (2, 2, approx_top_count),
    "ARRAY_AGG": (1, 1, array_agg),
    "ARRAY_CONCAT_AGG": (1, 1, array_concat_agg),
    "AVG": (1, 1, average),
    "BIT_AND": (1, 1, plain("bit_and")),
    "BIT_OR": (1, 1, plain("bit_or")),
    "BIT_XOR": (1, 1, plain("bit_xor")),
    "COUNT": (1, 1, plain("count")),
    "COUNTIF": (1, 1, count_if),
    "GROUPING": (1, 1, plain("grouping")),
    "LOGICAL_AND": (1, 1, plain("bool_and")),
    "LOGICAL_OR": (1, 1, plain("bool_or")),
    "MAX": (1, 1, plain("max")),
    "MAX_BY": (2, 2, by("arg_max_null")),
    "MIN": (1, 1, plain("min")),
    "MIN_BY": (2, 2, by("arg_min_null")),
    "STDDEV": (1, 1, plain("stddev_samp")),
    "STDDEV_POP": (1, 1, plain("stddev_pop")),
    "STDDEV_SAMP": (1, 1, plain("stddev_samp")),
    "STRING_AGG": (1, 2, string_agg),
    "SUM": (1, 1, plain("sum")),
    "VARIANCE": (1, 1, plain("var_samp")),
    "VAR_POP": (1, 1, plain("var_pop")),
    "VAR_SAMP": (1, 1, plain("var_samp")),
    **{name: (2, 2, plain(name.lower())) for name in _SAMPLES},
    # window functions
    "CUME_DIST": (0, 0, plain("cume_dist")),
    "DENSE_RANK": (0, 0, plain("dense_rank")),
    "FIRST_VALUE": (1, 1, navigation(exp.FirstValue)),
    "LAG": (1, 3, plain("lag")),
    "LAST_VALUE": (1, 1, navigation(exp.LastValue)),
    "LEAD": (1, 3, plain("lead")),
    "NTH_VALUE": (2, 2, navigation(exp.NthValue)),
    "NTILE": (1, 1, plain("ntile")),
    "PERCENTILE_CONT": (2, 2, percentile("quantile_cont")),
    "PERCENTILE_DISC": (2, 2, percentile("quantile_disc")),
    "PERCENT_RANK": (0, 0, plain("percent_rank")),
    "RANK": (0, 0, plain("rank")),
    "ROW_NUMBER": (0, 0, plain("row_number")),
}
# What aggregates are called in DuckDB, to know a rewritten one by.
CALLED = frozenset(
    """any_value arg_max_null arg_min_null avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp flatten histogram list max min
    quantile_cont quantile_disc stddev_pop stddev_samp string_agg sum var_pop var_samp""".split()
)


def aggregated(node: exp.Expr) -> bool:
    """Whether a rewritten expression holds an aggregate, a window function or a subquery, none of which DuckDB lets stand within TRY."""
    return any(isinstance(part, exp.Query | exp.Window) or (isinstance(part, exp.Anonymous) and part.this in CALLED) for part in node.walk())
