"""`expand[]=latest_invoice.payments`: objects in place of their ids, and fields that are only there when they are asked for.

    https://docs.stripe.com/expand: at most four levels; in a list a path begins with `data`
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import stripe

from billsim.stripe.wire.errors import invalid
from billsim.stripe.wire.render import INCLUDABLE, Rendered, View, deleted, included, render
from billsim.stripe.wire.render.table import find
from billsim.stripe.wire.spec import Field, fields, fields_of

DEEPEST = 4
MOST_PATHS = 100
# Kinds of which no more is simulated than their names: those stay where one asks for more.
NAMES_ONLY = ("setup_attempt",)


def check(paths: Sequence[str], kind: str, lists: bool) -> None:
    """Raise StripeError for a path that an object of this kind, or a list of them, does not have."""
    if len(paths) > MOST_PATHS:
        raise invalid(f"You cannot expand more than {MOST_PATHS} properties.", param="expand")
    for path in paths:
        segments = path.split(".")
        if len(segments) > DEEPEST:
            raise invalid(f"You cannot expand more than {DEEPEST} levels of a property. Property: {path[:200]}", param="expand")
        within = _Objects((kind,))
        if not _leads(_List(within) if lists else within, segments):
            wrong = _wrong(_List(within) if lists else within, segments)[:200]
            hint = f" You may want to try expanding 'data.{wrong}' instead." if lists and segments[0] != "data" else ""
            raise invalid(f"This property cannot be expanded ({wrong}).{hint}")


def expand(rendered: Rendered, paths: Sequence[str], view: View) -> None:
    """Expand an answer in place, along paths that `check` has let through."""
    for path in paths:
        _expand(rendered, path.split("."), view)


# -- what types say


class _Objects(typing.NamedTuple):
    """One of these kinds of object."""

    kinds: tuple[str, ...]


class _List(typing.NamedTuple):
    """A list object."""

    of: Any


class _Part(typing.NamedTuple):
    """A hash within an object."""

    declared: Any


def _leads(where: Any, segments: list[str]) -> bool:
    """Whether a path leads from here to something that can be expanded, or that is a hash or a list already."""
    name, rest = segments[0], segments[1:]
    if isinstance(where, _List):
        return name == "data" and (not rest or _leads(where.of, rest))
    if isinstance(where, _Objects):
        return any(_leads_on(kind, _fields(kind), name, rest) for kind in where.kinds)
    return _leads_on("", fields_of(where.declared), name, rest)


def _wrong(where: Any, segments: list[str]) -> str:
    """A path that leads nowhere, as far as it is told of: up to the first name that is not there."""
    for end in range(1, len(segments)):
        if not _leads(where, segments[:end]):
            return ".".join(segments[:end])
    return ".".join(segments)


def _fields(kind: str) -> Mapping[str, Field]:
    try:
        return fields(kind)
    except KeyError:
        return {}  # a kind that the SDK has no class for: it has nothing to expand


def _leads_on(kind: str, known: Mapping[str, Field], name: str, rest: list[str]) -> bool:
    field = known.get(name)
    if field is None:
        return False
    if field.expands:
        return not rest or _leads(_Objects(field.expands), rest)
    inner = _inner(field.annotation)
    if not rest:
        return name in INCLUDABLE.get(kind, {}) or inner is not None
    return inner is not None and _leads(inner, rest)


def _inner(annotation: Any) -> Any:
    """What stands under a field that is no id: a list object, an object, a hash; None for anything else."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is stripe.ListObject:
        return _List(_inner(args[0]))
    if origin in (typing.Union, types.UnionType, list):
        found = [inner for arg in args if (inner := _inner(arg)) is not None]
        kinds = tuple(kind for inner in found if isinstance(inner, _Objects) for kind in inner.kinds)
        return _Objects(kinds) if len(kinds) > 1 else next(iter(found), None)
    if isinstance(annotation, type) and issubclass(annotation, stripe.StripeObject):
        return _Objects((annotation.OBJECT_NAME,)) if hasattr(annotation, "OBJECT_NAME") else _Part(annotation)
    return None


# -- what is done


def _expand(node: Rendered, segments: list[str], view: View) -> None:
    """Expand what a path leads to from an object, a list object or a hash."""
    name, rest = segments[0], segments[1:]
    kind = node.get("object", "")
    if name in INCLUDABLE.get(kind, {}) and not isinstance(node.get(name), dict):
        thing = find(node["id"], view)
        if thing is None:
            return
        node[name] = included(thing, name, view)
    value = node.get(name)
    if isinstance(value, list):
        node[name] = [_expanded(kind, name, each, rest, view) for each in value]
    elif value is not None:
        node[name] = _expanded(kind, name, value, rest, view)


def _expanded(kind: str, name: str, value: Any, rest: list[str], view: View) -> Any:
    """One value, as what it is the id of; and what lies beyond it expanded. What is shared with other answers is not changed."""
    if isinstance(value, str):
        found, wanted = find(value, view), _kind_of(kind, name)
        if found is not None:
            value = render(found, view)
        elif wanted not in NAMES_ONLY:
            value = deleted(value, wanted)
    elif isinstance(value, dict):
        value = dict(value)
    if rest and isinstance(value, dict):
        _expand(value, rest, view)
    return value


def _kind_of(kind: str, name: str) -> str:
    """The kind of a deleted object, from the field that holds its id."""
    field = _fields(kind).get(name) if kind else None
    return field.expands[-1] if field is not None and field.expands else name
