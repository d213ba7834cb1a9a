"""Where a rewrite stands, and the few shapes of SQL that most of them are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from sqlglot import exp

from billsim.warehouse.errors import ViewError


@dataclass(frozen=True)
class Context:
    """The definition that is translated; errors name it."""

    file: str
    definition: str

    def refuse(self, node: exp.Expr, message: str) -> NoReturn:
        """Raises ViewError with the line where `node` stands."""
        raise ViewError(message, self.file, self.definition, line_of(node))


def line_of(node: exp.Expr) -> int:
    """The line of the query on which `node` stands, as far as it, a part of it, or what it is part of knows; 0 where none does."""
    around: exp.Expr | None = node
    while around is not None:
        found = next((int(part.meta["line"]) for part in around.walk() if part.meta.get("line")), 0)
        if found:
            return found
        around = around.parent
    return 0


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a DuckDB function or macro."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def text(value: str) -> exp.Literal:
    """A string."""
    return exp.Literal.string(value)


def whole(value: int) -> exp.Expr:
    """An INT64: a bare literal would be 32 bits wide."""
    return exp.Cast(this=exp.Literal(this=str(value), is_string=False), to=exp.DataType.build("BIGINT"))


def plain(node: exp.Expr) -> exp.Expr:
    """What stands within parentheses."""
    return node.unnest() if isinstance(node, exp.Paren) else node


def literal_text(node: exp.Expr) -> str | None:
    """The value of a string literal, raw or not; None for anything else."""
    inner = plain(node)
    if isinstance(inner, exp.RawString) or (isinstance(inner, exp.Literal) and inner.is_string):
        return str(inner.this)
    return None


def literal_whole(node: exp.Expr) -> int | None:
    """The value of an integer literal, which a rewrite may have widened already; None for anything else."""
    inner = plain(node)
    if isinstance(inner, exp.Neg):
        value = literal_whole(inner.this)
        return None if value is None else -value
    if isinstance(inner, exp.Cast):
        inner = inner.this
    if isinstance(inner, exp.Literal) and not inner.is_string and str(inner.this).isdigit():
        return int(inner.this)
    return None


def join(parts: Iterable[exp.Expr]) -> exp.Expr:
    """The parts, one after the other, as one string: NULL if one is."""
    whole_, *rest = parts
    for part in rest:
        whole_ = exp.DPipe(this=whole_, expression=part)
    return exp.Paren(this=whole_) if rest else whole_


def did_you_mean(name: str, names: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at the name that looks most like `name`, or '' where none is so like (0 to 1)."""
    found = get_close_matches(name[:100], sorted(names), n=1, cutoff=likeness)
    return f" (did you mean '{found[0]}'?)" if found else ""
