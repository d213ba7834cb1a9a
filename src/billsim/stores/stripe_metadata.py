"""Stripe metadata as a store: five keys that govern bad-debt state. The rows live at Stripe; what is kept here is who may write them."""

from __future__ import annotations

from billsim.stores.base import OwnershipError

NAME = "stripe_metadata"
WRITERS = frozenset({"engine", "pipe"})


def check_writer(writer: str) -> None:
    """Raise OwnershipError for a component that may not write metadata."""
    if writer not in WRITERS:
        raise OwnershipError(NAME, writer)
