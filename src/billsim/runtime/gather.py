"""Gathering an account: one effect and one kernel event, though each row is read at its own instant.

A shard keeps what its rows were while a gather is under way; when the slowest read is in, the rows are taken back to the instants at which they
were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from billsim.core.choices import Quantiles
from billsim.core.latency import STORE, STRIPE_READ
from billsim.ports import AccountState, StripeState
from billsim.stores.base import Shard, Undo

# What a gather reads, each at its own instant, and how long such a read takes.
GATHERED: tuple[tuple[str, Quantiles], ...] = (
    ("subs_dunning", STORE),
    ("subs_account", STORE),
    ("subs_customer", STORE),
    ("billing_prod", STORE),
    ("cf_prod", STORE),
    ("ope", STORE),
    ("www", STORE),
    ("stripe.customer", STRIPE_READ),
    ("stripe.subscription", STRIPE_READ),
    ("stripe.invoice", STRIPE_READ),
)
_NAMES = tuple(name for name, _ in GATHERED)
# Kinds of Stripe object, as records name them, and the request of a gather that brings them.
_BROUGHT_BY = {
    "stripe.customer": "stripe.customer",
    "stripe.payment_method": "stripe.customer",
    "stripe.subscription": "stripe.subscription",
    "stripe.invoice": "stripe.invoice",
    "stripe.payment_intent": "stripe.invoice",
    "stripe.charge": "stripe.invoice",
}


class Branches(NamedTuple):
    """What a gather reads: (store, how long that takes), and how many of these are round trips to stores and to Stripe."""

    reads: tuple[tuple[str, Quantiles], ...]
    store_trips: int
    stripe_trips: int


@cache
def branches(parts: tuple[str, ...]) -> Branches:
    """What a gather of these parts reads; () is all. Raises ValueError for a part that there is not."""
    unknown = [part for part in parts if part not in _NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no part of a gather; there are {', '.join(_NAMES)}")
    reads = tuple(branch for branch in GATHERED if not parts or branch[0] in parts)
    stripe_trips = sum(store.startswith("stripe.") for store, _ in reads)
    return Branches(reads, len(reads) - stripe_trips, stripe_trips)


def gathered(shard: Shard, parts: tuple[str, ...], instants: Sequence[int], sharers: Sequence[str]) -> AccountState:
    """The account as the reads of `parts` found it; ends the gather.

    `instants` are when each branch was read, and `sharers` all accounts of the customer.
    """
    rows, many, stripe = shard.rows, shard.many, _objects(shard)
    if shard.undo:
        rows, many, stripe = _as_of(shard.undo, dict(zip((store for store, _ in branches(parts).reads), instants, strict=True)), rows, many, stripe)
    shard.gathers -= 1
    if not shard.gathers:
        shard.undo.clear()
    if parts:
        rows = {store: row for store, row in rows.items() if store in parts}
        many = {store: kept for store, kept in many.items() if store in parts}
        stripe = {kind: kept if _BROUGHT_BY[kind] in parts else {} for kind, kept in stripe.items()}
    customer, *objects = stripe.values()
    return AccountState(
        shard.account,
        rows.get("subs_dunning"),
        rows.get("subs_account"),
        rows.get("subs_customer"),
        many.get("billing_prod", {}),
        many.get("cf_prod", {}),
        many.get("ope", {}),
        many.get("www", {}),
        StripeState(next(iter(customer.values()), None), *objects),
        tuple(account for account in sharers if account != shard.account) if len(sharers) > 1 else (),
    )


Rows = dict[str, Any]
Kept = dict[str, dict[str, Any]]


def _objects(shard: Shard) -> Kept:
    """The customer's objects at Stripe as they stand, by kind."""
    book = shard.stripe
    if book is None:
        return {kind: {} for kind in _BROUGHT_BY}
    return {
        "stripe.customer": {} if book.customer is None else {book.id: book.customer},
        "stripe.payment_method": book.payment_methods,
        "stripe.subscription": book.subscriptions,
        "stripe.invoice": book.invoices,
        "stripe.payment_intent": book.payment_intents,
        "stripe.charge": book.charges,
    }


def _as_of(undone: Sequence[Undo], read_at: dict[str, int], rows: Rows, many: Kept, stripe: Kept) -> tuple[Rows, Kept, Kept]:
    """Copies of the rows and objects, with every write taken back that came after the instant at which its branch was read."""
    rows, many, stripe = dict(rows), {store: dict(kept) for store, kept in many.items()}, {kind: dict(kept) for kind, kept in stripe.items()}
    for undo in reversed(undone):
        instant = read_at.get(_BROUGHT_BY.get(undo.store, undo.store))
        if instant is None or undo.at <= instant:
            continue
        kept = stripe[undo.store] if undo.store in stripe else rows if undo.key == undo.store else many.setdefault(undo.store, {})
        if undo.old is None:
            kept.pop(undo.key, None)
        else:
            kept[undo.key] = undo.old
    return rows, many, stripe
