"""What the API takes and what its objects have, as the official SDK's types say: read on first use, and kept.

`parameters("SubscriptionCreateParams")` is a tree of what a request may carry; `fields("invoice")` are the fields of a kind, and which may be
expanded.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

import stripe
import typing_extensions
from stripe import params as _params
from stripe._stripe_context import StripeContext
from stripe._stripe_object import UntypedStripeObject
from stripe.params import test_helpers as _test_helpers

# What every request of the SDK may be told that does not go into its parameters.
_OPTIONS = frozenset(
    ("api_key", "stripe_version", "stripe_account", "stripe_context", "max_network_retries", "idempotency_key", "content_type", "headers")
)


class Scalar(NamedTuple):
    """One value: `type` is `string`, `integer`, `boolean`, `float` or `decimal`; a string with `values` is one of them."""

    type: str
    values: tuple[str, ...] = ()


class Many(NamedTuple):
    """A list of what `each` says."""

    each: Node


class Map(NamedTuple):
    """A hash whose keys the caller chooses, such as metadata."""

    each: Node


class Hash(NamedTuple):
    """A hash with the fields of the SDK's TypedDict `name`: see `hash_fields`."""

    name: str


class Either(NamedTuple):
    """One of several forms, in the SDK's order."""

    of: tuple[Node, ...]


Node = Scalar | Many | Map | Hash | Either


class Parameter(NamedTuple):
    """What a parameter may be. `unsets`: an empty string takes away what was there."""

    node: Node
    required: bool
    unsets: bool


def parameters(name: str) -> Mapping[str, Parameter]:
    """The parameters of a request, by the name of the SDK's TypedDict. Raises KeyError for a name that the SDK does not know."""
    return hash_fields(name)


@cache
def hash_fields(name: str) -> Mapping[str, Parameter]:
    """The fields of a TypedDict of the SDK."""
    return {_spelt(field): _parameter(hint) for field, hint in _hints(_named(name), {}).items() if field not in _OPTIONS}


def _spelt(field: str) -> str:
    """The API's name of what the SDK spells otherwise because Python reserves the word."""
    return field.rstrip("_")


def _parameter(hint: Any) -> Parameter:
    required = get_origin(hint) not in (typing.NotRequired, typing_extensions.NotRequired)
    if not required:
        (hint,) = get_args(hint)
    forms = list(_forms(hint))
    rest = [form for form in forms if form != _EMPTY]
    return Parameter(_joined(rest or [_EMPTY]), required, len(rest) < len(forms))


def _forms(hint: Any) -> Iterator[Node]:
    """The forms of a type: one, or those of a union. A union of an enumeration and `str` is the SDK's way to say that it will grow."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        yield from _of_union([form for arg in get_args(hint) for form in _forms(arg)])
    elif origin in (typing.Literal, typing_extensions.Literal):
        values = tuple(map(str, get_args(hint)))
        if "" in values:
            yield _EMPTY
        if rest := tuple(value for value in values if value):
            yield Scalar("string", rest)
    elif origin is list:
        yield Many(_joined(list(_forms(get_args(hint)[0]))))
    elif origin is dict:
        yield Map(_joined(list(_forms(get_args(hint)[1]))))
    elif origin is not UntypedStripeObject and hint is not type(None):
        yield Hash(hint.__name__) if hasattr(hint, "__required_keys__") else Scalar(_SCALARS[hint])


def _of_union(forms: list[Node]) -> list[Node]:
    named = any(isinstance(form, Scalar) and form.values and form != _EMPTY for form in forms)
    return [form for form in forms if not (named and form == Scalar("string"))]


def _joined(forms: list[Node]) -> Node:
    """What one of several forms is; two enumerations are one."""
    values = tuple(value for form in forms if isinstance(form, Scalar) for value in form.values)
    rest = [form for form in forms if not (isinstance(form, Scalar) and form.values)]
    joined = [*rest, *([Scalar("string", values)] if values else [])]
    return joined[0] if len(joined) == 1 else Either(tuple(joined))


_EMPTY = Scalar("string", ("",))
_SCALARS: Mapping[Any, str] = {str: "string", int: "integer", bool: "boolean", float: "float", Decimal: "decimal"}


def _named(name: str) -> Any:
    """What the SDK's annotations call by a name; its modules are loaded when they are asked. Raises KeyError."""
    for space in (_params, _test_helpers, stripe, stripe.test_helpers, stripe.billing, stripe.issuing, stripe.checkout, typing):
        with suppress(AttributeError):
            return getattr(space, name)
    if name.endswith("Resource"):  # how the SDK calls what one of its own classes would hide
        return _named(name.removesuffix("Resource"))
    if name == "IssuingDispute":
        return stripe.issuing.Dispute
    raise KeyError(name)


_NAMES: dict[str, Any] = {"StripeContext": StripeContext, "UntypedStripeObject": UntypedStripeObject}


def _hints(declared: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of one of the SDK's classes; `own` are the names that only it knows."""
    while True:
        try:
            return typing.get_type_hints(declared, localns={**_NAMES, **own}, include_extras=True)
        except NameError as unknown:
            name = unknown.name or ""
            _NAMES[name] = _named(name)


# -- objects


class Field(NamedTuple):
    """A field of an object: what the SDK annotates, the kinds that its id may be expanded to, and whether it is a list of them."""

    annotation: Any
    expands: tuple[str, ...] = ()


_CLASSES = {"line_item": "InvoiceLineItem", "invoiceitem": "InvoiceItem", "test_helpers.test_clock": "TestClock", "test_clock": "TestClock"}


def resource(kind: str) -> Any:
    """The SDK's class of a kind of object. Raises KeyError for a kind that it does not know."""
    name = _CLASSES.get(kind) or "".join(part.capitalize() for part in kind.split("_"))
    return stripe.test_helpers.TestClock if name == "TestClock" else _class(name)


def _class(name: str) -> Any:
    try:
        return getattr(stripe, name)
    except AttributeError:
        raise KeyError(name) from None


def fields(kind: str) -> Mapping[str, Field]:
    """Every field of a kind of object by name."""
    return fields_of(resource(kind))


@cache
def fields_of(declared: Any) -> Mapping[str, Field]:
    """Every field of one of the SDK's classes, nested ones too."""
    hints = _hints(declared, {**_nested(resource_of(declared)), **_nested(declared)})
    return {_spelt(name): Field(hint, tuple(_expanded(hint))) for name, hint in hints.items() if _is_field(name, hint)}


def resource_of(declared: Any) -> Any:
    """The class of the object itself, for a class that is nested in it."""
    return getattr(sys.modules[declared.__module__], declared.__qualname__.split(".")[0])


def _nested(declared: Any) -> dict[str, Any]:
    """The classes within a class, and within those; the nearer one has a name that two have."""
    within = f"{declared.__qualname__}."
    own = {name: value for name, value in vars(declared).items() if isinstance(value, type) and value.__qualname__ == within + name}
    deeper = [_nested(inner) for inner in own.values()]
    return {name: value for found in [*deeper, own] for name, value in found.items()}


def _is_field(name: str, hint: Any) -> bool:
    return not name.startswith("_") and name != "OBJECT_NAME" and get_origin(hint) is not typing.ClassVar


def _expanded(hint: Any) -> Iterator[str]:
    """The kinds of the objects that may stand where an annotation says `ExpandableField`."""
    args = get_args(hint)
    if get_origin(hint) in (typing.Union, types.UnionType):
        objects = [arg for arg in args if hasattr(arg, "OBJECT_NAME")]
        if str in args and objects:
            yield from (arg.OBJECT_NAME for arg in objects)
            return
    for arg in args:
        yield from _expanded(arg)
