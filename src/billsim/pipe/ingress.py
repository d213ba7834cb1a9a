"""The ingress: Stripe's signature, made on one side of the wire and verified on the other.

Scheme: https://docs.stripe.com/webhooks#verify-manually. HMAC-SHA256 over `<t>.<body>`, sent as `t=<t>,v1=<hex>`.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from hmac import compare_digest
from typing import Any

TOLERANCE_S = 300
_BLOCK = 64


class SignatureError(Exception):
    """A delivery whose signature does not verify; the ingress answers 400."""


def sign(body: bytes, secret: str, now_s: int) -> str:
    """The `Stripe-Signature` header of one delivery attempt."""
    return f"t={now_s},v1={_mac(body, secret, now_s)}"


def verify(body: bytes, header: str, secret: str, now_s: int) -> None:
    """Raise SignatureError unless one `v1` is the body's and the stamp is within the tolerance of 300 s."""
    stamp, macs = None, []
    for part in header.split(","):
        if part.startswith("v1="):
            macs.append(part[3:])
        elif part.startswith("t=") and part[2:].isdecimal():
            stamp = int(part[2:])
    if stamp is None or not macs:
        raise SignatureError("the header has no stamp or no v1 signature")
    expected = _mac(body, secret, stamp)
    for mac in macs:
        if compare_digest(expected, mac):
            break
    else:
        raise SignatureError("no v1 signature is the body's")
    if abs(now_s - stamp) > TOLERANCE_S:
        raise SignatureError("the stamp is outside the tolerance")


def _mac(body: bytes, secret: str, stamp: int) -> str:
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(b"%d." % stamp)
    inner.update(body)
    outer.update(inner.digest())
    return str(outer.hexdigest())


@cache
def _keyed(secret: str) -> tuple[Any, Any]:
    """The two hashes of an HMAC (https://www.rfc-editor.org/rfc/rfc2104) with the key already in them: that is half the work of a short body."""
    key = secret.encode()
    key = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in key)), sha256(bytes(byte ^ 0x5C for byte in key))
