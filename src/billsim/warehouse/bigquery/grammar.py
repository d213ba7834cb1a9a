"""BigQuery's grammar, read by sqlglot, which leaves functions as they are written: what one means is said by us (functions.py)."""

from __future__ import annotations

import re
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.bigquery import BigQueryParser

from billsim.warehouse.errors import ViewError

_DIALECT = BigQuery()
# What has a grammar of its own between its parentheses.
_SPECIAL = ("ARRAY", "CAST", "EXTRACT", "SAFE_CAST")
_WHERE = re.compile(r"(.*) from (\d+):\d+")


class _Parser(BigQueryParser):
    FUNCTIONS: ClassVar = {"STRUCT": BigQueryParser.FUNCTIONS["STRUCT"]}
    FUNCTION_PARSERS: ClassVar = {name: BigQueryParser.FUNCTION_PARSERS[name] for name in _SPECIAL}

    def _warn_unsupported(self) -> None:
        """What is not understood is refused by name, not told to a log."""


def parse(sql: str, *, file: str, definition: str) -> exp.Expr:
    """The one statement of `sql`. Raises ViewError for what does not parse, and for none or several statements."""
    try:
        statements = [tree for tree in _Parser(dialect=_DIALECT).parse(_DIALECT.tokenize(sql), sql) if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = f" near '{first['highlight']}'" if first.get("highlight") else ""
        what = str(first.get("description", error)).split(" but got <")[0]
        raise ViewError(f"does not parse{near}: {what}", file, definition, first.get("line") or 0) from None
    except TokenError as error:
        said = _WHERE.match(str(error.__cause__ or error).split("\n")[0])
        what, line = (said[1], int(said[2])) if said else ("something is not understood", 0)
        raise ViewError(f"does not parse: {what}", file, definition, line) from None
    scripted = [tree for tree in statements if not isinstance(tree, exp.Query)]
    if len(statements) == 1 or scripted:
        return scripted[0] if scripted else statements[0]
    raise ViewError(f"a view is one query, and this is {len(statements) or 'none'}", file, definition)
