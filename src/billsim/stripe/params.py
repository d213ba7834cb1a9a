"""What a request may carry: names and types of parameters, and the rules of metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from billsim.stripe.objects import StripeError, with_kept

_T = TypeVar("_T")

MOST_KEYS, LONGEST_KEY, LONGEST_VALUE = 50, 40, 500

Types = Mapping[str, type | UnionType | tuple[str, ...]]
"""A parameter's name -> its type, or its types, or the strings that it may be."""


def refusal(code: str, message: str, status: int = 400, *, param: str = "") -> StripeError:
    """An `invalid_request_error`, about `param` where one is named."""
    return StripeError(status, "invalid_request_error", code, message, param=param)


def kept_of(params: Mapping[str, Any], names: Iterable[str], old: dict[str, Any] | UnsetType = UNSET) -> dict[str, Any] | UnsetType:
    """What an object keeps of `params` under these names, beside what it keeps already: an empty value unsets, and is told back as null."""
    return with_kept(old, {name: None if params[name] == "" else params[name] for name in names if name in params})


def check(params: Mapping[str, Any], types: Types, required: tuple[str, ...] = (), *, within: str = "") -> None:
    """Raise StripeError for an unknown parameter, a missing one, or one of the wrong type. `within` is the parameter that these stand in."""
    for name, value in params.items():
        wanted = types.get(name)
        if wanted is None:
            full = nested(within, name)
            raise refusal("parameter_unknown", f"Received unknown parameter: {full}.{_did_you_mean(name, types)}", param=full)
        _check_type(name, value, wanted, within)
    for name in required:
        if params.get(name) in (None, ""):
            full = nested(within, name)
            raise refusal("parameter_missing", f"Missing required param: {full}.", param=full)


def nested(within: str, name: str) -> str:
    """The name of a parameter that stands in another, as forms write it: `recurring[interval]`."""
    return f"{within}[{name}]" if within else name


def _did_you_mean(name: str, types: Types) -> str:
    near = get_close_matches(name, list(types), 1)
    return f" Did you mean {near[0]}?" if near else ""


def _check_type(name: str, value: Any, wanted: type | UnionType | tuple[str, ...], within: str) -> None:
    full = nested(within, name)
    if isinstance(wanted, tuple):
        if value not in wanted:
            raise refusal("parameter_invalid", f"Invalid {full}: must be one of {', '.join([each for each in wanted if each])}.", param=full)
    elif name == "metadata":
        _check_metadata(value)
    elif value == "":
        return  # the API's way to unset a field
    elif wanted is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise refusal("parameter_invalid_integer", f"Invalid integer: {full}.", param=full)
    elif not isinstance(value, wanted):
        raise refusal("parameter_invalid", f"Invalid {full}: must be {getattr(wanted, '__name__', wanted)}.", param=full)


def _check_metadata(value: Any) -> None:
    if value == "":
        return
    if not isinstance(value, dict):
        raise refusal("parameter_invalid", "Invalid metadata: must be a hash.", param="metadata")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise refusal("parameter_invalid", f"Invalid metadata: {key!r} and its value must be strings.", param="metadata")
        if len(key) > LONGEST_KEY:
            limit = f"Metadata keys can have up to {LONGEST_KEY} characters"
            message = f"{limit}, but you passed in a key that is {len(key)} characters. Invalid key: {key}"
            raise refusal("metadata_key_invalid", message, param="metadata")
        if not key or "[" in key or "]" in key:
            message = f"Metadata keys have 1 to {LONGEST_KEY} characters and no brackets: {key[:LONGEST_KEY]!r}."
            raise refusal("metadata_key_invalid", message, param="metadata")
        if len(text) > LONGEST_VALUE:
            limit = f"Metadata values can have up to {LONGEST_VALUE} characters"
            message = f"{limit}, but you passed in a value that is {len(text)} characters. Invalid value: {text}"
            raise refusal("metadata_value_too_long", message, param=f"metadata[{key}]")


def merged_metadata(old: dict[str, str], given: Any) -> dict[str, str]:
    """`old` with `given` set in it: an empty value deletes its key, an empty string in place of the whole deletes all.

    Raises StripeError where more than 50 keys would result.
    """
    if given is None:
        return old
    if given == "":
        return {}
    merged = {key: text for key, text in {**old, **given}.items() if text}
    if len(merged) > MOST_KEYS:
        raise refusal("metadata_too_many_keys", f"Metadata holds at most {MOST_KEYS} keys.", param="metadata")
    return merged


def found_as_in_path(find: Callable[[str], _T], id: str, param: str) -> _T:
    """What a parameter names. Raises StripeError where there is no such thing: 404, as where the path names it, which some requests answer."""
    try:
        return find(id)
    except StripeError as missing:
        raise refusal(missing.code, missing.message, 404, param=param) from None


def missing_reference(error: StripeError, id: str, params: Mapping[str, Any]) -> StripeError:
    """A refusal for a missing object, as it is told: 404 about `id` where the path names it, and 400 about the parameter where one does."""
    for name, value in _leaves("", params):
        if value != id and isinstance(value, str) and value and (repr(value) in error.message or f" ID {value}." in error.message):
            return refusal(error.code, error.message, param=name)
    return refusal(error.code, error.message, 404, param="id") if error.status == 404 else error


def _leaves(within: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(nested(within, name), each)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(f"{within}[{index}]", each)
    else:
        yield within, value
