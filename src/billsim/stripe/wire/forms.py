"""Form encoding with nesting: `items[0][price]=price_1&expand[]=customer` <-> nested hashes and lists of strings.

    https://docs.stripe.com/api: requests are form-encoded, answers are JSON

A list stands as `a[]=x&a[]=y` or as `a[0]=x&a[1]=y`, whatever the order of the numbers; the second may also be a hash whose keys are numbers, which
only who knows the parameter can tell: `listed`. Strict: what cannot be one nested value is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from billsim.stripe.wire.errors import invalid

DEEPEST = 12
MOST_PAIRS = 2_000
_LONGEST_INDEX = 4


def decode(text: str | bytes) -> dict[str, Any]:
    """The nested value that a query or a form stands for: its leaves are strings. Raises StripeError."""
    pairs = _pairs(text if isinstance(text, bytes) else text.encode())
    form: dict[str, Any] = {}
    for name, value in pairs:
        _place(form, _path(name), value, name)
    return form


def encode(params: Mapping[str, Any]) -> str:
    """The form of a nested value, as the official SDKs write it; None is left out."""
    return "&".join(f"{quote_plus(name, safe='[]')}={quote_plus(value)}" for name, value in flat(params))


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a nested value by their names in a form."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}[{key}]" if prefix else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{prefix}[{index}]")
    elif value is not None:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(text: bytes) -> Iterator[tuple[str, str]]:
    parts = [part for part in text.split(b"&") if part]
    if len(parts) > MOST_PAIRS:
        raise invalid(f"Invalid request: more than {MOST_PAIRS} parameters.")
    for part in parts:
        name, _, value = part.partition(b"=")
        yield _text(name), _text(value)


_HEX = {f"{high}{low}".encode(): bytes([int(high + low, 16)]) for high in "0123456789abcdefABCDEF" for low in "0123456789abcdefABCDEF"}


def _text(encoded: bytes) -> str:
    """What percent signs and plus signs stand for. Raises StripeError where that is no UTF-8, or no percent encoding at all."""
    first, *rest = encoded.replace(b"+", b" ").split(b"%")
    try:
        text = (first + b"".join([_HEX[part[:2]] + part[2:] for part in rest])).decode()
    except (KeyError, UnicodeDecodeError):
        raise invalid("Invalid request: its parameters are not percent-encoded UTF-8.") from None
    if "\0" in text:
        raise invalid("Invalid request: a parameter holds a NUL character.")
    return text


def _path(name: str) -> list[str]:
    """`a`, `b` and '' of `a[b][]`. Raises StripeError for brackets that do not match."""
    head, bracket, rest = name.partition("[")
    keys = rest[:-1].split("][") if bracket else []
    if not head or "]" in head or (bracket and not rest.endswith("]")) or any("[" in key or "]" in key for key in keys):
        raise invalid(f"Invalid parameter name: {name[:80]!r}.")
    if len(keys) >= DEEPEST:
        raise invalid(f"Invalid parameter name: {name[:80]!r} is nested more than {DEEPEST} deep.")
    return [head, *keys]


def _place(into: dict[str, Any], path: list[str], value: str, name: str) -> None:
    """Put a leaf where its path leads. Raises StripeError where something else stands there."""
    *hashes, last = path
    if "" in hashes:
        raise invalid(f"Invalid parameter name: {name[:80]!r}; number the hashes of a list, as in items[0][price].")
    for key, following in zip(hashes, path[1:], strict=True):
        made: Any = [] if following == "" else {}
        found = into.setdefault(key, made)
        if type(found) is not type(made):
            raise _clash(name)
        if following == "":
            found.append(value)
            return
        into = found
    if last in into:
        raise _clash(name)
    into[last] = value


def _clash(name: str) -> Exception:
    return invalid(f"Invalid parameter: {name[:80]!r} is given more than once, or as more than one kind of value.", param=name[:80])


def listed(value: dict[str, Any]) -> list[Any] | None:
    """The list that a hash stands for whose keys are all numbers, in their order; None for any other hash."""
    if not all([key.isascii() and key.isdecimal() and len(key) <= _LONGEST_INDEX for key in value]):
        return None
    return [value[key] for key in sorted(value, key=int)]
