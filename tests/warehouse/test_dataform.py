"""Projects compiled by Dataform's own core in our sandbox, held against Dataform's own command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from billsim.warehouse.dataform import SHIPPED, Graph, compile_folder, shipped
from billsim.warehouse.dataform.cli import compile_by_command
from billsim.warehouse.dataform.folder import core_bundle, read_folder
from billsim.warehouse.dataform.sandbox import Limits, compile_in_sandbox
from billsim.warehouse.errors import ViewError
from tests.warehouse import npm

SETTINGS = """
defaultProject: billsim
defaultLocation: US
defaultDataset: drift
defaultAssertionDataset: assertions
vars:
  days: "30"
"""
VIEW = 'config { type: "view" } '
RAW = 'declare({database: "billsim", schema: "raw", name: "accounts"});'


@pytest.fixture(scope="module")
def packages() -> Path:
    return npm.packages()


def project(root: Path, packages: Path, settings: str = SETTINGS, **files: str) -> Path:
    """A project with its own core. A file's name is its path, in which `__` stands for `/` and the last `_` for the dot."""
    shutil.copytree(packages / "@dataform" / "core", root / "node_modules" / "@dataform" / "core")
    (root / "workflow_settings.yaml").write_text(settings)
    (root / "package.json").write_text('{"dependencies": {"@dataform/core": "*"}}')
    for name, text in files.items():
        path = root / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def by_both(root: Path, packages: Path) -> Graph:
    """The project's graph, after a look that the command line makes the very same JSON of it, key by key."""
    folder = read_folder(root)
    ours = json.loads(compile_in_sandbox(folder, core_bundle(root / "node_modules"), Limits()))
    theirs = json.loads(compile_by_command(str(packages / ".bin" / "dataform"), folder))
    assert ours == theirs
    return compile_folder(root)


def refusal(root: Path) -> str:
    with pytest.raises(ViewError) as wrong:
        compile_folder(root)
    return str(wrong.value).replace(str(root), "ROOT")


# --- our own views ---


def test_the_graph_that_ships_is_of_the_files_that_ship() -> None:
    assert shipped().sources == read_folder(SHIPPED).digest, "make views compiles them again"
    assert compile_folder(SHIPPED) == shipped()


def test_the_graph_that_ships_is_what_dataforms_command_line_compiles(tmp_path: Path, packages: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "views", ignore=shutil.ignore_patterns("compiled.json", "node_modules"))
    shutil.copytree(packages / "@dataform" / "core", tmp_path / "views" / "node_modules" / "@dataform" / "core")
    assert by_both(tmp_path / "views", packages) == shipped()


# --- projects as teams write them ---


def test_sqlx_javascript_includes_and_settings_as_the_command_line_has_them(tmp_path: Path, packages: Path) -> None:
    root = project(
        tmp_path,
        packages,
        includes__words_js="module.exports = { since: (days) => `INTERVAL ${days} DAY`, names: ['a', 'b'] };",
        definitions__raw_js=RAW,
        definitions__late_sqlx="""
            config { type: "view", schema: "health", description: "Who is late", tags: ["daily"], columns: { account: "whose" },
                     assertions: { uniqueKey: ["account"], nonNull: ["account"], rowConditions: ["owed > 0"] } }
            js { const { since } = require("includes/words"); }
            SELECT account, owed FROM ${ref("raw", "accounts")} WHERE due < CURRENT_DATE() - ${since(dataform.projectConfig.vars.days)}
        """,
        definitions__deep__by_name_js="""
            const { names } = require("../../includes/words.js");
            names.forEach((name) => publish("v_" + name, { type: "view", tags: [name] })
                .query((ctx) => `SELECT '${name}' AS name FROM ${ctx.ref("late")} ${ctx.when(ctx.incremental(), "never")}`));
        """,
        definitions__held_sqlx='config { type: "table", bigquery: { partitionBy: "day" } } SELECT 1 FROM ${ref("v_a")} -- `quoted`',
        definitions__step_sqlx='config { type: "incremental" } SELECT * FROM ${ref("held")} ${when(incremental(), `WHERE x IN ${self()}`)}',
        definitions__none_late_sqlx='config { type: "assertion" } SELECT * FROM ${ref("step")} WHERE FALSE',
        definitions__late_test_sqlx="""
            config { type: "test", dataset: { schema: "health", name: "late" } }
            input "raw", "accounts" { SELECT 'ada' AS account, 5 AS owed, DATE '2026-01-01' AS due }
            SELECT 'ada' AS account, 5 AS owed
        """,
        definitions__op_sqlx='config { type: "operations" } DELETE FROM x --- DELETE FROM y',
    )
    graph = by_both(root, packages)
    assert [each.name for each in graph.definitions] == [
        "raw.accounts",
        "health.late",
        "assertions.health_late_assertions_rowConditions",
        "assertions.health_late_assertions_uniqueKey_0",
        "drift.v_a",
        "drift.held",
        "drift.step",
        "assertions.none_late",
        "drift.v_b",
    ]
    late = graph.find("health.late")
    assert late is not None
    assert (late.file, late.description, late.columns, late.tags) == ("definitions/late.sqlx", "Who is late", {"account": "whose"}, ("daily",))
    assert late.query == "SELECT account, owed FROM `billsim.raw.accounts` WHERE due < CURRENT_DATE() - INTERVAL 30 DAY"
    assert [each.parent for each in graph.assertions] == [late.target, late.target, None]
    assert [(each.file, each.query) for each in graph.views if each.name == "drift.v_b"] == [
        ("definitions/deep/by_name.js", "SELECT 'b' AS name FROM `billsim.health.late`")
    ]
    held = graph.find("held")
    step = graph.find("step")
    assert held is not None
    assert step is not None
    assert (held.written_as, step.written_as, step.query) == ("table", "incremental", "SELECT * FROM `billsim.drift.held`")
    assert [(each.name, each.file, each.expected) for each in graph.tests] == [
        ("late_test", "definitions/late_test.sqlx", "SELECT 'ada' AS account, 5 AS owed")
    ]
    assert "FROM ( SELECT 'ada' AS account, 5 AS owed, DATE '2026-01-01' AS due )" in " ".join(graph.tests[0].query.split())
    assert graph.notes[-1].endswith("op: an operation, so not run")


def test_actions_told_in_yaml_over_plain_sql(tmp_path: Path, packages: Path) -> None:
    reads = "dependencyTargets: [{name: accounts, dataset: raw}]"
    actions = f"actions:\n- declaration: {{name: accounts, dataset: raw}}\n- view: {{filename: plain.sql, {reads}}}\n"
    root = project(tmp_path, packages, definitions__actions_yaml=actions, definitions__plain_sql="SELECT '\\`${x}' FROM `billsim.raw.accounts`")
    graph = by_both(root, packages)
    assert [(each.name, each.query) for each in graph.views] == [("drift.plain", "SELECT '\\`${x}' FROM `billsim.raw.accounts`")]


def test_settings_of_the_old_kind(tmp_path: Path, packages: Path) -> None:
    root = project(tmp_path, packages, definitions__v_sqlx=VIEW + "SELECT 1")
    (root / "workflow_settings.yaml").unlink()
    (root / "dataform.json").write_text('{"warehouse": "bigquery", "defaultSchema": "old", "defaultDatabase": "billsim"}')
    assert [each.name for each in by_both(root, packages).views] == ["old.v"]


def test_what_stands_in_the_folder_is_compiled_where_it_changes_nothing_too(tmp_path: Path, packages: Path) -> None:
    root = project(tmp_path, packages, definitions__v_sqlx=VIEW + "SELECT 1")
    first = compile_folder(root)
    assert compile_folder(root) == first
    (root / "definitions" / "v.sqlx").write_text(VIEW + "SELECT 2")
    assert [each.query for each in compile_folder(root).views] == ["SELECT 2"]


# --- what is wrong with a project ---


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"definitions__v_sqlx": VIEW + 'SELECT * FROM ${ref("gone")}'},
            'definitions/v.sqlx: drift.v: Missing dependency detected: Action "billsim.drift.v" depends on "gone" which does not exist',
        ),
        ({"definitions__v_sqlx": VIEW + "SELECT ${"}, "definitions/v.sqlx: "),
        ({"definitions__v_sqlx": "config { type: \"nonsense\" } SELECT 1"}, "definitions/v.sqlx: "),
        ({"definitions__v_sqlx": VIEW + "SELECT ${nothing}"}, "definitions/v.sqlx: drift.v: 'nothing' is not defined"),
        ({"includes__x_js": "module.exports = {"}, "includes/x.js: expecting '"),
        ({"definitions__v_js": "throw new Error('by hand')"}, "definitions/v.js: by hand"),
        ({"definitions__v_js": 'publish("v", "SELECT 1"); publish("v", "SELECT 2")'}, "definitions/v.js: drift.v: Duplicate action name detected."),
    ],
)
def test_what_dataform_finds_wrong_is_one_line_with_its_file(tmp_path: Path, packages: Path, files: dict[str, str], line: str) -> None:
    said = refusal(project(tmp_path, packages, **files))
    assert said.startswith(line)
    assert "\n" not in said


def test_a_cycle_is_named_by_its_views(tmp_path: Path, packages: Path) -> None:
    root = project(tmp_path, packages, definitions__a_sqlx=VIEW + 'SELECT * FROM ${ref("b")}', definitions__b_sqlx=VIEW + 'SELECT * FROM ${ref("a")}')
    assert refusal(root) == "definitions/a.sqlx: drift.a: Circular dependency detected in chain: [drift.a > drift.b > billsim.drift.a]"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("a: [", "workflow_settings.yaml"),
        ("unknownKey: 1", "unknownKey"),
        ("dataformCoreVersion: 3.0.0\ndefaultProject: billsim\ndefaultDataset: d", "Version mismatch"),
    ],
)
def test_settings_that_dataform_refuses(tmp_path: Path, packages: Path, settings: str, said: str) -> None:
    line = refusal(project(tmp_path, packages, settings, definitions__v_sqlx=VIEW + "SELECT 1"))
    assert said in line


def test_a_query_that_does_not_end_is_stopped_and_its_file_named(tmp_path: Path, packages: Path) -> None:
    root = project(tmp_path, packages, definitions__v_sqlx=VIEW + "SELECT ${(() => { for (;;) {} })()}", definitions__w_sqlx=VIEW + "SELECT 1")
    with pytest.raises(ViewError, match=r"^definitions/v\.sqlx: its JavaScript takes more than 1 s: stopped"):
        compile_folder(root, limits=Limits(cpu_s=1))


def test_the_command_line_of_the_folder_compiles_without_quickjs(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, packages, definitions__v_sqlx=VIEW + "SELECT 1")
    by_quickjs = compile_folder(root)
    monkeypatch.setattr("billsim.warehouse.dataform.sandbox.installed", lambda: False)
    monkeypatch.setenv("PATH", str(packages / ".bin"), prepend=":")
    assert compile_folder(root) == by_quickjs
