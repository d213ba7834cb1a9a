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
    # A header usually has one stamp and then one signature.
    at, _, mac = header.partition(",v1=")
    if mac and "," not in mac and at[:2] == "t=" and at[2:].isdecimal():
        stamp = int(at[2:])
        genuine = hmac.compare_digest(signature.mac(body, secret, stamp), mac)
    else:
        told, macs = _read(header)
        if told is None or not macs:
            raise SignatureError("the header has no stamp or no v1 signature")
        stamp, expected = told, signature.mac(body, secret, told)
        genuine = any([hmac.compare_digest(expected, mac) for mac in macs])
    if not genuine:
        raise SignatureError("no v1 signature is the body's")
    if not -TOLERANCE_S <= now_s - stamp <= TOLERANCE_S:
        raise SignatureError("the stamp is outside the tolerance")


def _read(header: str) -> tuple[int | None, list[str]]:
    """The stamp of any header, in unix seconds, and its `v1` signatures."""
    stamp, macs = None, []
    for part in header.split(","):
        if part.startswith("v1="):
            macs.append(part[3:])
        elif part.startswith("t=") and part[2:].isdecimal():
            stamp = int(part[2:])
    return stamp, macs
