"""The ingress: Stripe's signature, verified as the platform does."""

from __future__ import annotations

import hmac

from billsim.core import signature
from billsim.core.signature import Body

TOLERANCE_S = 300


class SignatureError(Exception):
    """A delivery whose signature does not verify; the ingress answers 400."""


def verify(body: Body, header: str, secret: str, now_s: int) -> None:
    """Raise SignatureError unless one `v1` is the body's and the stamp is within the tolerance of 300 s."""
    stamp, macs = None, []
    for part in header.split(","):
        if part.startswith("v1="):
            macs.append(part[3:])
        elif part.startswith("t=") and part[2:].isdecimal():
            stamp = int(part[2:])
    if stamp is None or not macs:
        raise SignatureError("the header has no stamp or no v1 signature")
    expected = signature.mac(body, secret, stamp)
    for mac in macs:
        if hmac.compare_digest(expected, mac):
            break
    else:
        raise SignatureError("no v1 signature is the body's")
    if abs(now_s - stamp) > TOLERANCE_S:
        raise SignatureError("the stamp is outside the tolerance")
