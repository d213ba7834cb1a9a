"""Every function by the name that BigQuery calls it; one that is not here is refused by name, never passed on."""

from __future__ import annotations

import re
from typing import NoReturn

from sqlglot import exp

from billsim.warehouse.bigquery.aggregates import AGGREGATES, aggregated, inside
from billsim.warehouse.bigquery.context import Context, call, did_you_mean, join, literal_text, text
from billsim.warehouse.bigquery.dates import DATES, Maker
from billsim.warehouse.bigquery.formats import FORMATS
from billsim.warehouse.bigquery.json_paths import json_path

_MANY = 1000
# DuckDB has the function, and it means the same: (fewest arguments, most, DuckDB's name).
_SAME: dict[str, tuple[int, int, str]] = {
    **{name: (1, 1, name.lower()) for name in "ABS ACOS ASIN ATAN CEIL CEILING COS EXP FLOOR LOWER REVERSE SIN TAN UPPER".split()},
    **{name: (2, 2, name.lower()) for name in "ATAN2 ENDS_WITH NULLIF STARTS_WITH".split()},
    "ARRAY_INCLUDES": (2, 2, "list_contains"),
    "ARRAY_LENGTH": (1, 1, "len"),
    "ARRAY_REVERSE": (1, 1, "list_reverse"),
    "COALESCE": (1, _MANY, "coalesce"),
    "IFNULL": (2, 2, "coalesce"),
    "IS_INF": (1, 1, "isinf"),
    "IS_NAN": (1, 1, "isnan"),
    "REGEXP_CONTAINS": (2, 2, "regexp_matches"),
    "REPLACE": (3, 3, "replace"),
    "STRPOS": (2, 2, "strpos"),
    "TRANSLATE": (3, 3, "translate"),
    "TO_JSON": (1, 1, "to_json"),
}
# macros.sql has a macro for it: (fewest arguments, most, the macro).
_MACROS: dict[str, tuple[int, int, str]] = {
    **{
        name: (1, 1, f"bq_{name.lower()}")
        for name in """ARRAY_FIRST ARRAY_LAST ASCII BIT_COUNT BYTE_LENGTH CHAR_LENGTH CHR CODE_POINTS_TO_STRING DATE_FROM_UNIX_DATE FROM_BASE64
        FROM_HEX JSON_KEYS JSON_TYPE LENGTH LN LOG10 MD5 PARSE_JSON SAFE_NEGATE SHA1 SHA256 SIGN SQRT TIMESTAMP_MICROS TIMESTAMP_MILLIS
        TIMESTAMP_SECONDS TO_BASE64 TO_CODE_POINTS TO_HEX TO_JSON_STRING UNICODE UNIX_DATE UNIX_MICROS UNIX_MILLIS UNIX_SECONDS""".split()
    },
    **{
        name: (2, 2, f"bq_{name.lower()}")
        for name in "CONTAINS_SUBSTR DIV IEEE_DIVIDE LEFT MOD POW RANGE_BUCKET REPEAT RIGHT SAFE_ADD SAFE_DIVIDE SAFE_MULTIPLY SAFE_SUBTRACT".split()
    },
    **{name: (1, 2, f"bq_{name.lower()}") for name in "LOG LTRIM ROUND RTRIM SPLIT TRIM TRUNC".split()},
    **{name: (2, 3, f"bq_{name.lower()}") for name in "ARRAY_TO_STRING GENERATE_ARRAY LPAD RPAD SUBSTR".split()},
    **{name: (0, 1, f"bq_{name.lower()}") for name in "CURRENT_DATE CURRENT_DATETIME CURRENT_TIME".split()},
    "BOOL": (1, 1, "bq_bool_of_json"),
    "CHARACTER_LENGTH": (1, 1, "bq_char_length"),
    "CURRENT_TIMESTAMP": (0, 0, "bq_current_timestamp"),
    "FLOAT64": (1, 1, "bq_float64_of_json"),
    "INSTR": (2, 4, "bq_instr"),
    "INT64": (1, 1, "bq_int64_of_json"),
    "OCTET_LENGTH": (1, 1, "bq_byte_length"),
    "POWER": (2, 2, "bq_pow"),
    "REGEXP_REPLACE": (3, 3, "bq_regexp_replace"),
    "STRING": (1, 1, "bq_text"),
    "SUBSTRING": (2, 3, "bq_substr"),
}


def concat(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """CONCAT and ARRAY_CONCAT: NULL if one is, which DuckDB's own would leave out."""
    return join(arguments)


def extreme(name: str) -> Maker:
    """GREATEST and LEAST: NULL if one is, which DuckDB's own would leave out."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        nothing = [exp.Is(this=argument.copy(), expression=exp.Null()) for argument in arguments]
        return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.Paren(this=exp.or_(*nothing))), true=call(name, *arguments))])

    return make


def json(macro: str) -> Maker:
    """JSON_VALUE and its like: a document and a path, the whole document where there is none."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        document = arguments[0]
        path = json_path(arguments[1], context) if len(arguments) > 1 else text("$")
        return call(f"{macro}_whole" if aggregated(document) else macro, document, path)

    return make


def regexp_extract(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """REGEXP_EXTRACT(x, pattern [, position [, occurrence]]): the group where the pattern has one, else the whole match; NULL without a match."""
    group = _group(arguments[1], context)
    if len(arguments) == 2:
        return call("bq_regexp_extract", *arguments, group)
    occurrence = arguments[3] if len(arguments) > 3 else exp.Literal.number(1)
    return call("bq_regexp_extract_at", arguments[0], arguments[1], group, arguments[2], occurrence)


def regexp_extract_all(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """REGEXP_EXTRACT_ALL(x, pattern)."""
    return call("regexp_extract_all", *arguments, _group(arguments[1], context))


def _group(pattern: exp.Expr, context: Context) -> exp.Expr:
    written = literal_text(pattern)
    if written is None:
        context.refuse(pattern, "a regular expression to extract by must be a literal")
    unescaped = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", written, flags=re.DOTALL)
    groups = len(re.findall(r"\((?!\?)|\(\?P?<", unescaped))
    if groups > 1:
        context.refuse(pattern, f"the regular expression '{written}' has more than one group")
    return exp.Literal.number(groups)


def error(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """ERROR(message)."""
    return call("bq_raise", *arguments)


def normalize(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
    """NORMALIZE(x), to NFC."""
    return call("nfc_normalize", *arguments)


def json_made(function: str) -> Maker:
    """JSON_OBJECT and JSON_ARRAY."""

    def make(arguments: list[exp.Expr], node: exp.Expr, context: Context) -> exp.Expr:
        return call(function, *arguments)

    return make


# With a rule of their own: (fewest arguments, most, what it becomes).
_RULES: dict[str, tuple[int, int, Maker]] = {
    **DATES,
    **FORMATS,
    "ARRAY_CONCAT": (1, _MANY, concat),
    "CONCAT": (1, _MANY, concat),
    "ERROR": (1, 1, error),
    "GREATEST": (1, _MANY, extreme("greatest")),
    "JSON_ARRAY": (0, _MANY, json_made("json_array")),
    "JSON_EXTRACT": (1, 2, json("bq_json_query")),
    "JSON_EXTRACT_ARRAY": (1, 2, json("bq_json_query_array")),
    "JSON_EXTRACT_SCALAR": (1, 2, json("bq_json_value")),
    "JSON_EXTRACT_STRING_ARRAY": (1, 2, json("bq_json_value_array")),
    "JSON_OBJECT": (0, _MANY, json_made("json_object")),
    "JSON_QUERY": (1, 2, json("bq_json_query")),
    "JSON_QUERY_ARRAY": (1, 2, json("bq_json_query_array")),
    "JSON_VALUE": (1, 2, json("bq_json_value")),
    "JSON_VALUE_ARRAY": (1, 2, json("bq_json_value_array")),
    "LEAST": (1, _MANY, extreme("least")),
    "NORMALIZE": (1, 1, normalize),
    "REGEXP_EXTRACT": (2, 4, regexp_extract),
    "REGEXP_EXTRACT_ALL": (2, 2, regexp_extract_all),
    "REGEXP_SUBSTR": (2, 4, regexp_extract),
}
KNOWN = frozenset({*_SAME, *_MACROS, *_RULES, *AGGREGATES})
_MODIFIERS = (exp.Distinct, exp.Order, exp.Limit, exp.IgnoreNulls, exp.RespectNulls, exp.HavingMax)
# Parts of the date in a function's arguments look like calls of one.
_PARTS = ("WEEK",)


def function(node: exp.Anonymous, context: Context) -> exp.Expr:
    """A call, by the table that has its name. Raises ViewError for a name that none has, and for too few or too many arguments."""
    name = str(node.this.this if isinstance(node.this, exp.Identifier) else node.this)
    if isinstance(node.parent, exp.Table):
        context.refuse(node, f"the table function {node.parent.sql('bigquery').split('(')[0]} is not supported")
    if isinstance(node.parent, exp.NetFunc) or (isinstance(node.parent, exp.Dot) and node.arg_key == "expression"):
        return node  # its name is longer: `net` and `operators.dot` refuse it
    name = name.upper()
    if name in _PARTS and isinstance(node.parent, exp.Anonymous | exp.Extract):
        return node
    if name in AGGREGATES:
        fewest, most, aggregate = AGGREGATES[name]
        told = inside(name, node)
        _arity(name, len(told.arguments), fewest, most, node, context)
        return aggregate(told, context)
    arguments = list(node.expressions)
    for argument in arguments:
        if isinstance(argument, _MODIFIERS):
            context.refuse(node, f"{name} takes neither DISTINCT nor ORDER BY: it is no aggregate")
    if name in _RULES:
        fewest, most, maker = _RULES[name]
        _arity(name, len(arguments), fewest, most, node, context)
        return maker(arguments, node, context)
    found = _SAME.get(name) or _MACROS.get(name)
    if found is None:
        _unknown(name, node, context)
    _arity(name, len(arguments), found[0], found[1], node, context)
    return call(found[2], *arguments)


def _arity(name: str, amount: int, fewest: int, most: int, node: exp.Expr, context: Context) -> None:
    if not fewest <= amount <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}" if most < _MANY else f"at least {fewest}"
        context.refuse(node, f"{name} takes {wanted} argument{'' if wanted == '1' else 's'}, not {amount}")


def _unknown(name: str, node: exp.Expr, context: Context) -> NoReturn:
    context.refuse(node, f"unknown function {name}{did_you_mean(name, KNOWN, 0.8)}")


def safe(node: exp.SafeFunc, context: Context) -> exp.Expr:
    """SAFE.f(...): NULL where f would raise an error."""
    if aggregated(node.this):
        context.refuse(node, "SAFE. over an aggregate or a subquery is not supported: make it a column of a subquery first")
    return call("TRY", node.this)


def net(node: exp.NetFunc, context: Context) -> exp.Expr:
    """NET.HOST(...) and its like."""
    context.refuse(node, f"unknown function NET.{str(node.this.this).upper()}")
