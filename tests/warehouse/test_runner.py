"""Running a project: what is refused, by file and definition; assertions and unit tests that do not hold; a project of another name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from billsim.warehouse.bigquery import connect, rows
from billsim.warehouse.dataform import Definition, Graph, Target, UnitTest, in_order
from billsim.warehouse.errors import ViewError
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.runner import Views, projects_of, run_unit_tests, run_views
from tests.warehouse.platform_rows import NOW_MS, Account, mirrored

SUBS_ACCOUNT = Target("billsim", "raw", "subs_account")


def view(name: str, query: str, *reads: Target, kind: str = "view") -> Definition:
    schema, _, last = name.partition(".")
    return Definition(kind, Target("billsim", schema, last), f"definitions/{last}.sqlx", query, tuple(reads))  # type: ignore[arg-type]


def declared(target: Target) -> Definition:
    return Definition("declaration", target, "definitions/sources.js")


def graph(*definitions: Definition, tests: Sequence[UnitTest] = ()) -> Graph:
    return Graph("3.0.62", "", "billsim", "drift", in_order(definitions), tuple(tests))


def views(made: Graph) -> Views:
    connection = connect(projects=projects_of(made))
    Mirror(connection).load(mirrored([Account("bob"), Account("ada")]))
    return Views(connection, made)


def test_views_read_each_other_and_come_in_one_order() -> None:
    first = view("a.first", "SELECT account FROM `billsim.raw.subs_account`", SUBS_ACCOUNT)
    second = view("b.second", "SELECT account, CURRENT_DATE() AS day FROM billsim.a.first", first.target)
    made = views(graph(second, first, declared(SUBS_ACCOUNT)))
    assert list(made.run(NOW_MS).items()) == [("a.first", 2), ("b.second", 2)]
    assert made.columns("second") == ("account", "day")
    assert [(account, str(day)) for account, day in made.rows("b.second")] == [("ada", "2026-03-14"), ("bob", "2026-03-14")]


def test_every_night_is_worked_out_anew() -> None:
    made = graph(view("a.hour", "SELECT EXTRACT(HOUR FROM CURRENT_TIMESTAMP()) AS hour"))
    connection = connect()
    assert [run_views(connection, made, NOW_MS + hours * 3_600_000) for hours in (0, 2)] == [{"a.hour": [(1,)]}, {"a.hour": [(3,)]}]


def test_a_project_of_another_name_reads_the_mirror_under_its_own() -> None:
    source = Target("acme-prod", "stripe_export", "subs_account")
    here = Target("acme-prod", "views", "accounts")
    made = graph(Definition("view", here, "a.sqlx", "SELECT account FROM `acme-prod.stripe_export.subs_account`", (source,)), declared(source))
    ran = views(made)
    assert projects_of(made) == ("billsim", "acme-prod")
    assert ran.run(NOW_MS) == {"views.accounts": 2}
    assert ran.rows("acme-prod.views.accounts") == [("ada",), ("bob",)]


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (
            view("a.b", "SELECT 1 FROM `billsim.raw.stripe_charge`", Target("billsim", "raw", "stripe_charge")),
            "definitions/b.sqlx: a.b: reads raw.stripe_charge, a table that the mirror does not have (did you mean 'stripe_charges'?)",
        ),
        (view("a.b", "SELECT SOUNDEX('x')"), "definitions/b.sqlx: a.b (line 1 of its query): unknown function SOUNDEX"),
        (view("raw.subs_account", "SELECT 1 AS x"), "definitions/subs_account.sqlx: raw.subs_account: bears the name of a table of the mirror"),
    ],
)
def test_what_cannot_be_run_is_refused_by_file_and_definition(definition: Definition, said: str) -> None:
    with pytest.raises(ViewError) as refused:
        views(graph(definition, *map(declared, definition.dependencies)))
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_names_that_differ_by_case_alone_are_refused() -> None:
    with pytest.raises(ViewError, match=r"definitions/one.sqlx: a.one: bears the name of a.One"):
        views(graph(view("a.One", "SELECT 1 AS x"), view("a.one", "SELECT 2 AS x")))


def test_a_declared_table_that_nobody_reads_need_not_be_there() -> None:
    assert views(graph(view("a.b", "SELECT 1 AS x"), declared(Target("billsim", "raw", "unheard_of")))).run(NOW_MS) == {"a.b": 1}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT acount FROM billsim.raw.subs_account", "acount"),
        ("SELECT 1 / flags FROM (SELECT 0 AS flags)", "division by zero"),
        ("SELECT x FROM billsim.a.nowhere", "nowhere"),
    ],
)
def test_what_goes_wrong_when_it_runs_names_file_and_definition(query: str, said: str) -> None:
    with pytest.raises(ViewError) as failed:
        views(graph(view("a.b", query))).run(NOW_MS)
    told = str(failed.value)
    assert told.startswith("definitions/b.sqlx: a.b: ") and said in told and "\n" not in told


def test_a_view_that_is_not_there() -> None:
    made = views(graph(view("a.accounts", "SELECT 1 AS x")))
    made.run(NOW_MS)
    with pytest.raises(ViewError, match=r"there is no view 'acounts' \(did you mean 'accounts'\?\)"):
        made.rows("acounts")


def test_an_assertion_that_does_not_hold_shows_what_breaks_it() -> None:
    none = view("checks.none", "SELECT account FROM `billsim.raw.subs_account` WHERE flags = 77", SUBS_ACCOUNT, kind="assertion")
    both = view("checks.both", "SELECT account FROM `billsim.raw.subs_account` WHERE flags = 1", SUBS_ACCOUNT, kind="assertion")
    made = views(graph(none, both, declared(SUBS_ACCOUNT)))
    made.run(NOW_MS)
    assert [str(each) for each in made.broken()] == ["definitions/both.sqlx: checks.both: 2 rows break it, such as ('ada',)"]


@pytest.mark.parametrize(
    ("query", "expected", "wrong"),
    [
        ("SELECT 1 AS a, 'x' AS b", "SELECT 'x' AS b, 1 AS a", ""),
        ("SELECT x FROM UNNEST([2, 1]) AS x", "SELECT x FROM UNNEST([1, 2]) AS x", ""),
        ("SELECT NULL AS a", "SELECT NULL AS a", ""),
        ("SELECT 1 AS a", "SELECT 2 AS a", "row 1: a is 1, expected 2"),
        ("SELECT NULL AS a", "SELECT 2 AS a", "row 1: a is None, expected 2"),
        ("SELECT 1 AS a, 2 AS b", "SELECT 1 AS a", "columns a, b, expected a"),
        ("SELECT x FROM UNNEST([1, 2]) AS x", "SELECT 1 AS x", "2 rows, expected 1; only one side has (2,)"),
        ("SELECT x FROM UNNEST([1, 1]) AS x", "SELECT 1 AS x", "2 rows, expected 1"),
        ("SELECT 1 / x AS a FROM UNNEST([0]) AS x", "SELECT 1 AS a", "division by zero"),
    ],
)
def test_a_unit_test(query: str, expected: str, wrong: str) -> None:
    made = graph(tests=[UnitTest("t", "definitions/t.sqlx", query, expected)])
    (tested,) = run_unit_tests(connect(), made, NOW_MS)
    assert wrong in tested.wrong and bool(wrong) == bool(tested.wrong)


def test_a_unit_test_that_cannot_be_translated_is_refused() -> None:
    with pytest.raises(ViewError, match=r"definitions/t.sqlx: t \(line 1 of its query\): "):
        run_unit_tests(connect(), graph(tests=[UnitTest("t", "definitions/t.sqlx", "SELECT SOUNDEX('x')", "SELECT 1")]), NOW_MS)


def test_what_the_mirror_holds_is_left_alone() -> None:
    made = views(graph(view("a.b", "SELECT * FROM `billsim.raw.subs_account`", SUBS_ACCOUNT), declared(SUBS_ACCOUNT)))
    made.run(NOW_MS)
    made.run(NOW_MS)
    assert len(rows(made._connection, '"billsim"."raw"."subs_account"')) == 2
