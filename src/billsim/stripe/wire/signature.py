"""How Stripe signs what it sends (https://docs.stripe.com/webhooks#verify-manually)."""

from __future__ import annotations

import hmac


def signed(body: bytes, secret: str, at_s: int) -> str:
    """The header `Stripe-Signature` of a delivery at an instant, in unix seconds."""
    mac = hmac.new(secret.encode(), b"%d." % at_s + body, "sha256").hexdigest()
    return f"t={at_s},v1={mac}"
