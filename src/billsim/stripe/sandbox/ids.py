"""Ids of an account, shaped as Stripe's: a prefix and letters and digits that follow from a seed.

Inside, what Stripe makes by itself is named by what it comes of: `ch_1Abc_2.1` is the first charge of the second invoice of `sub_1Abc`. Outside it
has a name of its own. Which names are inside ones can be seen: they hold the stem of something that was made by request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS = bytes([_ALPHABET[byte % len(_ALPHABET)] for byte in range(256)])
# Letters and digits after a prefix: 24 begin with a 1 or a 3, shorter ones are of Stripe's early days.
_SHORT = {"cus": 14, "prod": 14, "si": 14, "req": 14}
_LONG = 24
_FIRST = {"pi": "3", "ch": "3", "re": "3", "py": "3"}
# What may follow the prefix of an inside name: a stem, and the rest of the path. An event's prefix holds that of its object.
_TAIL = re.compile(rb"_(?P<stem>[A-Za-z0-9]{12,32})[A-Za-z0-9_.#-]*")
_PREFIX = frozenset(b"abcdefghijklmnopqrstuvwxyz_")
_SECRET = b"_secret_"


class PublicIds:
    """The names of one account's objects, inside and outside. `seed` decides the letters."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stems: set[bytes] = set()
        self._roots: set[bytes] = set()
        self._outside: dict[bytes, bytes] = {}
        self._inside: dict[str, str] = {}

    def made(self, prefix: str, number: int) -> str:
        """The id of what the `number`th request makes: it has one name, inside and outside."""
        id = self.shaped(prefix, f"request/{number}")
        self._roots.add(id.encode())
        self._stems.add(id.rpartition("_")[2].encode())
        return id

    def stem(self, stem: str) -> None:
        """From now on what is named by this stem has another name outside."""
        self._stems.add(stem.encode())

    def met(self, id: str) -> None:
        """Something has been made that has this name inside."""
        found = _TAIL.search(id.encode())
        if found is not None:
            self._stems.add(found["stem"])

    def alias(self, inside: str, outside: str) -> None:
        """An inside name whose outside one is known already."""
        self.met(inside)
        self._outside[inside.encode()] = outside.encode()
        self._inside[outside] = inside

    def outward(self, body: bytes) -> bytes:
        """A text with the outside names in place of the inside ones."""
        parts, end = [], 0
        for tail in _TAIL.finditer(body):
            if tail["stem"] in self._stems:
                start = tail.start()
                while start > end and body[start - 1] in _PREFIX:
                    start -= 1
                parts += [body[end:start], self._told(body[start : tail.end()])]
                end = tail.end()
        return b"".join([*parts, body[end:]])

    def inward(self, value: Any) -> Any:
        """A value, however nested, with the inside names in place of the outside ones."""
        if isinstance(value, str):
            return self._inside.get(value, value)
        if isinstance(value, Mapping):
            return {key: self.inward(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.inward(each) for each in value]
        return value

    def shaped(self, prefix: str, name: str) -> str:
        """The id with this prefix that stands for a name."""
        length = _SHORT.get(prefix, _LONG)
        first = "" if length < _LONG else _FIRST.get(prefix, "1")
        letters = blake2b(f"{self._seed}/{prefix}/{name}".encode(), digest_size=_LONG).digest().translate(_LETTERS).decode()
        return f"{prefix}_{first}{letters[len(first) : length]}"

    def memory(self) -> list[Any]:
        """The names that are known."""
        return sorted(self._inside.items())

    def _told(self, token: bytes) -> bytes:
        """The outside name of an inside one, with what follows it."""
        name, secret, tail = token.partition(_SECRET)
        name, stop = (name[:-1], b".") if name.endswith(b".") else (name, b"")  # a sentence ends there
        if name in self._roots:
            return token
        known = self._outside.get(name)
        if known is None:
            inside = name.decode()
            outside = self.shaped("upcoming_in" if inside.startswith("upcoming_in_") else inside.partition("_")[0], inside)
            self.alias(inside, outside)
            known = outside.encode()
        return known + stop + secret + tail
