"""BigQuery's SQL, run by DuckDB: translated where the two differ, refused by name where nobody has said how they compare."""

from billsim.warehouse.bigquery.session import DUCKDB_TYPES, connect, quoted, rows, set_clock, why
from billsim.warehouse.errors import ViewError

__all__ = ["DUCKDB_TYPES", "ViewError", "connect", "quoted", "rows", "set_clock", "translate", "why"]


def translate(sql: str, *, file: str = "", definition: str = "") -> str:
    """A BigQuery query as the DuckDB query that answers alike, for a connection of `connect`.

    `file` and `definition` are named by errors. Raises ViewError for what does not parse, is no query, or has no translation; ImportError where the
    extra `views` is not installed.
    """
    try:
        from billsim.warehouse.bigquery.translator import translate as translated
    except ModuleNotFoundError as missing:
        raise ImportError(f"views need {missing.name}: pip install 'billsim[views]'") from missing
    return translated(sql, file=file, definition=definition)
