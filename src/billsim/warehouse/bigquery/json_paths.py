"""JSONPath as BigQuery writes it, in DuckDB's way, which knows no ['key']."""

from __future__ import annotations

import re

from sqlglot import exp

from billsim.warehouse.bigquery.context import Context, literal_text, text

# .key, ."any key", ['any key'], ["any key"], [0]
_STEP = re.compile(r"""\.([A-Za-z_][\w-]*) | \."([^"]*)" | \['([^']*)'\] | \["([^"]*)"\] | \[\s*(\d+)\s*\]""", re.VERBOSE)


def json_path(node: exp.Expr, context: Context) -> exp.Expr:
    """A literal path, translated. Raises ViewError for one that is not literal, or not in BigQuery's grammar (wildcards and lax mode are not)."""
    written = literal_text(node)
    if written is None:
        context.refuse(node, "a JSON path must be a literal")
    if not written.startswith("$"):
        context.refuse(node, f"the JSON path '{written}' does not begin with $")
    steps, position = ["$"], 1
    while position < len(written):
        step = _STEP.match(written, position)
        if step is None:
            context.refuse(node, f"the JSON path '{written}' is not understood from '{written[position:]}' on")
        key = next((name for name in step.groups()[:4] if name is not None), None)
        steps.append(f"[{step[5]}]" if key is None else f'."{key}"')
        position = step.end()
    return text("".join(steps))
