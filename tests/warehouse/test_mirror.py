"""The raw tables in DuckDB: their types, loading, rolling forward, and what is left when that fails."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from billsim.warehouse import bigquery
from billsim.warehouse.extract import Delta, Extract
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.tables import SUBS_ACCOUNT, TABLES, TOLD, WWW_ZONES, YESTERDAY_DRIFT, Table
from tests.warehouse.hand import platform


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return bigquery.connect()


@pytest.fixture
def mirror(connection: duckdb.DuckDBPyConnection) -> Mirror:
    return Mirror(connection)


def rows(connection: duckdb.DuckDBPyConnection, mirror: Mirror, table: Table) -> list[tuple[object, ...]]:
    return bigquery.rows(connection, mirror.name_of(table))


@pytest.mark.parametrize("table", [*TABLES, *TOLD], ids=lambda table: table.name)
def test_columns_are_called_and_typed_as_the_table_says(connection: duckdb.DuckDBPyConnection, mirror: Mirror, table: Table) -> None:
    described = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {mirror.name_of(table)}").fetchall()]
    types = {"STRING": "VARCHAR", "INT64": "BIGINT", "BOOL": "BOOLEAN", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE"}
    assert described == [(column.name, types[column.type]) for column in table.columns]
    assert len({*table.column_names}) == len(table.columns) and all(column.meaning for column in table.columns) and table.meaning


def test_a_world_is_loaded_with_its_instants(connection: duckdb.DuckDBPyConnection, mirror: Mirror) -> None:
    mirror.roll_forward(Extract(*platform()).take())
    told = bigquery.translate("SELECT status, since, next_boundary FROM `billsim.raw.subs_dunning`")
    assert bigquery.rows(connection, told) == [("bad_debt", *map(datetime.fromisoformat, ("1970-01-01 00:06:40", "1970-01-01 00:08:20")))]
    assert all(len(rows(connection, mirror, table)) == (2 if table.name == "ope_items" else 1) for table in TABLES)


def test_rolled_forward_it_is_what_loading_anew_makes(connection: duckdb.DuckDBPyConnection, mirror: Mirror) -> None:
    stores, books, prices = held = platform("ada", "bob", "cem")
    extract = Extract(*held)
    mirror.roll_forward(extract.take())
    stores.write("engine", "subs_account", "bob", None, {"flags": 7}, 1)
    stores.write("www_sync", "www", "bob", "second.example", {"plan": "pro"}, 1)
    stores.forget("cem")
    books["cus_ada"].invoices = {}
    mirror.roll_forward(extract.take())
    rolled = [rows(connection, mirror, table) for table in TABLES]
    anew = bigquery.connect()
    other = Mirror(anew)
    other.roll_forward(Extract(*held).take())
    assert rolled == [rows(anew, other, table) for table in TABLES]
    assert [row[0] for row in rows(connection, mirror, SUBS_ACCOUNT)] == ["ada", "bob"]


def test_loading_empties_what_is_not_named(connection: duckdb.DuckDBPyConnection, mirror: Mirror) -> None:
    mirror.roll_forward(Extract(*platform()).take())
    mirror.load({"www_zones": [("bob", "bob.example", "free")]})
    assert rows(connection, mirror, WWW_ZONES) == [("bob", "bob.example", "free")]
    assert all(not rows(connection, mirror, table) for table in TABLES if table is not WWW_ZONES)
    with pytest.raises(KeyError, match="no_such"):
        mirror.load({"no_such": []})


def test_a_row_that_does_not_fit_leaves_everything_as_it_was(connection: duckdb.DuckDBPyConnection, mirror: Mirror) -> None:
    mirror.load({"www_zones": [("ada", "ada.example", "free")]})
    with pytest.raises((duckdb.Error, ValueError, TypeError)):
        mirror.roll_forward([Delta(WWW_ZONES, ["ada"], [("ada", "other.example", "pro")]), Delta(SUBS_ACCOUNT, None, [("ada", "Ada")])])
    assert rows(connection, mirror, WWW_ZONES) == [("ada", "ada.example", "free")]
    mirror.roll_forward([Delta(WWW_ZONES, ["ada"], [("ada", "other.example", "pro")])])
    assert rows(connection, mirror, WWW_ZONES) == [("ada", "other.example", "pro")]


def test_yesterdays_drift_is_exchanged(connection: duckdb.DuckDBPyConnection, mirror: Mirror) -> None:
    mirror.remember([("ada", "www_drift", "ada.example", "free, should be pro")])
    mirror.remember([("bob", "stripe_drift", "sub_bob", "ghost")])
    assert rows(connection, mirror, YESTERDAY_DRIFT) == [("bob", "stripe_drift", "sub_bob", "ghost")]
