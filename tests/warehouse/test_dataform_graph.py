"""The order of definitions, and Dataform's compiled graph read as ours: no Node, no JavaScript."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billsim.warehouse.dataform import Definition, Graph, Target, UnitTest, dump, in_order, load
from billsim.warehouse.dataform.compiled import graph_of, readable
from billsim.warehouse.errors import ViewError


def target(name: str) -> Target:
    return Target("billsim", "drift", name)


def view(name: str, *reads: str, file: str = "") -> Definition:
    return Definition("view", target(name), file or f"definitions/{name}.sqlx", f"SELECT '{name}'", tuple(target(read) for read in reads))


def names(definitions: tuple[Definition, ...]) -> str:
    return " ".join(each.target.name for each in definitions)


# --- order ---


def test_each_comes_after_what_it_reads_and_else_by_name() -> None:
    assert names(in_order([view("c"), view("a", "z"), view("z", "c"), view("b")])) == "c z a b"
    assert names(in_order([view("b"), view("z", "c"), view("a", "z"), view("c")])) == "c z a b"


def test_declarations_come_first() -> None:
    raw = Definition("declaration", Target("billsim", "raw", "z"), "definitions/raw.js")
    assert names(in_order([view("a"), raw])) == "z a"


def test_a_chain_may_be_longer_than_pythons_stack() -> None:
    chain = [view(f"v{n:05}", *[f"v{n + 1:05}"] * (n < 4_999)) for n in range(5_000)]
    ordered = in_order(chain)
    assert (ordered[0].target.name, ordered[-1].target.name) == ("v04999", "v00000")


@pytest.mark.parametrize(
    ("definitions", "line"),
    [
        ([view("a", "a")], "definitions/a.sqlx: drift.a: a cycle: drift.a -> drift.a"),
        (
            [view("top", "a"), view("a", "b"), view("b", "c"), view("c", "a")],
            "definitions/c.sqlx: drift.c: a cycle: drift.a -> drift.b -> drift.c -> drift.a",
        ),
        ([view("a", "gone")], "definitions/a.sqlx: drift.a: reads drift.gone, which the project neither defines nor declares"),
        ([view("a"), view("a", file="definitions/b.sqlx")], "definitions/b.sqlx: drift.a: is defined twice, first in definitions/a.sqlx"),
    ],
)
def test_what_has_no_order_is_refused_with_its_file(definitions: list[Definition], line: str) -> None:
    with pytest.raises(ViewError) as wrong:
        in_order(definitions)
    assert str(wrong.value) == line


def test_what_is_left_out_is_told_from_what_is_unknown() -> None:
    with pytest.raises(ViewError, match="reads drift.gone, which is disabled"):
        in_order([view("a", "gone")], {target("gone"): "disabled"})


def graph(*definitions: Definition) -> Graph:
    return Graph("3.0.62", "digest", "billsim", "drift", in_order(definitions))


def test_a_graph_survives_its_file() -> None:
    tests = (UnitTest("t", "f", "SELECT 1", "SELECT 2"),)
    whole = Graph("3.0.62", "ab", "billsim", "drift", in_order([view("a", "b"), view("b")]), tests, ("a note",))
    assert load(dump(whole)) == whole
    assert dump(load(dump(whole))) == dump(whole)


def test_a_graph_that_is_none_is_refused() -> None:
    with pytest.raises(ViewError, match=r"^compiled\.json: not a compiled graph: .*core_version"):
        load("{}", "compiled.json")


def test_finding_one_by_its_name() -> None:
    whole = graph(view("a"), Definition("view", Target("billsim", "other", "a"), "f"), view("b"))
    assert whole.find("b") == whole.find("drift.b") == whole.find("billsim.drift.b") == view("b")
    assert whole.find("a") is None  # two are called so
    assert whole.find("drift.a") == view("a")
    assert whole.find("nothing") is None


def test_what_some_views_need() -> None:
    whole = graph(view("a", "b"), view("b", "c"), view("c"), view("d", "c"))
    assert names(whole.needs([target("b")])) == "c b"
    assert names(whole.needs([target("d"), target("b")])) == "c b d"


# --- Dataform's own graph ---


def told(name: str) -> dict[str, str]:
    return {"database": "billsim", "schema": "drift", "name": name}


def table(name: str, **more: Any) -> dict[str, Any]:
    return {"target": told(name), "type": "view", "fileName": f"definitions/{name}.sqlx", "query": "\nSELECT 1\n", **more}


def read(**compiled: Any) -> Graph:
    return graph_of(json.dumps(compiled), sources="digest", folder="views")


def test_a_view_is_read_with_all_that_is_said_of_it() -> None:
    described = {"description": "What it is", "columns": [{"path": ["account"], "description": "whose"}, {"path": ["deep", "er"]}]}
    whole = read(
        projectConfig={"defaultDatabase": "billsim", "defaultSchema": "drift"},
        dataformCoreVersion="3.0.62",
        tables=[table("a", dependencyTargets=[told("r"), told("r")], actionDescriptor=described, tags=["daily"])],
        declarations=[{"target": told("r"), "fileName": "definitions/raw.js"}],
        assertions=[{"target": told("a_not_null"), "fileName": "definitions/a.sqlx", "query": "SELECT 2", "parentAction": told("a")}],
        tests=[{"name": "t", "fileName": "definitions/t.sqlx", "testQuery": "SELECT 3", "expectedOutputQuery": "SELECT 4"}],
    )
    assert (whole.core_version, whole.database, whole.schema, whole.sources, whole.notes) == ("3.0.62", "billsim", "drift", "digest", ())
    assert whole.declarations == (Definition("declaration", target("r"), "definitions/raw.js"),)
    columns = {"account": "whose", "deep.er": ""}
    assert whole.views == (
        Definition("view", target("a"), "definitions/a.sqlx", "SELECT 1", (target("r"),), "What it is", columns, ("daily",)),
    )
    assert whole.assertions == (Definition("assertion", target("a_not_null"), "definitions/a.sqlx", "SELECT 2", parent=target("a")),)
    assert whole.tests == (UnitTest("t", "definitions/t.sqlx", "SELECT 3", "SELECT 4"),)


def test_what_is_written_as_a_table_is_a_view_and_a_note_says_so() -> None:
    whole = read(tables=[table("a", type="table", postOps=["GRANT x"]), table("b", type="incremental", incrementalQuery="SELECT 9")])
    assert [(each.kind, each.query) for each in whole.definitions] == [("view", "SELECT 1"), ("view", "SELECT 1")]
    assert [each.written_as for each in whole.definitions] == ["table", "incremental"]
    assert whole.notes == (
        "definitions/a.sqlx: drift.a: run as the view of its whole query, not as the table it is written as",
        "definitions/b.sqlx: drift.b: run as the view of its whole query, not as the incremental it is written as",
        "definitions/a.sqlx: drift.a: its post_operations are not run",
    )


def test_what_cannot_be_a_view_is_left_out_with_a_note() -> None:
    whole = read(
        tables=[table("a", disabled=True)],
        operations=[{"target": told("op"), "fileName": "definitions/op.sqlx", "queries": ["DELETE"]}],
        notebooks=[{"fileName": "definitions/n.ipynb"}],
        tests=[{"name": "t", "fileName": "definitions/t.sqlx", "disabled": True}],
    )
    assert (whole.definitions, whole.tests) == ((), ())
    assert whole.notes == (
        "definitions/a.sqlx: drift.a: disabled, so left out",
        "definitions/t.sqlx: t: disabled, so left out",
        "definitions/op.sqlx: drift.op: an operation, so not run",
        "definitions/n.ipynb: a notebook, so not run",
    )


@pytest.mark.parametrize(
    ("compiled", "line"),
    [
        (
            {"tables": [table("a", preOps=[" ", "DECLARE  x\nINT64"])]},
            "definitions/a.sqlx: drift.a: has pre_operations, which a view cannot run: DECLARE x INT64",
        ),
        (
            {"tables": [table("a", jitCode="x")]},
            "definitions/a.sqlx: drift.a: its query is made by JavaScript only when it runs (jitCode), which a view cannot",
        ),
        (
            {"tables": [table("a", dependencyTargets=[told("op")])], "operations": [{"target": told("op")}]},
            "definitions/a.sqlx: drift.a: reads drift.op, which is an operation, not a view",
        ),
        (
            {"graphErrors": {"compilationErrors": [{"fileName": "b.sqlx", "message": "later"}, {"fileName": "a.sqlx", "message": "Error: a\n  b"}]}},
            "a.sqlx: a b (and 1 more)",
        ),
        ({"graphErrors": {"compilationErrors": [{"message": "odd", "actionName": "billsim.drift.a"}]}}, "views: drift.a: odd"),
    ],
)
def test_what_is_refused(compiled: dict[str, Any], line: str) -> None:
    with pytest.raises(ViewError) as wrong:
        read(**compiled)
    assert str(wrong.value) == line


def test_something_that_is_no_graph_is_refused() -> None:
    with pytest.raises(ViewError, match="^views: Dataform compiled it to something that is no graph"):
        graph_of("[]", sources="", folder="views")


def test_targets_in_dataforms_messages_are_shown_short() -> None:
    assert readable('Error: "{"schema":"drift","name":"v","database":"b"}" and {"name":"w"}\nfail') == '"drift.v" and w fail'
