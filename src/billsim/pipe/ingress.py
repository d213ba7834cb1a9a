"""The ingress: Stripe's signature, made on one side of the wire and verified on the other.

Scheme: https://docs.stripe.com/webhooks#verify-manually. HMAC-SHA256 over `<t>.<body>`, sent as `t=<t>,v1=<hex>`.
"""

from __future__ import annotations

import hmac
from functools import cache

TOLERANCE_S = 300


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
        if hmac.compare_digest(expected, mac):
            break
    else:
        raise SignatureError("no v1 signature is the body's")
    if abs(now_s - stamp) > TOLERANCE_S:
        raise SignatureError("the stamp is outside the tolerance")


def _mac(body: bytes, secret: str, stamp: int) -> str:
    mac = _keyed(secret).copy()
    mac.update(b"%d." % stamp)
    mac.update(body)
    return mac.hexdigest()


@cache
def _keyed(secret: str) -> hmac.HMAC:
    """An HMAC with the key already in it: that is half the work of a short body."""
    return hmac.new(secret.encode(), digestmod="sha256")
