"""The nightly mirror: the raw tables in DuckDB, loaded once and rolled forward by what has changed.

One state at a time: which night it is, is the clock's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from billsim.core.policy import DunningPolicy
from billsim.warehouse.bigquery import DUCKDB_TYPES, quoted
from billsim.warehouse.extract import Delta, Values
from billsim.warehouse.tables import OPS, POLICY, POLICY_CONTRACT_TYPES, POLICY_GRACE, RAW, TABLES, TOLD, YESTERDAY_DRIFT, Table

_ALL = (*TABLES, *TOLD)
_DEFAULT = "default"


class Mirror:
    """The raw tables in `project`, a catalogue of the connection, made anew and empty, of a platform that follows the usual policy.

    Rows come in with instants as microseconds since the epoch, through a staging table for each: DuckDB's appender takes whole numbers twice as fast
    as Python's datetimes.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, project: str = "billsim") -> None:
        self._connection = connection
        self._project = project
        for dataset in (RAW, OPS):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(project)}.{quoted(dataset)}")
        connection.execute("CREATE TEMP TABLE mirror_owners (owner VARCHAR)")
        for table in _ALL:
            columns = ", ".join(f"{quoted(column.name)} {DUCKDB_TYPES[column.type]}" for column in table.columns)
            staged = ", ".join(f"{quoted(column.name)} {DUCKDB_TYPES[_staged(column.type)]}" for column in table.columns)
            connection.execute(f"CREATE OR REPLACE TABLE {self.name_of(table)} ({columns})")
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {_staging(table)} ({staged})")

        self.follow(DunningPolicy())

    def name_of(self, table: Table) -> str:
        """The table's three-part name, as DuckDB's SQL writes it."""
        return ".".join(map(quoted, (self._project, table.dataset, table.name)))

    def load(self, rows: Mapping[str, Sequence[Values]]) -> None:
        """Everything anew: a table that is not among `rows` is empty then. Instants are microseconds since the epoch. Raises KeyError for a table
        that is none of ours.
        """
        known = {table.name: table for table in TABLES}
        given = {known[name].name: each for name, each in rows.items()}
        self.roll_forward([Delta(table, None, given.get(table.name, ())) for table in TABLES])

    def roll_forward(self, deltas: Sequence[Delta]) -> None:
        """Put the rows of whoever has changed in the place of those that they had, all at once."""
        self._connection.execute("BEGIN")
        try:
            for delta in deltas:
                self._exchange(delta)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def remember(self, detected: Sequence[tuple[str, str, str, str]]) -> None:
        """What tonight detected, as (account, code, entity, detail), is what tomorrow calls yesterday's."""
        self.roll_forward([Delta(YESTERDAY_DRIFT, None, detected)])

    def follow(self, policy: DunningPolicy) -> None:
        """The platform follows this policy: what is to be held against it is told in `ops`."""
        figures = (
            policy.bad_debt_flag.bit_length() - 1,
            policy.no_success_flag.bit_length() - 1,
            policy.bad_debt_key,
            policy.bad_debt_since_key,
            policy.bad_debt_amount_key,
            policy.no_success_key,
            policy.account_type_key,
            policy.max_attempts,
            policy.grace_of(_DEFAULT),
            policy.ban_after_ms,
        )
        graces = [(instrument, grace_ms) for instrument, grace_ms in policy.grace_ms.items() if instrument != _DEFAULT]
        types = [(each,) for each in policy.contract_types]
        self.roll_forward([Delta(POLICY, None, [figures]), Delta(POLICY_GRACE, None, graces), Delta(POLICY_CONTRACT_TYPES, None, types)])

    def _exchange(self, delta: Delta) -> None:
        table, owners, rows = delta
        name = self.name_of(table)
        if owners is None:
            self._connection.execute(f"DELETE FROM {name}")
        elif owners:
            self._append("mirror_owners", [(owner,) for owner in owners])
            self._connection.execute(f"DELETE FROM {name} WHERE {quoted(table.owner_column)} IN (SELECT owner FROM mirror_owners)")
            self._connection.execute("DELETE FROM mirror_owners")
        if rows:
            self._append(_staging(table), rows)
            self._connection.execute(f"INSERT INTO {name} SELECT {_unstaged(table)} FROM {_staging(table)}")
            self._connection.execute(f"DELETE FROM {_staging(table)}")

    def _append(self, name: str, rows: Sequence[Values]) -> None:
        with self._connection.appender(name) as appender:
            appender.append_rows(rows)


def _staging(table: Table) -> str:
    return quoted(f"mirror_{table.name}")


def _staged(type: str) -> str:
    """What a column is while it is staged."""
    return "INT64" if type == "TIMESTAMP" else type


def _unstaged(table: Table) -> str:
    """The staged columns as the table has them."""
    return ", ".join(
        f"CAST(make_timestamp({quoted(column.name)}) AS TIMESTAMPTZ)" if column.type == "TIMESTAMP" else quoted(column.name)
        for column in table.columns
    )
