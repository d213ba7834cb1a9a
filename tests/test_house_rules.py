"""The house's own rules, read off the source: what would make two runs differ, and what would make the code hard to read.

Each rule has a canary below: a snippet that must turn it red.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "billsim"
WORLD = set("core stores ports stripe pipe queues faults facade engine engines external legacy actors checks scenario runtime world".split())

# Who may import a module that could let the machine into a world; nobody else may. A trailing slash stands for a folder.
ALLOWED = {
    "time": {"core/measure.py", "core/guard.py", "serving/"},
    "random": {"core/guard.py"},
    "secrets": {"core/guard.py"},
    "uuid": {"core/guard.py"},
    "_thread": {"core/guard.py"},
    "datetime": {"core/time.py", "core/guard.py", "scenario/"},
    "threading": {"core/guard.py"},
    "subprocess": {"doctor.py", "bench.py", "external/", "oracle/", "warehouse/dataform/"},
    "socket": {"serving/"},
    "asyncio": {"serving/"},
    "multiprocessing": {"explore/workers.py"},
    "concurrent": set(),
}
MEASURES = {"core/measure.py", "runtime/", "external/", "world.py", "run.py", "rundir.py", "doctor.py", "summary.py", "bench.py",
"floor.py", "explore/"}
# Who may tell one object from another by its address, and takes no order from that.
KNOW_BY_ADDRESS = {"explore/rewind.py"}
PRINTS = {"cli/", "summary.py"}
MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 60


class Source(NamedTuple):
    """A file of the package: its path below the package, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def in_world(self) -> bool:
        return self.path.split("/")[0].removesuffix(".py") in WORLD


Finding = tuple[int, str]


def within(path: str, places: set[str]) -> bool:
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import; `name` is empty for a plain one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


# --- the rules: each yields the findings in one file ---


def machine_stays_out(source: Source) -> Iterator[Finding]:
    for line, module, _ in imports(source.tree):
        places = ALLOWED.get(module.split(".")[0])
        if places is not None and not within(source.path, places):
            yield line, f"imports {module}"


def only_the_harness_measures(source: Source) -> Iterator[Finding]:
    for line, module, name in imports(source.tree):
        if module == "billsim.core.measure" and name == "clock_ns" and not within(source.path, MEASURES):
            yield line, "measures"


def no_addresses(source: Source) -> Iterator[Finding]:
    """`id` differs between runs, and `hash` of a string between hash seeds."""
    if source.path in KNOW_BY_ADDRESS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            used = [node.func, *(keyword.value for keyword in node.keywords if keyword.arg == "key")]
            for name in used:
                if isinstance(name, ast.Name) and name.id in ("id", "hash"):
                    yield node.lineno, f"{name.id}()"


SETS = ("set", "frozenset")
TAKE_ANY_ORDER = {"set", "frozenset", "sorted", "any", "all", "sum", "min", "max"}
ORDERED_BY_THEIR_ARGUMENT = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "join", "fromkeys", "extend", "next"}


def no_order_from_a_set(source: Source) -> Iterator[Finding]:
    """The order of a set of strings differs between hash seeds; `sorted`, `min`, `sum`, `len` and `in` are fine."""
    if not source.in_world:
        return
    known, unordered = names_of_sets(source.tree), generators_of_what_has_no_order(source.tree)
    for node in ast.walk(source.tree):
        iterated: list[ast.expr] = []
        if node in unordered:
            continue
        if isinstance(node, ast.For | ast.comprehension):
            iterated = [node.iter]
        elif isinstance(node, ast.Starred):
            iterated = [node.value]
        elif isinstance(node, ast.Call) and name_of(node.func) in ORDERED_BY_THEIR_ARGUMENT:
            iterated = list(node.args)
        for expression in iterated:
            if is_set(expression, known):
                yield expression.lineno, f"takes an order from the set {ast.unparse(expression)}"


def generators_of_what_has_no_order(tree: ast.Module) -> list[ast.comprehension]:
    """The `for` parts of set comprehensions, and of generators that a call takes in whatever order."""
    found: list[ast.comprehension] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.SetComp):
            found += node.generators
        elif isinstance(node, ast.Call) and name_of(node.func) in TAKE_ANY_ORDER:
            found += [part for argument in node.args if isinstance(argument, ast.GeneratorExp) for part in argument.generators]
    return found


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def is_set(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return is_set(node.left, known) or is_set(node.right, known)
    if isinstance(node, ast.Call):
        return name_of(node.func) in SETS
    return isinstance(node, ast.Set | ast.SetComp) or ast.unparse(node) in known


def names_of_sets(tree: ast.Module) -> set[str]:
    """Names and attributes that the file gives a set to, or annotates as one."""
    known: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and is_set_type(node.annotation):
            known.add(ast.unparse(node.target))
        elif isinstance(node, ast.arg) and node.annotation is not None and is_set_type(node.annotation):
            known.add(node.arg)
        elif isinstance(node, ast.Assign) and is_set(node.value, known):
            known.update(ast.unparse(target) for target in node.targets)
    return known


def is_set_type(annotation: ast.expr) -> bool:
    return name_of(annotation.value if isinstance(annotation, ast.Subscript) else annotation) in SETS


def files_stay_small(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n")
    if lines > MOST_LINES:
        yield lines, f"{lines} lines; a part that outgrows its file becomes a folder"


def functions_stay_small(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield node.lineno, f"{node.name} has {lines} lines"


def public_names_are_explained(source: Source) -> Iterator[Finding]:
    if source.text and not ast.get_docstring(source.tree):
        yield 1, "the file says nothing of itself"
    for node in source.tree.body:
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if named and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring"


def only_the_doors_print(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" and not within(source.path, PRINTS):
            yield node.lineno, "prints"


def nothing_is_left_to_do(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield number, found.group()


Rule = Callable[[Source], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    machine_stays_out,
    only_the_harness_measures,
    no_addresses,
    no_order_from_a_set,
    files_stay_small,
    functions_stay_small,
    public_names_are_explained,
    only_the_doors_print,
    nothing_is_left_to_do,
)


def read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(PACKAGE).as_posix(), text, ast.parse(text))


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [read(path) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_holds(rule: Rule, sources: list[Source]) -> None:
    findings = [f"src/billsim/{source.path}:{line}: {what}" for source in sources for line, what in rule(source)]
    assert not findings, "\n".join([f"{rule.__name__}:", *findings])


def test_the_package_is_looked_at(sources: list[Source]) -> None:
    assert {"core/guard.py", "stores/base.py", "ports.py"} <= {source.path for source in sources}


CANARIES: list[tuple[Rule, str, str]] = [
    (machine_stays_out, "engine/diff.py", "import time"),
    (machine_stays_out, "engine/diff.py", "def f():\n    from datetime import datetime"),
    (machine_stays_out, "world.py", "import concurrent.futures"),
    (machine_stays_out, "core/ids.py", "from uuid import uuid4"),
    (only_the_harness_measures, "engine/diff.py", "from billsim.core.measure import clock_ns"),
    (no_addresses, "cli/running.py", "id(x)"),
    (no_addresses, "cli/running.py", "x = hash('a')"),
    (no_addresses, "cli/running.py", "sorted(x, key=id)"),
    (no_order_from_a_set, "engine/diff.py", "for x in {1, 2}: pass"),
    (no_order_from_a_set, "engine/diff.py", "[x for x in set(y)]"),
    (no_order_from_a_set, "engine/diff.py", "for x in set(a) - b: pass"),
    (no_order_from_a_set, "engine/diff.py", "list({x for x in y})"),
    (no_order_from_a_set, "engine/diff.py", "','.join(frozenset(y))"),
    (no_order_from_a_set, "engine/diff.py", "f(*set(y))"),
    (no_order_from_a_set, "engine/diff.py", "NAMES = frozenset(['a'])\nfor x in NAMES: pass"),
    (no_order_from_a_set, "engine/diff.py", "def f(names: set[str]):\n    return tuple(names)"),
    (no_order_from_a_set, "engine/diff.py", "class A:\n    def f(self):\n        self.seen: set[str] = set()\n        return list(self.seen)"),
    (files_stay_small, "cli/running.py", "x = 1\n" * (MOST_LINES + 1)),
    (functions_stay_small, "cli/running.py", "def f():\n" + "    x = 1\n" * MOST_LINES_OF_A_FUNCTION),
    (public_names_are_explained, "cli/running.py", "x = 1"),
    (public_names_are_explained, "cli/running.py", '"""A file."""\ndef f(): pass'),
    (public_names_are_explained, "cli/running.py", '"""A file."""\nclass A: pass'),
    (only_the_doors_print, "run.py", "print(1)"),
    (nothing_is_left_to_do, "cli/running.py", "x = 1  # TODO later"),
]


def of(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


@pytest.mark.parametrize(("rule", "path", "text"), CANARIES, ids=lambda it: it.__name__ if callable(it) else it[:40])
def test_canary(rule: Rule, path: str, text: str) -> None:
    assert list(rule(of(path, text)))


def test_every_rule_has_a_canary() -> None:
    assert {rule for rule, *_ in CANARIES} == set(RULES)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (machine_stays_out, "scenario/toml_file.py", "from datetime import datetime"),
        (machine_stays_out, "engine/diff.py", "from billsim.core.time import iso"),
        (only_the_harness_measures, "checks/judge.py", "from billsim.core.measure import Histogram"),
        (no_addresses, "stripe/api.py", "def call(method, id): return books[id]"),
        (no_order_from_a_set, "engine/diff.py", "for x in sorted({1, 2}): pass"),
        (no_order_from_a_set, "engine/diff.py", "NAMES = frozenset(['a'])\n'a' in NAMES"),
        (no_order_from_a_set, "engine/diff.py", "{x for x in {1, 2}} == frozenset(x for x in {1, 2})"),
        (no_order_from_a_set, "engine/diff.py", "any(x for x in {1, 2})"),
        (no_order_from_a_set, "engine/diff.py", "NAMES = ('a',)\nfor x in NAMES: pass"),
        (no_order_from_a_set, "summary.py", "for x in {1, 2}: pass"),
        (public_names_are_explained, "cli/running.py", '"""A file."""\ndef _f(): pass'),
        (public_names_are_explained, "pipe/__init__.py", ""),
        (only_the_doors_print, "cli/running.py", "print(1)"),
    ],
    ids=lambda it: it.__name__ if callable(it) else it[:40],
)
def test_does_not_cry_wolf(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(of(path, text)))
