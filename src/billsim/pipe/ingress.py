"""The ingress: Stripe's signature, made on one side of the wire and verified on the other.

Scheme: https://docs.stripe.com/webhooks#verify-manually. HMAC-SHA256 over `<t>.<body>`, sent as `t=<t>,v1=<hex>`.
"""

from __future__ import annotations

import hmac

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
        name, _, value = part.partition("=")
        if name == "t" and value.isdecimal():
            stamp = int(value)
        elif name == "v1":
            macs.append(value)
    if stamp is None or not macs:
        raise SignatureError("the header has no stamp or no v1 signature")
    expected = _mac(body, secret, stamp)
    if not any(hmac.compare_digest(expected, mac) for mac in macs):
        raise SignatureError("no v1 signature is the body's")
    if abs(now_s - stamp) > TOLERANCE_S:
        raise SignatureError("the stamp is outside the tolerance")


def _mac(body: bytes, secret: str, stamp: int) -> str:
    return hmac.digest(secret.encode(), b"%d.%b" % (stamp, body), "sha256").hex()
