"""What a request may carry: names and types of parameters, and the rules of metadata."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any

from billsim.stripe.objects import StripeError

MOST_KEYS, LONGEST_KEY, LONGEST_VALUE = 50, 40, 500

Types = Mapping[str, type | UnionType | tuple[str, ...]]
"""A parameter's name -> its type, or its types, or the strings that it may be."""


def refusal(code: str, message: str, status: int = 400) -> StripeError:
    """An `invalid_request_error`."""
    return StripeError(status, "invalid_request_error", code, message)


def check(params: Mapping[str, Any], types: Types, required: tuple[str, ...] = ()) -> None:
    """Raise StripeError for an unknown parameter, a missing one, or one of the wrong type."""
    for name, value in params.items():
        wanted = types.get(name)
        if wanted is None:
            raise refusal("parameter_unknown", f"Received unknown parameter: {name}.{_did_you_mean(name, types)}")
        _check_type(name, value, wanted)
    for name in required:
        if params.get(name) in (None, ""):
            raise refusal("parameter_missing", f"Missing required param: {name}.")


def _did_you_mean(name: str, types: Types) -> str:
    near = get_close_matches(name, list(types), 1)
    return f" Did you mean {near[0]}?" if near else ""


def _check_type(name: str, value: Any, wanted: type | UnionType | tuple[str, ...]) -> None:
    if isinstance(wanted, tuple):
        if value not in wanted:
            raise refusal("parameter_invalid", f"Invalid {name}: must be one of {', '.join(wanted)}.")
    elif name == "metadata":
        _check_metadata(value)
    elif value == "":
        return  # the API's way to unset a field
    elif wanted is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise refusal("parameter_invalid_integer", f"Invalid integer: {name}.")
    elif not isinstance(value, wanted):
        raise refusal("parameter_invalid", f"Invalid {name}: must be {getattr(wanted, '__name__', wanted)}.")


def _check_metadata(value: Any) -> None:
    if value == "":
        return
    if not isinstance(value, dict):
        raise refusal("parameter_invalid", "Invalid metadata: must be a hash.")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise refusal("parameter_invalid", f"Invalid metadata: {key!r} and its value must be strings.")
        if not key or len(key) > LONGEST_KEY or "[" in key or "]" in key:
            raise refusal("metadata_key_invalid", f"Metadata keys have 1 to {LONGEST_KEY} characters and no brackets: {key[:LONGEST_KEY]!r}.")
        if len(text) > LONGEST_VALUE:
            raise refusal("metadata_value_too_long", f"Metadata values have at most {LONGEST_VALUE} characters: {key!r}.")


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
        raise refusal("metadata_too_many_keys", f"Metadata holds at most {MOST_KEYS} keys.")
    return merged
