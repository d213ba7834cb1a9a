"""Whether an answer is what Stripe's own descriptions say it is.

`misfits(rendered)` holds an object against the types of the official SDK: every field of its kind is there, none besides, each of the right type and
each enumeration within its values. `compared(ours, theirs)` holds an answer against another Stripe's, such as stripe-mock's, field by field;
`EXCEPTIONS` lists where the two may differ, and why.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, get_args, get_origin

from stripe import ListObject
from stripe._stripe_object import UntypedStripeObject

from billsim.stripe.wire import spec
from billsim.stripe.wire.render.left_out import LEFT_OUT, OF_TYPE

# -- against the SDK


def misfits(rendered: Mapping[str, Any], path: str = "") -> list[str]:
    """What of an object, and of all within it, is not as the SDK annotates it: one line each, none where everything is."""
    kind = rendered["object"]
    path = path or kind
    if rendered.get("deleted"):
        return [f"{path}: a deleted object has a field {name!r}" for name in rendered if name not in _OF_DELETED]
    fields, left_out = spec.fields(kind), LEFT_OUT.get(kind, {})
    needed = [name for name in fields if name not in left_out or (left_out[name] is OF_TYPE and name == rendered.get("type"))]
    missing = [f"{path}: no field {name!r}" for name in needed if name not in rendered]
    return [*missing, *_fields_misfit(rendered, fields, path)]


_OF_DELETED = ("id", "object", "deleted", "currency")


def _fields_misfit(rendered: Mapping[str, Any], fields: Mapping[str, spec.Field], path: str) -> Iterator[str]:
    for name, value in rendered.items():
        if name not in fields:
            yield f"{path}: an unknown field {name!r}"
        else:
            yield from _misfit(value, fields[name].annotation, f"{path}.{name}")


def _misfit(value: Any, annotation: Any, path: str) -> list[str]:
    """Why a value is not of an annotated type; nothing where it is."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _of_union(value, args, path)
    if origin is typing.Literal:
        return [] if value in args else [f"{path}: {value!r} is none of {', '.join(map(repr, args[:8]))}"]
    if origin is list:
        if not isinstance(value, list):
            return [_is_no(value, "list", path)]
        return [line for nth, each in enumerate(value) for line in _misfit(each, args[0], f"{path}[{nth}]")]
    if origin is ListObject:
        return _of_list(value, args[0], path)
    if origin is UntypedStripeObject or annotation is UntypedStripeObject:
        return _of_map(value, args[0] if args else Any, path)
    return _of_class(value, annotation, path)


def _of_union(value: Any, args: tuple[Any, ...], path: str) -> list[str]:
    """A string beside an enumeration means that the enumeration may grow: it has not."""
    if value is None:
        return [] if type(None) in args else [f"{path}: null"]
    forms = [arg for arg in args if arg is not type(None)]
    if any(get_origin(form) is typing.Literal for form in forms):
        forms = [form for form in forms if form is not str]
    kind = value.get("object") if isinstance(value, dict) else None
    forms = [form for form in forms if getattr(form, "OBJECT_NAME", "") == kind] or forms
    return min([_misfit(value, form, path) for form in forms], key=len)


def _of_list(value: Any, each: Any, path: str) -> list[str]:
    if not isinstance(value, dict) or value.get("object") != "list":
        return [_is_no(value, "list object", path)]
    wrong = [f"{path}: no field {name!r}" for name in ("data", "has_more", "url") if name not in value]
    return wrong + [line for nth, thing in enumerate(value.get("data", ())) for line in _misfit(thing, each, f"{path}.data[{nth}]")]


def _of_map(value: Any, each: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [_is_no(value, "hash", path)]
    return [line for key, inner in value.items() for line in _misfit(inner, each, f"{path}.{key}")]


_SCALARS: Mapping[Any, tuple[type, ...]] = {str: (str,), int: (int,), bool: (bool,), float: (int, float), Decimal: (str,)}


def _of_class(value: Any, annotation: Any, path: str) -> list[str]:
    if annotation is Any:
        return []
    if annotation in _SCALARS:
        fits = isinstance(value, _SCALARS[annotation]) and (annotation is bool or not isinstance(value, bool))
        return [] if fits else [_is_no(value, annotation.__name__, path)]
    if value is None or not isinstance(value, dict):
        return [_is_no(value, annotation.__name__, path)]
    if hasattr(annotation, "OBJECT_NAME"):
        kind = annotation.OBJECT_NAME
        return misfits(value, path) if value.get("object") == kind else [f"{path}: a {value.get('object')}, no {kind}"]
    fields = spec.fields_of(annotation)
    missing = [f"{path}: no field {name!r}" for name, field in fields.items() if name not in value and _is_needed(name, field, value)]
    return [*missing, *_fields_misfit(value, fields, path)]


def _is_needed(name: str, field: spec.Field, within: Mapping[str, Any]) -> bool:
    """Whether a hash may not lack a field: one that is never null, and that which its `type` names. An amount of no price has only its `type`."""
    return type(None) not in get_args(field.annotation) or (name == within.get("type") and name != "price_details")


def _is_no(value: Any, what: str, path: str) -> str:
    return f"{path}: {value!r} is no {what}"


# -- against another Stripe's answer


class Exempt(NamedTuple):
    """A difference that is none: `path` is a pattern such as `charge.payment_method_details.*`, in which an object within begins anew with its
    kind, and `*` stands for one name.
    """

    path: str
    reason: str


class Difference(NamedTuple):
    """A field of the other's answer that is not as here. `reason` says why it may be so; '' where it may not."""

    path: str
    what: str
    reason: str = ""


class Comparison(NamedTuple):
    """How many fields were compared; and what differs, with and without a reason."""

    fields: int
    differences: tuple[Difference, ...]

    @property
    def wrong(self) -> tuple[Difference, ...]:
        """What may not differ."""
        return tuple([each for each in self.differences if not each.reason])


_OF_ANOTHER_TYPE = "only the hash that `type` names is there; stripe-mock's example has another type"

EXCEPTIONS: tuple[Exempt, ...] = (
    Exempt("mandate.payment_method_details.*", _OF_ANOTHER_TYPE),
    Exempt("charge.payment_method_details.*", _OF_ANOTHER_TYPE),
    Exempt("refund.destination_details.*", _OF_ANOTHER_TYPE),
    Exempt("card", "a customer's source may be of several kinds, and stripe-mock answers with the first of them"),
)
"""Where an answer may differ from stripe-mock's, beside what `LEFT_OUT` says, and why."""

_MISSING = "is not there"


def compared(ours: Mapping[str, Any], theirs: Mapping[str, Any], exceptions: tuple[Exempt, ...] = EXCEPTIONS) -> Comparison:
    """Hold an answer against another's: each of its fields is there, with a value of the same JSON type or null."""
    count, differences, kinds = 0, [], (_kind(ours, ""), _kind(theirs, ""))
    other = Difference(kinds[0], f"is an object of kind {kinds[0]}, not {kinds[1]}")
    for difference in _compared(ours, theirs, kinds[0]) if kinds[0] == kinds[1] else [other]:
        if difference is None:
            count += 1
        else:
            differences.append(difference._replace(reason=_reason(difference, exceptions)))
    return Comparison(count + len(differences), tuple(differences))


def _reason(difference: Difference, exceptions: tuple[Exempt, ...]) -> str:
    kind, _, field = difference.path.rpartition(".")
    left_out = LEFT_OUT.get(kind, {}).get(field, "") if difference.what == _MISSING else ""
    return left_out or next((each.reason for each in exceptions if _matches(difference.path, each.path)), "")


def _matches(path: str, pattern: str) -> bool:
    return path.count(".") == pattern.count(".") and fnmatchcase(path, pattern)


def _kind(thing: Mapping[str, Any], otherwise: str) -> str:
    kind = thing.get("object")
    return kind if isinstance(kind, str) else otherwise


def _compared(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str) -> Iterator[Difference | None]:
    """None for each field that is the same, a Difference for each that is not."""
    for name, value in theirs.items():
        where = f"{path}.{name}"
        if name not in ours:
            yield Difference(where, _MISSING)
        else:
            yield from _values(ours[name], value, where)


def _values(ours: Any, theirs: Any, path: str) -> Iterator[Difference | None]:
    if ours is None or theirs is None:
        yield None
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        yield None
        if not path.endswith((".metadata", ".currency_options")):
            kinds = _kind(ours, path), _kind(theirs, path)
            if kinds[0] == kinds[1]:
                yield from _compared(ours, theirs, path if kinds[0] == "list" else kinds[0])
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield None
        for each in ours if theirs else ():
            yield from _values(each, theirs[0], f"{path}[]")
    elif _type(ours) == _type(theirs) or {_type(ours), _type(theirs)} == {"string", "object"} and _expandable(ours, theirs):
        yield None
    else:
        yield Difference(path, f"is of type {_type(ours)}, not {_type(theirs)}")


def _expandable(ours: Any, theirs: Any) -> bool:
    """One of the two has been expanded: an id here, the object there."""
    return any(isinstance(each, dict) and "id" in each for each in (ours, theirs))


def _type(value: Any) -> str:
    for name, kinds in (("boolean", bool), ("number", (int, float)), ("string", str), ("list", list)):
        if isinstance(value, kinds):
            return name
    return "object"
