"""Literals, casts and structs: BigQuery's integers have 64 bits, its decimal literals are FLOAT64, and its casts are strict."""

from __future__ import annotations

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context, call, text, whole

_LARGEST = 2**63 - 1
_LARGEST_OF_32_BITS = 2**31 - 1
_INTEGERS = (exp.DType.BIGINT, exp.DType.INT, exp.DType.SMALLINT, exp.DType.TINYINT)
_SAME = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIME, exp.DType.JSON, exp.DType.DECIMAL)
_UNNAMED = "_field_"
# What a cast becomes, and a safe one.
_CASTS = {
    exp.DType.BIGINT: ("bq_int64", "bq_safe_int64"),
    exp.DType.DOUBLE: ("bq_float64", "bq_safe_float64"),
    exp.DType.TEXT: ("bq_string", "bq_string"),
    exp.DType.BOOLEAN: ("bq_bool", "bq_safe_bool"),
    exp.DType.BINARY: ("bq_bytes", "bq_bytes"),
}
# Where a number's width makes no difference; and where it is not a value but says which, or how many.
_COMPARES = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)
_COUNTS = (exp.Limit, exp.Offset, exp.Group, exp.Ordered, exp.Rollup, exp.Cube, exp.DataTypeParam, exp.Pivot)


def literal(node: exp.Literal, context: Context) -> exp.Expr:
    """A number gets its type; a string stays."""
    if node.is_string or isinstance(node.parent, _COUNTS):
        return node
    digits = str(node.this)
    if not digits.isdigit():
        return exp.Cast(this=node.copy(), to=exp.DataType.build("DOUBLE"))
    value = int(digits)
    if value > _LARGEST:
        return _smallest(node, value, context)
    bare = isinstance(node.parent, _COMPARES) or (value <= _LARGEST_OF_32_BITS and _may_count_days(node))
    return node if bare else whole(value)


def _smallest(node: exp.Literal, value: int, context: Context) -> exp.Expr:
    """-9223372036854775808 is an INT64 though its digits alone are none."""
    if value == _LARGEST + 1 and isinstance(node.parent, exp.Neg):
        return exp.Cast(this=node.copy(), to=exp.DataType.build("HUGEINT", dialect="duckdb"))
    context.refuse(node, f"{value} does not fit an INT64")


def _may_count_days(node: exp.Literal) -> bool:
    """Whether the number is added to or taken from what may be a DATE, to which DuckDB adds only integers of 32 bits."""
    parent = node.parent
    if not isinstance(parent, exp.Add | exp.Sub):
        return False
    other = parent.this if node is parent.expression else parent.expression
    return _may_be_a_date(other)


def _may_be_a_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren):
        return _may_be_a_date(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return _may_be_a_date(node.this) or _may_be_a_date(node.expression)
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(exp.DType.DATE))
    return isinstance(node, exp.Column | exp.Anonymous | exp.Dot | exp.CurrentDate | exp.Subquery)


def hexadecimal(node: exp.HexString, context: Context) -> exp.Expr:
    """0xff."""
    return whole(int(str(node.this), 16))


def octets(node: exp.ByteString, context: Context) -> exp.Expr:
    """b'abc'; escapes for single bytes are not read."""
    value = str(node.this)
    if not value.isascii() or "\\" in value:
        context.refuse(node, "a BYTES literal beyond plain ASCII is not supported: FROM_HEX('...')")
    return call("encode", text(value))


def document(node: exp.ParseJSON, context: Context) -> exp.Expr:
    """JSON '...'."""
    return call("bq_parse_json", node.this)


def struct(node: exp.Struct, context: Context) -> exp.Expr:
    """Fields that are not named get names, before rewrites make them look like something else."""
    if isinstance(node.parent, exp.Cast):
        return node
    fields = []
    for number, field in enumerate(node.expressions):
        if isinstance(field, exp.PropertyEQ):
            fields.append(field)
        else:
            name = field.name if isinstance(field, exp.Column | exp.Dot) else f"{_UNNAMED}{number + 1}"
            fields.append(exp.PropertyEQ(this=exp.to_identifier(name), expression=field))
    return exp.Struct(expressions=fields)


def array(node: exp.Array, context: Context) -> exp.Expr:
    """[STRUCT(1 AS a, 'x' AS b), (2, 'y')]: the first of several structs names the fields of all."""
    if len(node.expressions) < 2 or not isinstance(node.expressions[0], exp.Struct):
        return node
    names = [field.this for field in node.expressions[0].expressions]
    for item in node.expressions[1:]:
        inner = item.unnest()
        fields = inner.expressions if isinstance(inner, exp.Tuple | exp.Struct) else []
        if len(fields) == len(names):
            values = [field.expression if isinstance(field, exp.PropertyEQ) else field for field in fields]
            named = [exp.PropertyEQ(this=name.copy(), expression=value.copy()) for name, value in zip(names, values, strict=True)]
            item.replace(exp.Struct(expressions=named))
    return node


def cast(node: exp.Cast, context: Context) -> exp.Expr:
    """CAST and SAFE_CAST; also DATE '...' and its like, which are read as casts."""
    if node.args.get("format"):
        context.refuse(node, "CAST with FORMAT is not supported: FORMAT_DATE, FORMAT_TIMESTAMP or FORMAT say the same")
    safe = isinstance(node, exp.TryCast)
    to = typed(node.to, context)
    names = _CASTS.get(to.this)
    if names is not None:
        return call(names[safe], node.this)
    return (exp.TryCast if safe else exp.Cast)(this=node.this, to=to)


def typed(to: exp.DataType, context: Context) -> exp.DataType:
    """A BigQuery type as DuckDB's."""
    if to.this in _INTEGERS:
        return exp.DataType.build("BIGINT")
    if to.this == exp.DType.DECIMAL and not to.expressions:
        return exp.DataType.build("DECIMAL(38, 9)")
    if to.this in (exp.DType.STRUCT, exp.DType.ARRAY):
        for part in to.expressions:
            kind = part.args.get("kind") if isinstance(part, exp.ColumnDef) else part
            if isinstance(kind, exp.DataType):
                kind.replace(typed(kind, context))
        return to
    if to.this in (exp.DType.TEXT, exp.DType.VARCHAR) and not to.expressions:
        return exp.DataType.build("TEXT")
    if to.this == exp.DType.BINARY:
        return exp.DataType(this=exp.DType.BINARY)
    if to.this in _CASTS or to.this in _SAME:
        return to
    context.refuse(to, f"the type {to.sql('bigquery')} is not supported")
