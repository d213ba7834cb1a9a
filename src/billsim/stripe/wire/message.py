"""A request and its answer, as bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ANY_KEY = "billsim-any"
"""As an Idempotency-Key: whoever asks wants none, and the door is to make one that no other request has, as the official SDKs do."""


class Request(msgspec.Struct, frozen=True):
    """A request: `path` is without the `query`, which stands without its `?`; names of headers in any case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Response(msgspec.Struct, frozen=True):
    """An answer: JSON in UTF-8."""

    status: int
    headers: dict[str, str]
    body: bytes
