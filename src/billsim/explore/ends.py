"""What an order comes to: all that is stored in the end, and apart from each other the authorities and what is derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from xxhash import xxh3_128_hexdigest

from billsim.core.policy import DunningPolicy
from billsim.explore.orders import End
from billsim.stripe.objects import Book
from billsim.world import World

_encode = msgspec.json.Encoder(order="deterministic").encode
_BOOK = tuple(name for name in Book.__slots__ if name != "id")
_DUNNING = ("status", "retry_count", "escalation_level")
# How an engine keeps its books: what was done stands in another order after another way, and how often a row was written tells of the way alone.
_BOOKKEEPING = frozenset({"version"})
_UNORDERED = frozenset({"done", "intent"})
# Instants: seconds and milliseconds since the epoch, and ten times the seconds, from the year 2001 on; no amount of money comes near.
_INSTANTS = ((10**9, 10**11), (10**12, 10**14))


def end_of(world: World, signatures: tuple[str, ...]) -> End:
    """The end that a world has come to. Whatever is an instant is left out of authorities and derived fields, so that other tellings compare."""
    stored: list[Any] = []
    authorities: list[Any] = []
    derived: list[Any] = []
    for account, shard in world.stores.shards.items():
        book = _book(shard.stripe)
        rows = {name: _plain(row) for name, row in (*shard.rows.items(), *shard.many.items())}
        kept, own = _parted(book, rows, world.policy)
        stored.append([account, rows, book])
        authorities.append([account, kept])
        derived.append([account, own])
    digests = [xxh3_128_hexdigest(_encode(part)) for part in (stored, _without_instants(authorities), _without_instants(derived))]
    return End(digests[0], digests[1], digests[2], signatures)


def _book(book: Book | None) -> dict[str, Any]:
    return {} if book is None else {name: _plain(getattr(book, name)) for name in _BOOK}


def _parted(book: Mapping[str, Any], rows: Mapping[str, Any], policy: DunningPolicy) -> tuple[Any, Any]:
    """The authorities, and what is derived."""
    dunning, profile = rows.get("subs_dunning") or {}, rows.get("subs_account") or {}
    ours = policy.bad_debt_flag | policy.no_success_flag
    customer_keys = (policy.bad_debt_key, policy.bad_debt_since_key, policy.no_success_key, policy.account_type_key)
    invoice_keys = (policy.bad_debt_key, policy.bad_debt_amount_key)
    customer, invoices = book.get("customer") or {}, book.get("invoices") or {}
    derived = {
        "dunning": {field: dunning.get(field) for field in _DUNNING},
        "flags": profile.get("flags", 0) & ours,
        "customer": _chosen(customer.get("metadata"), customer_keys),
        "invoices": {id: kept for id, invoice in invoices.items() if (kept := _chosen(invoice["metadata"], invoice_keys))},
        "ledger": _latest(rows.get("billing_prod") or {}),
        **{store: rows.get(store) for store in ("cf_prod", "www")},
    }
    authorities = {
        **book,
        "customer": {**customer, "metadata": None},
        "invoices": {id: {**invoice, "metadata": None} for id, invoice in invoices.items()},
        "profile": {**profile, "flags": profile.get("flags", 0) & ~ours},
        **{store: rows.get(store) for store in ("ope", "subs_customer")},
    }
    return authorities, derived


def _latest(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """The last entry of each invoice and charge: what came before tells when somebody looked."""
    latest: dict[str, Any] = {}
    for entry in sorted(ledger.values(), key=lambda entry: entry["sequence"]):
        latest[entry["object_id"]] = [entry[field] for field in ("status", "amount_due", "amount_paid", "amount_remaining")]
    return latest


def _chosen(metadata: Mapping[str, str] | None, keys: tuple[str, ...]) -> dict[str, str]:
    return {key: metadata[key] for key in keys if metadata and metadata.get(key)}


def _plain(thing: Any) -> Any:
    return _without_bookkeeping(msgspec.to_builtins(thing))


def _without_bookkeeping(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: sorted(each) if key in _UNORDERED and each else _without_bookkeeping(each)
            for key, each in value.items()
            if key not in _BOOKKEEPING
        }
    return [_without_bookkeeping(each) for each in value] if isinstance(value, list) else value


def _without_instants(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_instants(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_instants(each) for each in value]
    number = int(value) if isinstance(value, str) and value.isdigit() and value.isascii() else value
    is_instant = isinstance(number, int) and any(least <= number < above for least, above in _INSTANTS)
    return None if is_instant else value
