"""How Stripe signs what it posts (https://docs.stripe.com/webhooks#verify-manually): HMAC-SHA256 over `<t>.<body>`, sent as `t=<t>,v1=<hex>`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

Body = bytes | bytearray
_BLOCK = 64


def sign(body: Body, secret: str, now_s: int) -> str:
    """The `Stripe-Signature` header of one delivery attempt, at an instant in unix seconds."""
    return f"t={now_s},v1={mac(body, secret, now_s)}"


def mac(body: Body, secret: str, stamp: int) -> str:
    """The signature, in hex, of a body that was stamped with these unix seconds."""
    begin_inner, begin_outer = _keyed(secret)
    inner, outer = begin_inner(), begin_outer()
    inner.update(b"%d." % stamp)
    inner.update(body)
    outer.update(inner.digest())
    signature: str = outer.hexdigest()
    return signature


@cache
def _keyed(secret: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What begins the two hashes of an HMAC (RFC 2104), with the key already in each: that is half the work of a short body."""
    key = secret.encode()
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes([byte ^ 0x36 for byte in key])).copy, hashlib.sha256(bytes([byte ^ 0x5C for byte in key])).copy
