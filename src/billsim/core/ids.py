"""Derived ids: the name of a thing is made from the path of its causes, so that the same seed names the same things under every engine."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def short(path: str) -> str:
    """Twelve characters (60 bits) that stand for a long path of causes, so that names stay bounded however deep the causes go."""
    bits = xxh3_64_intdigest(path.encode())
    return "".join([_ALPHABET[bits >> shift & 31] for shift in range(0, 60, 5)])
