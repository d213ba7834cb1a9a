"""How Stripe signs what it posts (https://docs.stripe.com/webhooks#verify-manually): HMAC-SHA256 over `<t>.<body>`, sent as `t=<t>,v1=<hex>`."""

from __future__ import annotations

import hmac
from functools import cache


def sign(body: bytes, secret: str, now_s: int) -> str:
    """The `Stripe-Signature` header of one delivery attempt, at an instant in unix seconds."""
    return f"t={now_s},v1={mac(body, secret, now_s)}"


def mac(body: bytes, secret: str, stamp: int) -> str:
    """The signature, in hex, of a body that was stamped with these unix seconds."""
    made = _keyed(secret).copy()
    made.update(b"%d." % stamp)
    made.update(body)
    return made.hexdigest()


@cache
def _keyed(secret: str) -> hmac.HMAC:
    """An HMAC with the key already in it: that is half the work of a short body."""
    return hmac.new(secret.encode(), digestmod="sha256")
