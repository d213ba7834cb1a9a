"""Gathering an account: one effect, one question and one kernel event, though each row is read at its own instant.

Only the slowest read says when a gather is over. A shard keeps what its rows were while one is under way; rows that moved meanwhile are taken back to
the instant at which they were read, and that instant is asked for only then, because nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from billsim.core.choices import Choices, Quantiles
from billsim.core.latency import STORE, STRIPE_READ, slowest
from billsim.ports import AccountState, StripeState
from billsim.stores.base import Shard, Undo

# What a gather reads, each at its own instant, and how long such a read takes.
GATHERED: dict[str, Quantiles] = {
    "subs_dunning": STORE,
    "subs_account": STORE,
    "subs_customer": STORE,
    "billing_prod": STORE,
    "cf_prod": STORE,
    "ope": STORE,
    "www": STORE,
    "stripe.customer": STRIPE_READ,
    "stripe.subscription": STRIPE_READ,
    "stripe.invoice": STRIPE_READ,
}
_STORES = tuple(name for name, table in GATHERED.items() if table is STORE)
# Kinds of Stripe object, as records name them and in the order of a StripeState, and the request of a gather that brings them.
BROUGHT_BY = {
    "stripe.customer": "stripe.customer",
    "stripe.payment_method": "stripe.customer",
    "stripe.subscription": "stripe.subscription",
    "stripe.invoice": "stripe.invoice",
    "stripe.payment_intent": "stripe.invoice",
    "stripe.charge": "stripe.invoice",
}
_KINDS = tuple(BROUGHT_BY)


class Branches(NamedTuple):
    """What a gather reads: store -> how long that takes, and how long the slowest takes; how many of these are round trips to stores and to Stripe.

    `rows` are the stores in the order of an AccountState, '' for one that is not read; `objects` says of each kind at Stripe whether it is, and
    `left_out` are the places, in the order of a StripeState, of those that are not.
    """

    reads: dict[str, Quantiles]
    slowest: Quantiles
    store_trips: int
    stripe_trips: int
    rows: tuple[str, ...]
    objects: tuple[bool, ...]
    left_out: tuple[int, ...]


@cache
def branches(parts: tuple[str, ...]) -> Branches:
    """What a gather of these parts reads; () is all. Raises ValueError for a part that there is not."""
    unknown = [part for part in parts if part not in GATHERED]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no part of a gather; there are {', '.join(GATHERED)}")
    reads = {store: table for store, table in GATHERED.items() if not parts or store in parts}
    rows = tuple(store if store in reads else "" for store in _STORES)
    store_trips = sum(bool(store) for store in rows)
    objects = tuple(request in reads for request in BROUGHT_BY.values())
    left_out = tuple(place for place, asked in enumerate(objects) if not asked)
    return Branches(reads, slowest(list(reads.values())), store_trips, len(reads) - store_trips, rows, objects, left_out)


def read_instants(undone: Sequence[Undo], parts: tuple[str, ...], label: str, began_ms: int, ended_ms: int, choices: Choices) -> dict[str, int]:
    """When the gather `label` read each branch that has moved since it began: each takes its own time, and none longer than the slowest."""
    reads = branches(parts).reads
    found: dict[str, int] = {}
    for at, moved, _, _ in undone:
        if at > began_ms:
            store = BROUGHT_BY.get(moved, moved)
            if store in reads and store not in found:
                found[store] = min(began_ms + choices.ask(f"{label}/{store}", reads[store]), ended_ms)
    return found


def gathered(
    shard: Shard, parts: tuple[str, ...], read_at: Mapping[str, int], sharers: Sequence[str], objects: list[Any] | None = None
) -> AccountState:
    """The account as the reads of `parts` found it; ends the gather.

    `read_at` is when each branch was read that moved meanwhile, and `sharers` all accounts of the customer. `objects`: what Stripe says that it has
    now, in the order of a StripeState; where it was not asked, that is looked up in its book.
    """
    rows, many, stripe, read = shard.rows, shard.many, on_the_books(shard) if objects is None else list(objects), branches(parts)
    for place in read.left_out:
        stripe[place] = {} if place else None
    if read_at:
        rows, many = _as_of(shard.undo, read_at, rows, many, stripe)
    given_up(shard)
    dunning, profile, customer, ledger, entitlements, ope, zones = read.rows
    return AccountState(
        shard.account,
        rows.get(dunning),
        rows.get(profile),
        rows.get(customer),
        many.get(ledger) or {},
        many.get(entitlements) or {},
        many.get(ope) or {},
        many.get(zones) or {},
        StripeState(*stripe),
        tuple([account for account in sharers if account != shard.account]) if len(sharers) > 1 else (),
    )


def given_up(shard: Shard) -> None:
    """A gather ends: what moves from now on need not be kept for it."""
    shard.gathers -= 1
    if not shard.gathers and shard.undo:
        shard.undo.clear()


Rows = dict[str, Any]
Kept = dict[str, dict[str, Any]]


def on_the_books(shard: Shard) -> list[Any]:
    """The customer's objects at Stripe as they stand, as a StripeState has them."""
    book = shard.stripe
    if book is None:
        return [None, {}, {}, {}, {}, {}]
    return [book.customer, book.payment_methods, book.subscriptions, book.invoices, book.payment_intents, book.charges]


def _as_of(undone: Sequence[Undo], read_at: Mapping[str, int], rows: Rows, many: Kept, stripe: list[Any]) -> tuple[Rows, Kept]:
    """The rows with every write taken back that came after the instant at which its branch was read, and the objects too, in their list; copies only
    what that changes.
    """
    rows, many = dict(rows), dict(many)
    copied: list[str] = []
    for at, store, key, old in reversed(undone):
        instant = read_at.get(BROUGHT_BY.get(store, store))
        if instant is None or at <= instant:
            continue
        if store == "stripe.customer":
            stripe[0] = old
            continue
        if store == key:
            kept = rows
        elif store in BROUGHT_BY:
            place = _KINDS.index(store)
            kept = stripe[place] = stripe[place] if store in copied else dict(stripe[place])
        else:
            kept = many[store] = many.get(store, {}) if store in copied else dict(many.get(store, {}))
        copied.append(store)
        if old is None:
            kept.pop(key, None)
        else:
            kept[key] = old
    return rows, many
