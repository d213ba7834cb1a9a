"""The database that translated queries run in: its clock, its walls, and how its values come out."""

from __future__ import annotations

import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from billsim.warehouse import bigquery

DAY_MS = 86_400_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_clock_is_told_also_to_views_that_stand_already() -> None:
    with bigquery.connect() as connection:
        bigquery.set_clock(connection, DAY_MS)
        connection.execute("CREATE SCHEMA billsim.ds")
        connection.execute(f"CREATE VIEW billsim.ds.v AS {bigquery.translate('SELECT CURRENT_DATE() AS today, CURRENT_TIMESTAMP() AS now')}")
        assert bigquery.rows(connection, '"billsim"."ds"."v"') == [(date(1970, 1, 2), at("1970-01-02"))]
        bigquery.set_clock(connection, 2 * DAY_MS + 1)
        assert bigquery.rows(connection, '"billsim"."ds"."v"') == [(date(1970, 1, 3), at("1970-01-03 00:00:00.001"))]


def test_without_a_clock_there_is_no_today() -> None:
    with bigquery.connect() as connection, pytest.raises(duckdb.Error) as raised:
        bigquery.rows(connection, bigquery.translate("SELECT CURRENT_DATE()"))
    assert bigquery.why(raised.value) == "the clock is not set"


def test_names_of_three_parts() -> None:
    with bigquery.connect(projects=("billsim", "other-project")) as connection:
        for project, value in (("billsim", 1), ("other-project", 2)):
            connection.execute(f'CREATE SCHEMA "{project}".raw')
            connection.execute(f'CREATE TABLE "{project}".raw.t AS SELECT {value} AS x')
        query = "SELECT a.x, b.x AS y FROM `billsim.raw.t` AS a CROSS JOIN `other-project`.raw.t AS b"
        assert bigquery.rows(connection, bigquery.translate(query)) == [(1, 2)]


def test_a_database_in_a_file_outlives_its_connection(tmp_path: Path) -> None:
    with bigquery.connect(tmp_path / "mirror.duckdb") as connection:
        connection.execute("CREATE SCHEMA billsim.raw")
        connection.execute("CREATE TABLE billsim.raw.t AS SELECT 7 AS x")
    with bigquery.connect(tmp_path / "mirror.duckdb") as connection:
        assert bigquery.rows(connection, '"billsim"."raw"."t"') == [(7,)]


@pytest.mark.parametrize("project", ["memory", "system", "TEMP"])
def test_a_project_cannot_have_a_name_that_is_taken(project: str) -> None:
    with pytest.raises(bigquery.ViewError, match=f"a project cannot be called '{project}' here"):
        bigquery.connect(projects=(project,))


def test_there_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    with bigquery.connect() as connection:
        for statement in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"SELECT * FROM '{tmp_path}/secret.csv'",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "SET threads = 2",
            "SET lock_configuration = false",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]


def test_a_variable_of_python_is_no_table() -> None:
    here = [1, 2]
    with bigquery.connect() as connection, pytest.raises(duckdb.CatalogException, match="here does not exist"):
        connection.execute("SELECT * FROM here")
    assert here == [1, 2]


def test_one_thread_and_utc() -> None:
    with bigquery.connect() as connection:
        assert connection.execute("SELECT current_setting('threads'), current_setting('TimeZone')").fetchall() == [(1, "UTC")]


def test_rows_come_in_one_order_and_as_plain_values() -> None:
    """Instants without a zone, also within structs and arrays; sums as integers; names with quotes in them."""
    told = '''
        SELECT * FROM (VALUES
            (2, TIMESTAMPTZ '2026-01-01 01:00:00+01', {'t': [TIMESTAMPTZ '2026-01-01 00:00:00Z']}, 5::HUGEINT, 1.5::DECIMAL(38, 9)),
            (1, NULL, NULL, NULL, NULL)) AS v(a, b, "c ""d""", e, f)'''
    with bigquery.connect() as connection:
        midnight = at("2026-01-01")
        assert bigquery.rows(connection, told) == [(1, None, None, None, None), (2, midnight, {"t": [midnight]}, 5, Decimal("1.5"))]
        schema, table = (".".join(bigquery.quoted(name) for name in parts) for parts in (("billsim", 'a "b"'), ("billsim", 'a "b"', "t")))
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {table} AS SELECT 1 AS x")
        assert bigquery.rows(connection, table) == [(1,)]


@pytest.mark.parametrize("kind", bigquery.DUCKDB_TYPES)
def test_a_column_has_the_type_that_a_cast_to_it_gives(kind: str) -> None:
    """What a raw table stores is what a view's own expressions are made of."""
    with bigquery.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE t (x {bigquery.DUCKDB_TYPES[kind]})")
        query = bigquery.translate(f"SELECT x, {'PARSE_JSON(NULL)' if kind == 'JSON' else f'CAST(NULL AS {kind})'} AS y FROM t")
        stored, cast = (str(row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall())
        assert stored == cast


def test_why_is_one_line() -> None:
    with bigquery.connect() as connection:
        with pytest.raises(duckdb.Error) as raised:
            connection.execute("SELECT no_such_column FROM (SELECT 1 AS x)")
        assert bigquery.why(raised.value) == 'Binder Error: Referenced column "no_such_column" not found in FROM clause!'


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("billsim.warehouse.bigquery.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(ImportError) as raised:
        bigquery.translate("SELECT 1")
    assert str(raised.value) == "views need sqlglot: pip install 'billsim[views]'"


@pytest.mark.parametrize("query", ["SELECT " + "(" * 5000 + "1" + ")" * 5000, "SELECT " + "+".join(["1"] * 5000)], ids=["parentheses", "sum"])
def test_what_is_nested_too_deep_is_said_in_a_line(query: str) -> None:
    with pytest.raises(bigquery.ViewError, match="^is nested too deep$"):
        bigquery.translate(query)


def test_a_long_condition_is_not_too_deep() -> None:
    condition = " OR ".join(f"x = {number}" for number in range(2000))
    with bigquery.connect() as connection:
        assert bigquery.rows(connection, bigquery.translate(f"SELECT x FROM UNNEST([5, 5000]) AS x WHERE {condition}")) == [(5,)]
