"""Gathering an account: one effect and one kernel event, though each row is read at its own instant.

A shard keeps what its rows were while a gather is under way; when the slowest read is in, the rows are taken back to the instants at which they
were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

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
_KINDS = tuple(kind for kind in _BROUGHT_BY if kind != "stripe.customer")


@cache
def branches(parts: tuple[str, ...]) -> tuple[tuple[str, Quantiles], ...]:
    """What a gather of these parts reads; () is all. Raises ValueError for a part that there is not."""
    unknown = [part for part in parts if part not in _NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no part of a gather; there are {', '.join(_NAMES)}")
    return tuple(branch for branch in GATHERED if not parts or branch[0] in parts)


def gathered(shard: Shard, parts: tuple[str, ...], instants: Sequence[int], sharers: Sequence[str]) -> AccountState:
    """The account as the reads of `parts` found it; ends the gather.

    `instants` are when each branch was read, and `sharers` all accounts of the customer.
    """
    rows, many = dict(shard.rows), {store: dict(kept) for store, kept in shard.many.items()}
    stripe = _objects(shard)
    if shard.undo:
        read_at = dict(zip((store for store, _ in branches(parts)), instants, strict=True))
        for undo in reversed(shard.undo):
            instant = read_at.get(_BROUGHT_BY.get(undo.store, undo.store))
            if instant is not None and undo.at > instant:
                _take_back(undo, rows, many, stripe)
    shard.gathers -= 1
    if not shard.gathers:
        shard.undo.clear()
    if parts:
        rows = {store: row for store, row in rows.items() if store in parts}
        many = {store: kept for store, kept in many.items() if store in parts}
        stripe = {kind: kept if _BROUGHT_BY[kind] in parts else {} for kind, kept in stripe.items()}
    return AccountState(
        account=shard.account,
        dunning=rows.get("subs_dunning"),
        profile=rows.get("subs_account"),
        customer=rows.get("subs_customer"),
        ledger=many.get("billing_prod", {}),
        entitlements=many.get("cf_prod", {}),
        ope=many.get("ope", {}),
        zones=many.get("www", {}),
        stripe=StripeState(next(iter(stripe["stripe.customer"].values()), None), *(stripe[kind] for kind in _KINDS)),
        shared_with=tuple(account for account in sharers if account != shard.account) if len(sharers) > 1 else (),
    )


def _objects(shard: Shard) -> dict[str, dict[str, Any]]:
    """The customer's objects at Stripe as they stand, by kind."""
    book = shard.stripe
    if book is None:
        return {kind: {} for kind in _BROUGHT_BY}
    return {
        "stripe.customer": {} if book.customer is None else {book.id: book.customer},
        "stripe.payment_method": dict(book.payment_methods),
        "stripe.subscription": dict(book.subscriptions),
        "stripe.invoice": dict(book.invoices),
        "stripe.payment_intent": dict(book.payment_intents),
        "stripe.charge": dict(book.charges),
    }


def _take_back(undo: Undo, rows: dict[str, Any], many: dict[str, dict[str, Any]], stripe: dict[str, dict[str, Any]]) -> None:
    """Put a row back to what it was before a write."""
    if undo.store in stripe:
        kept = stripe[undo.store]
    elif undo.key == undo.store:
        kept = rows
    else:
        kept = many.setdefault(undo.store, {})
    if undo.old is None:
        kept.pop(undo.key, None)
    else:
        kept[undo.key] = undo.old
