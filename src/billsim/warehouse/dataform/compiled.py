"""Dataform's own compiled graph, as its JSON has it, read as ours."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from billsim.warehouse.dataform.graph import Definition, Graph, Kind, Target, UnitTest, in_order
from billsim.warehouse.errors import ViewError


class _Target(msgspec.Struct, rename="camel"):
    name: str
    database: str = ""
    schema: str = ""


class _Column(msgspec.Struct, rename="camel"):
    path: list[str] = []
    description: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    description: str = ""
    columns: list[_Column] = []


class _Action(msgspec.Struct, rename="camel"):
    """A table, view, assertion, declaration or operation, with what we read of each."""

    target: _Target
    file_name: str = ""
    type: str = ""
    query: str = ""
    disabled: bool = False
    dependency_targets: list[_Target] = []
    action_descriptor: _Descriptor = msgspec.field(default_factory=_Descriptor)
    tags: list[str] = []
    parent_action: _Target | None = None
    pre_ops: list[str] = []
    post_ops: list[str] = []
    jit_code: str = ""


class _Test(msgspec.Struct, rename="camel"):
    name: str
    file_name: str = ""
    test_query: str = ""
    expected_output_query: str = ""
    disabled: bool = False
    tags: list[str] = []


class _Unread(msgspec.Struct, rename="camel"):
    """An operation, notebook or data preparation: what is no view."""

    target: _Target | None = None
    file_name: str = ""


class _Error(msgspec.Struct, rename="camel"):
    message: str = ""
    file_name: str = ""
    action_name: str = ""
    action_target: _Target | None = None


class _Errors(msgspec.Struct, rename="camel"):
    compilation_errors: list[_Error] = []


class _Config(msgspec.Struct, rename="camel"):
    default_database: str = ""
    default_schema: str = ""


class _Compiled(msgspec.Struct, rename="camel"):
    project_config: _Config = msgspec.field(default_factory=_Config)
    tables: list[_Action] = []
    assertions: list[_Action] = []
    declarations: list[_Action] = []
    operations: list[_Unread] = []
    notebooks: list[_Unread] = []
    data_preparations: list[_Unread] = []
    tests: list[_Test] = []
    graph_errors: _Errors = msgspec.field(default_factory=_Errors)
    dataform_core_version: str = ""


def graph_of(text: str | bytes, *, sources: str, folder: str) -> Graph:
    """The graph that Dataform compiled, from the JSON of its CompiledGraph.

    `sources` is the digest of the files that it was compiled from. Raises ViewError for the first of the errors that Dataform reports, and for
    definitions that no view can stand for.
    """
    try:
        compiled = msgspec.json.decode(text, type=_Compiled)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ViewError(f"Dataform compiled it to something that is no graph: {wrong}", folder) from None
    _refuse_errors(compiled.graph_errors.compilation_errors, folder)
    live = [each for each in compiled.tables if not each.disabled]
    definitions = [
        *[_definition(each, "declaration") for each in compiled.declarations],
        *[_view(each) for each in live],
        *[_definition(each, "assertion") for each in compiled.assertions if not each.disabled],
    ]
    return Graph(
        core_version=compiled.dataform_core_version,
        sources=sources,
        database=compiled.project_config.default_database,
        schema=compiled.project_config.default_schema,
        definitions=in_order(definitions, _left_out(compiled)),
        tests=tuple(sorted([_unit_test(each) for each in compiled.tests if not each.disabled], key=lambda each: (each.file, each.name))),
        notes=tuple(_notes(compiled)),
    )


def _refuse_errors(errors: list[_Error], folder: str) -> None:
    if not errors:
        return
    first = min(errors, key=lambda error: (error.file_name, error.action_target is None, error.action_name, error.message))
    named = str(_target(first.action_target)) if first.action_target else ".".join(first.action_name.split(".")[-2:])
    others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise ViewError(readable(first.message) + others, first.file_name or folder, named)


_COLOUR = re.compile(r"\x1b\[\d*m")
_JSON_TARGET = re.compile(r'\{[^{}]*"name":[^{}]*\}')


def readable(message: str) -> str:
    """A message of Dataform's in one line, with `dataset.name` where it shows a target as JSON."""
    return " ".join(_JSON_TARGET.sub(_short, _COLOUR.sub("", message)).removeprefix("Error: ").split())


def _short(shown: re.Match[str]) -> str:
    try:
        target = msgspec.json.decode(shown[0], type=_Target)
    except msgspec.DecodeError:
        return shown[0]
    return f"{target.schema}.{target.name}" if target.schema else target.name


def _view(action: _Action) -> Definition:
    """A view, of what may be written as a table: refused where its query would mean something else without what runs before it."""
    before = [text for text in action.pre_ops if text.strip()]
    if before:
        raise ViewError(f"has pre_operations, which a view cannot run: {' '.join(before[0].split())[:60]}", action.file_name, _name(action))
    return _definition(action, "view", "" if action.type == "view" else action.type)


def _definition(action: _Action, kind: Kind, written_as: str = "") -> Definition:
    if action.jit_code:
        raise ViewError("its query is made by JavaScript only when it runs (jitCode), which a view cannot", action.file_name, _name(action))
    described = action.action_descriptor
    return Definition(
        kind=kind,
        target=_target(action.target),
        file=action.file_name,
        query=action.query.strip(),
        dependencies=tuple(sorted({_target(each) for each in action.dependency_targets})),
        description=described.description,
        columns={".".join(column.path): column.description for column in described.columns},
        tags=tuple(action.tags),
        parent=_target(action.parent_action) if action.parent_action else None,
        written_as=written_as,
    )


def _left_out(compiled: _Compiled) -> dict[Target, str]:
    """What a view may read in the project, but not here, and why not."""
    out = {_target(each.target): "disabled" for each in (*compiled.tables, *compiled.assertions) if each.disabled}
    for what, unread in _unread(compiled):
        out |= {_target(each.target): f"{what}, not a view" for each in unread if each.target}
    return out


def _unread(compiled: _Compiled) -> tuple[tuple[str, list[_Unread]], ...]:
    return ("an operation", compiled.operations), ("a notebook", compiled.notebooks), ("a data preparation", compiled.data_preparations)


def _unit_test(test: _Test) -> UnitTest:
    return UnitTest(test.name, test.file_name, test.test_query.strip(), test.expected_output_query.strip(), tuple(test.tags))


def _notes(compiled: _Compiled) -> Iterable[str]:
    live = [each for each in compiled.tables if not each.disabled]
    for kind in ("table", "incremental"):
        yield from _note("run as the view of its whole query, not as the {} it is written as", kind, [each for each in live if each.type == kind])
    yield from _note("its post_operations are not run", "", [each for each in live if any(text.strip() for text in each.post_ops)])
    yield from _note("disabled, so left out", "", [each for each in (*compiled.tables, *compiled.assertions) if each.disabled])
    for test in compiled.tests:
        if test.disabled:
            yield f"{test.file_name}: {test.name}: disabled, so left out"
    for what, unread in _unread(compiled):
        yield from sorted(f"{each.file_name}: {f'{_target(each.target)}: ' if each.target else ''}{what}, so not run" for each in unread)


def _note(text: str, kind: str, actions: Iterable[_Action]) -> Iterable[str]:
    yield from sorted(f"{each.file_name}: {_name(each)}: {text.format(kind)}" for each in actions)


def _name(action: _Action) -> str:
    return str(_target(action.target))


def _target(target: _Target) -> Target:
    return Target(target.database, target.schema, target.name)
