"""What stands in FROM, and what is selected: unnested arrays, pivots, tables by a pattern, columns without a name."""

from __future__ import annotations

from sqlglot import exp

from billsim.warehouse.bigquery.aggregates import CALLED
from billsim.warehouse.bigquery.context import Context, call, literal_text, literal_whole

_NAMED = (exp.Alias, exp.Column, exp.Star, exp.Dot)


def select(node: exp.Select, context: Context) -> exp.Expr:
    """Columns without a name are called f0_, f1_ and so on."""
    if node.args.get("kind") == "STRUCT" and any(part.is_star for part in node.expressions):
        context.refuse(node, "SELECT AS STRUCT * is not supported: name the fields")
    if node.args.get("kind") and node.parent is None:
        context.refuse(node, f"a view's own query cannot SELECT AS {node.args['kind']}")
    unnamed = 0
    for number, part in enumerate(node.expressions):
        if not isinstance(part, _NAMED):
            node.expressions[number].replace(exp.alias_(part.copy(), f"f{unnamed}_"))
            unnamed += 1
    _aliases_come_first(node)
    return node


def _aliases_come_first(node: exp.Select) -> None:
    """A name in GROUP BY, and in ORDER BY, means the selected column of that name before one of the table's; to DuckDB it is the other way."""
    selected = {part.alias.lower(): (number, part.this) for number, part in enumerate(node.expressions, 1) if isinstance(part, exp.Alias)}
    # Of a struct's fields none is a column that has a place, nor of what comes after a star.
    counted = node.args.get("kind") != "STRUCT" and not any(part.is_star for part in node.expressions)
    group, order = node.args.get("group"), node.args.get("order")
    for column in list(group.find_all(exp.Column)) if group is not None else []:
        number, value = selected.get(_bare_name(column), (0, column))
        if isinstance(column.parent, exp.Group) and number and _bare_name(value) != _bare_name(column):
            column.replace(exp.Literal.number(number) if counted else value.copy())
        elif isinstance(column.parent, exp.Rollup | exp.Cube | exp.GroupingSets) and number:
            column.replace(value.copy())
    for column in list(order.find_all(exp.Column)) if order is not None and not node.args.get("distinct") else []:
        number, value = selected.get(_bare_name(column), (0, column))
        if number and not isinstance(column.parent, exp.Ordered) and _bare_name(value) != _bare_name(column):
            column.replace(exp.Paren(this=value.copy()))


def _bare_name(node: exp.Expr) -> str:
    """The name of a column that is written without its table's; '' for anything else."""
    return node.name.lower() if isinstance(node, exp.Column) and not node.table else ""


def table(node: exp.Table, context: Context) -> exp.Expr:
    """A table by its name; patterns and catalogues are refused."""
    name = ".".join(part.name for part in node.parts)
    if "*" in name:
        context.refuse(node, f"the wildcard table {name} is not supported")
    if "INFORMATION_SCHEMA" in name.upper():
        context.refuse(node, f"{name} is not supported")
    return _pivoted(node, context)


def subquery(node: exp.Subquery, context: Context) -> exp.Expr:
    """A query in parentheses."""
    return _pivoted(node, context)


def unnest(node: exp.Unnest, context: Context) -> exp.Expr:
    """UNNEST(array) [AS x] [WITH OFFSET [AS n]]: offsets count from 0, as no ordinality of DuckDB's does."""
    offset = node.args.get("offset")
    if isinstance(node.parent, exp.In):
        return node
    if len(node.expressions) != 1:
        context.refuse(node, "UNNEST takes one array")
    inner = node.expressions[0]
    if isinstance(inner, exp.Array) and inner.expressions and isinstance(inner.expressions[0], exp.Struct):
        node.set("explode_array", True)  # whose fields are columns
    if not offset:
        return node
    array, alias = node.expressions[0], node.args.get("alias")
    name = alias.columns[0].name if alias is not None and alias.columns else "f0_"
    counted = exp.alias_(call("unnest", call("range", call("len", array.copy()))), offset.name, quoted=True)
    if node.args.get("explode_array"):
        value: exp.Expr = call("unnest", array.copy(), exp.Kwarg(this=exp.var("max_depth"), expression=exp.Literal.number(2)))
        label = name
    else:
        value, label = exp.alias_(call("unnest", array.copy()), name, quoted=True), f"_{name}"
    if isinstance(node.parent, exp.Join) and node.parent.side and not node.parent.args.get("on"):
        node.parent.set("on", exp.true())
    return exp.Select(expressions=[value, counted]).subquery(label)


def _pivoted(node: exp.Table | exp.Subquery, context: Context) -> exp.Expr:
    pivots = node.args.get("pivots")
    if not pivots:
        return node
    if len(pivots) > 1:
        context.refuse(node, "several PIVOTs of one table are not supported")
    pivot = pivots[0]
    made = _unpivot(node, pivot, context) if pivot.args.get("unpivot") else _pivot(node, pivot, context)
    alias = pivot.args.get("alias") or node.args.get("alias")
    label = alias.name if alias is not None else node.name if isinstance(node, exp.Table) else None
    return made.subquery(label or None)


def _pivot(node: exp.Table | exp.Subquery, pivot: exp.Pivot, context: Context) -> exp.Select:
    """PIVOT as BigQuery defines it: grouped by every column that it does not name, one aggregate for each value."""
    fields = pivot.args["fields"]
    if len(fields) != 1 or not isinstance(fields[0], exp.In) or not fields[0].expressions:
        context.refuse(node, "PIVOT takes one column and a list of values")
    column = fields[0].this
    used = [column.name]
    columns: list[exp.Expr] = []
    for value in fields[0].expressions:
        for aggregate in pivot.expressions:
            made, label = (aggregate.this, aggregate.alias) if isinstance(aggregate, exp.Alias) else (aggregate, "")
            if not (isinstance(made, exp.Anonymous) and made.this in CALLED):
                context.refuse(node, "PIVOT takes plain aggregates")
            if not label and len(pivot.expressions) > 1:
                context.refuse(node, "PIVOT with several aggregates needs a name for each")
            used += [part.name for part in made.find_all(exp.Column) if part.name not in used]
            named, only = _of_value(value, context)
            same = exp.Where(this=exp.NullSafeEQ(this=column.copy(), expression=only.copy()))
            columns.append(exp.alias_(exp.Filter(this=made.copy(), expression=same), f"{label}_{named}" if label else named, quoted=True))
    source = node.copy()
    source.set("pivots", None)
    rest = exp.Star(except_=[exp.to_identifier(name) for name in used])
    query = exp.Select(expressions=[rest, *columns]).from_(source)
    query.set("group", exp.Group(all=True))
    return query


def _of_value(value: exp.Expr, context: Context) -> tuple[str, exp.Expr]:
    """(the column's name, the value) of one of PIVOT's values."""
    if isinstance(value, exp.PivotAlias | exp.Alias):
        return value.args["alias"].name, value.this
    written, number = literal_text(value), literal_whole(value)
    if written is not None:
        return written, value
    if number is not None:
        return f"_{number}" if number >= 0 else f"_minus_{-number}", value
    if isinstance(value, exp.Boolean):
        return str(value.this).upper(), value
    context.refuse(value, "this value of PIVOT needs a name: value AS name")


def _unpivot(node: exp.Table | exp.Subquery, pivot: exp.Pivot, context: Context) -> exp.Select:
    """UNPIVOT, the value before the name of its column, as BigQuery has them."""
    fields = pivot.args["fields"]
    if len(pivot.expressions) != 1 or len(fields) != 1 or not isinstance(fields[0], exp.In) or not isinstance(pivot.expressions[0], exp.Identifier):
        context.refuse(node, "UNPIVOT of several columns at once is not supported")
    names = [pivot.expressions[0].name, fields[0].this.name]
    inner = node.copy()
    inner.args["pivots"][0].set("alias", None)
    return exp.Select(expressions=[exp.Star(except_=[exp.to_identifier(name) for name in names]), *(exp.column(name) for name in names)]).from_(inner)
