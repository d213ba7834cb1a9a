"""The ingress: Stripe's signature, verified as the platform does."""

from __future__ import annotations

import hmac
import re

from billsim.core import signature

TOLERANCE_S = 300
# A header of one stamp and one signature.
_USUAL = re.compile(r"t=(\d+),v1=([^,]*)").fullmatch


class SignatureError(Exception):
    """A delivery whose signature does not verify; the ingress answers 400."""


def verify(body: bytes, header: str, secret: str, now_s: int) -> None:
    """Raise SignatureError unless one `v1` is the body's and the stamp is within the tolerance of 300 s."""
    usual = _USUAL(header)
    stamp, macs = (int(usual[1]), [usual[2]]) if usual else _read(header)
    if stamp is None or not macs:
        raise SignatureError("the header has no stamp or no v1 signature")
    expected = signature.mac(body, secret, stamp)
    for mac in macs:
        if hmac.compare_digest(expected, mac):
            break
    else:
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
