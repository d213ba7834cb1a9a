"""A project's JavaScript, where it is wrong, endless, greedy or curious. A core of ten lines stands in for Dataform's, so no npm is needed."""

from __future__ import annotations

import json
import os
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from billsim.warehouse.dataform import Limits, compile_folder, dump
from billsim.warehouse.dataform.folder import read_folder
from billsim.warehouse.dataform.sandbox import request
from billsim.warehouse.errors import ViewError

# Runs definitions/*.js; what they hand to `publish` are the queries of views.
CORE = """
const tables = [], made = [];
const target = (name) => ({database: "billsim", schema: "drift", name});
const text = (query) => String(typeof query === "function" ? query() : query);
exports.version = "3.0.0";
exports.compiler = (code, path) => path.endsWith(".yaml") ? "exports.asJson = " + JSON.stringify(code) : code;
exports.session = {
  publish: (name, query) => { made.push([name, query]); },
  compile: () => ({tables: made.map(([name, query]) => ({target: target(name), type: "view", query: text(query)}))}),
};
exports.main = () => {
  global.publish = exports.session.publish;
  for (const name of FILES) require(name);
  exports.session.compile();
};
"""


def project(root: Path, core: str = CORE, **files: str) -> Path:
    """A project whose definitions are `files`, each name with .js, under the core that stands in."""
    (root / "definitions").mkdir(parents=True)
    (root / "workflow_settings.yaml").write_text("defaultDataset: drift\n")
    for name, text in files.items():
        (root / "definitions" / f"{name}.js").write_text(text)
    package = root / "node_modules" / "@dataform" / "core"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"main": "bundle.js", "version": "3.0.0"}')
    (package / "bundle.js").write_text(core.replace("FILES", json.dumps([f"definitions/{name}.js" for name in files])))
    return root


def queries(root: Path) -> dict[str, str]:
    return {each.target.name: each.query for each in compile_folder(root).views}


def refusal(root: Path, limits: Limits | None = None) -> str:
    with pytest.raises(ViewError) as wrong:
        compile_folder(root, limits=limits)
    return str(wrong.value).replace(str(root), "ROOT")


def test_what_a_definition_publishes_is_a_view(tmp_path: Path) -> None:
    assert queries(project(tmp_path, a='publish("v", "SELECT 1")', b='publish("w", () => "SELECT 2")')) == {"v": "SELECT 1", "w": "SELECT 2"}


# --- require ---


def test_files_of_the_project_are_required_from_its_root_and_relative_to_the_file(tmp_path: Path) -> None:
    ask = """
    const words = [require("includes/one"), require("../includes/one.js"), require("../includes/two"), require("/includes/data.json").word];
    publish("v", words.join(" ") + " " + require("path").basename(__filename, ".js") + " " + __dirname);
    """
    root = project(tmp_path, a=ask)
    (root / "includes" / "two").mkdir(parents=True)
    (root / "includes" / "one.js").write_text('module.exports = "one";')
    (root / "includes" / "two" / "index.js").write_text('module.exports = require("../one") + "two";')
    (root / "includes" / "data.json").write_text('{"word": "three"}')
    assert queries(root) == {"v": "one one onetwo three a /project/definitions"}


def test_packages_are_required_with_their_own(tmp_path: Path) -> None:
    root = project(tmp_path, a='publish("v", require("outer") + require("@team/words/deep"))')
    for at, text in {
        "outer/package.json": '{"main": "lib/start"}',
        "outer/lib/start.js": 'module.exports = require("inner") + "!";',
        "outer/node_modules/inner/package.json": "{}",
        "outer/node_modules/inner/index.js": 'module.exports = "nested";',
        "inner/package.json": "{}",
        "inner/index.js": 'module.exports = "the wrong one";',
        "@team/words/package.json": "{}",
        "@team/words/deep.js": 'module.exports = " deep";',
    }.items():
        (root / "node_modules" / at).parent.mkdir(parents=True, exist_ok=True)
        (root / "node_modules" / at).write_text(text)
    assert queries(root) == {"v": "nested! deep"}


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    assert refusal(project(tmp_path, a='require("left-pad")')) == "definitions/a.js: Cannot find module 'left-pad'"


@pytest.mark.parametrize(("text", "line"), [("module.exports = {", 1), ("let a = 1;\n\nlet b = ;\n", 3)])
def test_a_file_that_does_not_parse_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    said = refusal(project(tmp_path, a=text))
    assert said.startswith("definitions/a.js: ")
    assert said.endswith(f"(line {line})")


# --- nothing of the machine ---


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ('require("fs").readFileSync("/etc/passwd")', "Cannot find module 'fs'"),
        ('require("/etc/passwd")', "Cannot find module '/etc/passwd'"),
        ('require("../../secret.js")', "Cannot find module '../../secret.js'"),
        ('require("child_process").execSync("id")', "Cannot find module 'child_process'"),
        ('require("http")', "Cannot find module 'http'"),
        ('fetch("http://localhost")', "'fetch' is not defined"),
        ('import("fs")', ""),
        ('new XMLHttpRequest()', "'XMLHttpRequest' is not defined"),
        ("note('x')", "'note' is not defined"),
        ("given.files", "'given' is not defined"),
        ("process.exit(1)", "not a function"),
        ("process.binding('fs')", "not a function"),
    ],
)
def test_there_is_no_machine(tmp_path: Path, ask: str, said: str) -> None:
    (tmp_path / "secret.js").write_text('publish("v", "leaked")')
    root = project(tmp_path / "project", a=f"{ask}; publish('v', 'nothing')")
    if said:
        assert refusal(root).startswith("definitions/a.js: ")
        assert said in refusal(root)
    else:
        assert queries(root) == {"v": "nothing"}  # a promise that nobody keeps


def test_the_environment_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLSIM_SECRET", "leaked")
    assert queries(project(tmp_path, a='publish("v", JSON.stringify(process.env))')) == {"v": "{}"}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.sql").write_text("leaked")
    root = project(tmp_path / "project", a="")
    (root / "definitions" / "out.sql").symlink_to(tmp_path / "secret.sql")
    assert refusal(root) == "definitions/out.sql: a link that leads out of the project's folder"


def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path: Path) -> None:
    root = project(tmp_path, a="")
    os.mkfifo(root / "definitions" / "late.sql")
    assert refusal(root) == "definitions/late.sql: cannot be read: not a regular file"


def test_a_linked_folder_is_not_entered(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.js").write_text('module.exports = "leaked"')
    root = project(tmp_path / "project", a='require("includes/out/secret")')
    (root / "includes").mkdir()
    (root / "includes" / "out").symlink_to(outside)
    assert "Cannot find module" in refusal(root)


# --- limits ---

STEADFAST = 'const kept = []; for (;;) { try { kept.push(new Array(1e6).fill(1)); } catch (error) {} }'


@pytest.mark.skipif(sys.platform == "win32", reason="the system there sets no limit of CPU")
@pytest.mark.parametrize(
    "endless",
    [
        "while (true) {}",
        "for (;;) { try { for (;;) {} } catch (error) {} }",
        '/(a+)+$/.test("a".repeat(60) + "b")',
        "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
        STEADFAST,
        'publish("v", () => { for (;;) {} })',
    ],
    ids=["loop", "caught", "regular expression", "one native call", "out of memory and caught", "in a query"],
)
def test_what_does_not_end_is_stopped_and_its_file_named(tmp_path: Path, endless: str) -> None:
    root = project(tmp_path, a='publish("w", "SELECT 1")', b=endless)
    assert refusal(root, Limits(cpu_s=1, memory_mb=64)) == "definitions/b.js: its JavaScript takes more than 1 s: stopped"


@pytest.mark.parametrize("bomb", ['let a = "x"; for (;;) a += a', "const a = []; for (;;) a.push(new Array(1e5).fill(1))", "new Array(1e9).fill(1)"])
def test_a_memory_bomb_runs_out_of_its_share(tmp_path: Path, bomb: str) -> None:
    assert refusal(project(tmp_path, a=bomb), Limits(memory_mb=64)) == "definitions/a.js: out of memory"


def test_endless_recursion_is_an_error(tmp_path: Path) -> None:
    assert refusal(project(tmp_path, a="function again() { return again() + 1; } again()")) == "definitions/a.js: stack overflow"


# --- the folder ---


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "ROOT: not a Dataform project: it has no workflow_settings.yaml (nor a dataform.json)"
    assert refusal(tmp_path / "gone") == "ROOT: no such folder"
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file") == "ROOT: not a folder"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    root = project(tmp_path, a="")
    (root / "definitions" / "b.sqlx").write_bytes(b"SELECT \xff")
    assert refusal(root) == "definitions/b.sqlx: not UTF-8 at byte 7"


def test_more_than_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billsim.warehouse.dataform.folder.MOST_FILES", 2)
    assert "more than a Dataform project: over 2 files" in refusal(project(tmp_path, a="", b="", c=""))


def test_hidden_files_and_packages_are_no_sources(tmp_path: Path) -> None:
    root = project(tmp_path, a="")
    before = read_folder(root)
    (root / ".git").mkdir()
    (root / ".git" / "hook.js").write_text("")
    (root / "compiled.json").write_text("")
    (root / "notes.txt").write_text("")
    assert list(before.texts) == ["definitions/a.js", "workflow_settings.yaml"]
    assert read_folder(root).digest == before.digest
    (root / "definitions" / "a.js").write_text("//")
    assert read_folder(root).digest != before.digest


def test_the_request_is_the_protocol_buffer_of_core_proto() -> None:
    """CoreExecutionRequest.compile = 1, CompileExecutionRequest.compile_config = 1, CompileConfig.project_dir = 1 and file_paths = 8."""
    inner = b"\x0a\x08/project" + b"\x42\x04a.js"
    assert b64decode(request(["a.js"])) == b"\x0a\x12" + b"\x0a\x10" + inner
    long = "definitions/" + "x" * 300
    assert b"\x42" + bytes([312 & 127 | 128, 312 >> 7]) + long.encode() in b64decode(request([long]))


# --- what compiles where there is no core, or an old one ---


def command(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `dataform` first on PATH."""
    folder.mkdir()
    (folder / "dataform").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "dataform").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def without_core(root: Path, settings: str = "defaultDataset: drift\n") -> Path:
    (root / "definitions").mkdir(parents=True)
    (root / "workflow_settings.yaml").write_text(settings)
    return root


NO_COMMAND = "/nowhere"


def test_without_a_core_the_command_that_installs_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", NO_COMMAND)
    root = without_core(tmp_path)
    assert refusal(root) == "ROOT: its @dataform/core is not installed: npm install --prefix ROOT @dataform/core@3"
    (root / "package.json").write_text('{"dependencies": {"@dataform/core": "3.0.62"}}')
    assert refusal(root) == "ROOT: its @dataform/core is not installed: npm install --prefix ROOT"


def test_a_compiled_graph_stands_in_for_the_core_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", NO_COMMAND)
    made = compile_folder(project(tmp_path / "made", a='publish("v", "SELECT 1")'))
    root = without_core(tmp_path / "project")
    (root / "definitions" / "a.js").write_text('publish("v", "SELECT 1")')
    (root / "compiled.json").write_text(dump(made))
    assert compile_folder(root) == made
    (root / "definitions" / "a.js").write_text('publish("v", "SELECT 2")')
    assert refusal(root) == (
        "ROOT: its @dataform/core is not installed, and its compiled.json is of other files: npm install --prefix ROOT @dataform/core@3"
    )


def test_packages_from_elsewhere(tmp_path: Path) -> None:
    held = project(tmp_path / "held", a='publish("v", "SELECT 1")')
    root = without_core(tmp_path / "project")
    (root / "definitions" / "a.js").write_text('publish("v", "SELECT 3")')
    assert [each.query for each in compile_folder(root, packages=held / "node_modules").views] == ["SELECT 3"]


def test_settings_that_name_a_core_leave_it_to_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = {"tables": [{"target": {"database": "b", "schema": "d", "name": "v"}, "type": "view", "query": "SELECT 4"}]}
    command(tmp_path / "bin", f"""[ "$1 $3" = "compile --json" ] && echo '{json.dumps(graph)}'""", monkeypatch)
    assert queries(without_core(tmp_path / "project", "dataformCoreVersion: 3.0.62\n")) == {"v": "SELECT 4"}


def test_what_the_command_line_says_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", """printf '\\033[91mno network\\033[0m\\nat all' >&2; exit 1""", monkeypatch)
    assert refusal(without_core(tmp_path / "project", "dataformCoreVersion: 3.0.62\n")) == "ROOT: dataform compile: no network at all"


def test_a_core_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", NO_COMMAND)
    said = refusal(project(tmp_path, 'exports.version = "2.9.0";'))
    assert said == "ROOT: its @dataform/core 2.9.0 is older than 3: npm install --prefix ROOT @dataform/core@3"


def test_without_quickjs_the_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", NO_COMMAND)
    monkeypatch.setattr("billsim.warehouse.dataform.sandbox.installed", lambda: False)
    assert refusal(project(tmp_path, a="")) == "ROOT: compiling it needs QuickJS: pip install 'billsim[views]'"
