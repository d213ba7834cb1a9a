"""What is not translated, and the kinds of expression that mean the same to both: a kind that nobody has compared is refused by name."""

from __future__ import annotations

import re

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context

_STATEMENTS: dict[type[exp.Expr], str] = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.Create: "CREATE",
    exp.Drop: "DROP",
    exp.Alter: "ALTER",
    exp.TruncateTable: "TRUNCATE",
    exp.Declare: "DECLARE",
    exp.Set: "SET",
    exp.Export: "EXPORT DATA",
}
# Kinds that mean in DuckDB what they mean in BigQuery, or that only group others.
_KNOWN = frozenset(
    {
        *(exp.Add, exp.Alias, exp.All, exp.And, exp.Any, exp.Between, exp.BitwiseAnd, exp.BitwiseNot, exp.BitwiseOr, exp.BitwiseXor),
        *(exp.Boolean, exp.CTE, exp.Case, exp.Column, exp.ColumnDef, exp.Cube, exp.Distinct, exp.DPipe, exp.DataType, exp.DataTypeParam),
        *(exp.EQ, exp.Except, exp.Exists, exp.From, exp.GT, exp.GTE, exp.Group, exp.GroupingSets, exp.Having, exp.HavingMax, exp.Identifier),
        *(exp.If, exp.IgnoreNulls, exp.In, exp.Intersect, exp.Is, exp.Join, exp.LT, exp.LTE, exp.Limit, exp.NEQ, exp.Neg, exp.Not),
        *(exp.Null, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Offset, exp.Or, exp.Order, exp.Ordered, exp.Paren, exp.Pivot, exp.PivotAlias),
        *(exp.PropertyEQ, exp.Qualify, exp.RawString, exp.RespectNulls, exp.Rollup, exp.Star, exp.Sub, exp.TableAlias, exp.Tuple),
        *(exp.Union, exp.Var, exp.Where, exp.Window, exp.WindowSpec, exp.With),
    }
)
_NAMES: dict[type[exp.Expr], str] = {
    exp.Version: "FOR SYSTEM_TIME AS OF",
    exp.TableSample: "TABLESAMPLE",
    exp.Parameter: "a query parameter (@name or @@name)",
    exp.Placeholder: "a query parameter (?)",
    exp.Kwarg: "a named argument",
    exp.Mod: "the operator %",
    exp.ILike: "ILIKE",
}
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def only_a_query(tree: exp.Expr, context: Context) -> None:
    """Raises ViewError for statements that are no query: a view is one."""
    if isinstance(tree, exp.Query):
        return
    if isinstance(tree, exp.Condition):
        context.refuse(tree, "a view is one query, and this is an expression")
    kind = _STATEMENTS.get(type(tree)) or (str(tree.this).upper() if isinstance(tree, exp.Command) else type(tree).__name__.upper())
    context.refuse(tree, f"{kind} is not supported: a view is one query")


def only_what_is_known(node: exp.Expr, context: Context) -> None:
    """Raises ViewError for a kind of expression that no rule rewrites and that is not known to mean the same in DuckDB."""
    if type(node) not in _KNOWN:
        name = _NAMES.get(type(node)) or _WORDS.sub(" ", type(node).__name__).upper()
        context.refuse(node, f"{name} is not supported")
