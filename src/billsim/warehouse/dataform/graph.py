"""What a Dataform project compiles to: its definitions in the order in which they can be made, and its unit tests.

Everything is a view here, and nothing is materialised: what the project writes as a table or an incremental table is the view of its whole query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from billsim.warehouse.errors import ViewError

Kind = Literal["view", "assertion", "declaration"]


class Target(msgspec.Struct, frozen=True, order=True):
    """The full name of a view or table: BigQuery's project, dataset and name."""

    database: str
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A view, an assertion (a view that must be empty), or the declaration of a table that others fill (it has no query).

    `file` is relative to the project. `query` is BigQuery SQL, in which what it reads stands as `database.schema.name` in backquotes.
    """

    kind: Kind
    target: Target
    file: str
    query: str = ""
    dependencies: tuple[Target, ...] = ()
    description: str = ""
    columns: dict[str, str] = msgspec.field(default_factory=dict)
    """What its columns mean, as far as the project says."""
    tags: tuple[str, ...] = ()
    parent: Target | None = None
    """Of an assertion that a view's own config asks for: that view."""
    written_as: str = ""
    """'table' or 'incremental', where the project means something else than a view."""

    @property
    def name(self) -> str:
        """Its name for people: `dataset.name`."""
        return str(self.target)


class UnitTest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A unit test of a view: `query` is the view's, over the inputs that the test gives, and must return the rows of `expected`."""

    name: str
    file: str
    query: str
    expected: str
    tags: tuple[str, ...] = ()


class Graph(msgspec.Struct, frozen=True, omit_defaults=True):
    """A compiled project. `definitions` are in an order in which each comes after what it depends on: the same for the same project."""

    core_version: str
    """The version of @dataform/core that compiled it."""
    sources: str
    """Digest of the project's files: equal as long as none of them changes."""
    database: str
    schema: str
    """The project's own default database and dataset."""
    definitions: tuple[Definition, ...]
    tests: tuple[UnitTest, ...] = ()
    notes: tuple[str, ...] = ()
    """What of the project is left out, or is made otherwise than it says: a line each."""

    @property
    def views(self) -> tuple[Definition, ...]:
        """The views."""
        return self._of("view")

    @property
    def assertions(self) -> tuple[Definition, ...]:
        """The assertions."""
        return self._of("assertion")

    @property
    def declarations(self) -> tuple[Definition, ...]:
        """The tables that the project expects to be there."""
        return self._of("declaration")

    def _of(self, kind: Kind) -> tuple[Definition, ...]:
        return tuple([each for each in self.definitions if each.kind == kind])

    def find(self, name: str) -> Definition | None:
        """The definition called `name`, `dataset.name` or `database.dataset.name`; None where there is none, or more than one."""
        found = [each for each in self.definitions if name in (each.target.name, each.name, f"{each.target.database}.{each.name}")]
        return found[0] if len(found) == 1 else None

    def needs(self, roots: Iterable[Target]) -> tuple[Definition, ...]:
        """The definitions called `roots` and all that they read, in order."""
        wanted = set(roots)
        for each in reversed(self.definitions):
            if each.target in wanted:
                wanted.update(each.dependencies)
        return tuple([each for each in self.definitions if each.target in wanted])


def in_order(definitions: Iterable[Definition], left_out: Mapping[Target, str] | None = None) -> tuple[Definition, ...]:
    """By name, each after what it depends on. Raises ViewError for two of one name, for what depends on something unknown, and for a cycle.

    `left_out` is what the project has besides, and why it is none of the definitions.
    """
    known: dict[Target, Definition] = {}
    for each in sorted(definitions, key=lambda each: (each.kind != "declaration", each.target, each.file)):
        if each.target in known:
            raise ViewError(f"is defined twice, first in {known[each.target].file}", each.file, each.name)
        known[each.target] = each
    ordered: dict[Target, Definition] = {}
    for each in known.values():
        _place(each, known, ordered, left_out or {})
    return tuple(ordered.values())


def _place(first: Definition, known: dict[Target, Definition], ordered: dict[Target, Definition], left_out: Mapping[Target, str]) -> None:
    """Puts `first` behind all that it reads. Without recursion: a chain of views may be as long as the project likes."""
    chain: dict[Target, Iterator[Target]] = {}
    waiting = [first]
    while waiting:
        each = waiting[-1]
        if each.target in ordered:
            waiting.pop()
            continue
        reads = chain.setdefault(each.target, iter(sorted(each.dependencies)))
        read = next((target for target in reads if target not in ordered), None)
        if read is None:
            ordered[each.target] = waiting.pop()
        elif read not in known:
            why = f"is {left_out[read]}" if read in left_out else "the project neither defines nor declares"
            raise ViewError(f"reads {read}, which {why}", each.file, each.name)
        elif read in chain:
            names = [waited.name for waited in waiting]
            raise ViewError(f"a cycle: {' -> '.join([*names[names.index(str(read)) :], str(read)])}", each.file, each.name)
        else:
            waiting.append(known[read])


def dump(graph: Graph) -> str:
    """A graph as the text of a file."""
    return msgspec.json.format(msgspec.json.encode(graph), indent=1).decode() + "\n"


def load(text: str | bytes, file: str = "") -> Graph:
    """The graph that `dump` wrote. Raises ViewError where `text` is none."""
    try:
        return msgspec.json.decode(text, type=Graph)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ViewError(f"not a compiled graph: {wrong}", file) from None
