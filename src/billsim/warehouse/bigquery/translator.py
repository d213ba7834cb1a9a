"""The main path: parse as BigQuery, refuse what is no query, rewrite from the leaves up, write as DuckDB."""

from __future__ import annotations

from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, UnsupportedError

from billsim.warehouse.bigquery.context import Context
from billsim.warehouse.bigquery.grammar import parse
from billsim.warehouse.bigquery.refusals import only_a_query, only_what_is_known
from billsim.warehouse.bigquery.rules import RULES
from billsim.warehouse.errors import ViewError

_DUCKDB = DuckDB()


@lru_cache(maxsize=1024)
def translate(sql: str, *, file: str, definition: str) -> str:
    """The DuckDB query that answers as `sql` does in BigQuery. Raises ViewError."""
    context = Context(file, definition)
    try:
        tree = parse(sql, file=file, definition=definition)
        only_a_query(tree, context)
        tree = rewrite(tree, context)
        return _DUCKDB.generate(tree, copy=False, identify=True, normalize_functions=False, unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        raise ViewError(f"cannot be said to DuckDB: {str(error).splitlines()[0]}", file, definition) from None
    except RecursionError:
        raise ViewError("is nested too deep", file, definition) from None


def rewrite(tree: exp.Expr, context: Context) -> exp.Expr:
    """Every node after its children, each by the rule of its kind; a kind without a rule that is not known to mean the same in DuckDB is refused."""
    for node in reversed(list(tree.walk())):
        rule = RULES.get(type(node))
        if rule is None:
            only_what_is_known(node, context)
            continue
        new = rule(node, context)
        if new is node:
            continue
        if node is tree:
            tree = new
        else:
            node.replace(new)
    return tree
