"""What every Stripe object is made of."""

from __future__ import annotations

import msgspec

API_VERSION = "2026-10-28.endive"


class StripeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every Stripe object has."""

    id: str
    created: int
    livemode: bool = True
    metadata: dict[str, str] = {}


class Period(msgspec.Struct, frozen=True, gc=False):
    """From when to when something is paid for, in unix seconds."""

    start: int
    end: int
