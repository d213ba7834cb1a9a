"""Operators that DuckDB writes alike and means otherwise: division, shifts, LIKE, and what stands in brackets or after a dot."""

from __future__ import annotations

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context, call, literal_text, literal_whole, plain, text, whole


def divide(node: exp.Div, context: Context) -> exp.Expr:
    """Division by zero is an error, and NUMERIC is divided exactly."""
    exact = is_numeric(node.this) or is_numeric(node.expression)
    return call("bq_divide_numeric" if exact else "bq_divide", node.this, node.expression)


def multiply(node: exp.Mul, context: Context) -> exp.Expr:
    """A product of NUMERIC has nine digits after the point, as NUMERIC has, and not twice as many."""
    if is_numeric(node.this) or is_numeric(node.expression):
        return exp.Cast(this=node.copy(), to=exp.DataType.build("DECIMAL(38, 9)"))
    return node


def is_numeric(node: exp.Expr) -> bool:
    """Whether the expression says itself that it is NUMERIC; what a column is, the macro sees."""
    inner = plain(node)
    if isinstance(inner, exp.Cast):
        return bool(inner.to.is_type(exp.DType.DECIMAL))
    if isinstance(inner, exp.Anonymous):
        return inner.this == "bq_divide_numeric" or (inner.this in ("sum", "min", "max", "bq_round") and is_numeric(inner.expressions[0]))
    if isinstance(inner, exp.Neg):
        return is_numeric(inner.this)
    return isinstance(inner, exp.Add | exp.Sub) and (is_numeric(inner.this) or is_numeric(inner.expression))


def shift_left(node: exp.BitwiseLeftShift, context: Context) -> exp.Expr:
    """x << n."""
    value, places = literal_whole(node.this), literal_whole(node.expression)
    if value is not None and places is not None and 0 <= value << max(places, 0) < 2**63 and places >= 0:
        return whole(value << places)  # 1 << 15, as flags are written, costs nothing
    return call("bq_shift_left", node.this, node.expression)


def shift_right(node: exp.BitwiseRightShift, context: Context) -> exp.Expr:
    """x >> n."""
    return call("bq_shift_right", node.this, node.expression)


def like(node: exp.Like, context: Context) -> exp.Expr:
    """A backslash escapes in every pattern; without one, DuckDB's plain LIKE is the faster."""
    pattern = node.expression
    if isinstance(pattern, exp.Any | exp.All):
        if any("\\" in (literal_text(part) or "\\") for part in _patterns(pattern)):
            context.refuse(node, "LIKE ANY and LIKE ALL take literal patterns without backslashes")
        return node
    known = literal_text(pattern)
    if known is not None and "\\" not in known:
        return node
    return exp.Escape(this=node.copy(), expression=text("\\"))


def _patterns(node: exp.Expr) -> list[exp.Expr]:
    inner = plain(node.this)
    return list(inner.expressions) if isinstance(inner, exp.Tuple | exp.Array) else [inner]


def bracket(node: exp.Bracket, context: Context) -> exp.Expr:
    """items[OFFSET(0)], items[ORDINAL(1)], their SAFE_ kin, items[0], and document['key']; a key that is no literal, of what says that it is JSON."""
    if len(node.expressions) != 1:
        context.refuse(node, "brackets take one index")
    place = node.expressions[0]
    key = literal_text(place)
    if key is not None:
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return call("json_extract", node.this, text(f'$."{escaped}"'))
    if _is_json(node.this):
        return call("bq_json_at", node.this, place)
    if node.args.get("offset") == 1:
        place = exp.Paren(this=exp.Sub(this=place, expression=whole(1)))
    return call("bq_safe_offset" if node.args.get("safe") else "bq_offset", node.this, place)


def _is_json(node: exp.Expr) -> bool:
    """Whether the expression says itself that it is JSON, once it is rewritten."""
    inner = plain(node)
    return isinstance(inner, exp.Anonymous) and inner.this in ("bq_parse_json", "bq_json_at", "json_extract", "to_json")


def dot(node: exp.Dot, context: Context) -> exp.Expr:
    """A field of what is not a column: f(x).field; a function after a dot is nobody's that is known."""
    if isinstance(node.expression, exp.Anonymous | exp.Func):
        context.refuse(node, f"unknown function {node.sql('bigquery').split('(')[0]}")
    if isinstance(node.this, exp.Anonymous | exp.Filter | exp.Window):
        return exp.Dot(this=exp.Paren(this=node.this.copy()), expression=node.expression.copy())
    return node
