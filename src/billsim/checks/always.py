"""What must hold after every step. Each check looks at one record beside its account, and names what is wrong as a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stores.base import Shard
from billsim.stripe.objects import Book, Charge

ENGINE, FACADE, WORLD = "engine", "facade", "world"
_GUARDED = frozenset({"subs_dunning", "cf_prod", "ope"})
_ENDED = frozenset({"stripe.subscription", "stripe.invoice", "ope"})
# Writes to other stores have nothing to be checked for, unless nobody may write the account automatically.
LOOKED_AT = frozenset({"subs_account", "stripe.charge", "billing_prod"})


class Finding(msgspec.Struct, frozen=True, gc=False):
    """Something that must never happen, and did. `signature` is equal for equal faults, whichever account and instant they struck."""

    signature: str
    check: str
    account: str
    at: int
    summary: str


def check_action(shard: Shard, record: ActionRecord, policy: DunningPolicy) -> Iterator[Finding]:
    """An executed consequence: one execution a key, and none that chases a paid invoice."""
    if not record.executed:
        return
    times = shard.actions.get(f"{record.kind}|{record.debt}|{record.step}", 0)
    most = max(1, len(shard.all("ope"))) if record.kind == "cancel" else 1
    if times > most:
        yield _finding("action_twice", record, record.kind, f"{record.kind} {record.step} for {record.debt} was executed {times} times")
    paid_ms = _paid_at_ms(shard.stripe, record.debt)
    chases = record.kind in ("notify", "flag", "cancel", "ban") and record.step != "recovered"
    if chases and paid_ms is not None and record.at_ms - paid_ms > policy.lag_budget_ms:
        yield _finding("paid_chased", record, record.kind, f"{record.kind} {record.step} for {record.debt}, which had been paid")


def check_write(shard: Shard, record: WriteRecord, policy: DunningPolicy, writer: str, judged: bool) -> Iterator[Finding]:
    """A write by a component that writes as `writer`; `judged` False: an account that nobody may write automatically."""
    store = record.store
    if store == "subs_account" and writer == ENGINE:
        yield from _check_foreign_bits(record, policy)
    elif store == "stripe.charge":
        yield from _check_charge(shard.stripe, record)
    elif store == "billing_prod" and record.old is not None:
        yield _finding("ledger_rewritten", record, store, f"the entry {record.key} was written again")
    if not judged and writer == ENGINE and _is_automatic(record, policy):
        yield _finding("automatic_write", record, store, f"{record.component} wrote {store} of an account that nothing may write automatically")


def _check_foreign_bits(record: WriteRecord, policy: DunningPolicy) -> Iterator[Finding]:
    own = policy.bad_debt_flag | policy.no_success_flag
    moved = ((record.old.flags if record.old is not None else 0) ^ record.new.flags) & ~own
    if moved:
        yield _finding("foreign_bits", record, record.store, f"{record.component} changed flag bits {moved:#x}, which are not its own")


def _check_charge(book: Book | None, record: WriteRecord) -> Iterator[Finding]:
    charge: Charge | None = record.new
    if charge is None or book is None:
        return
    if charge.amount_refunded > charge.amount:
        yield _finding("refund_exceeds_charge", record, record.store, f"{charge.amount_refunded} of {charge.id} was refunded, of {charge.amount}")
    if charge.status != "succeeded" or (record.old is not None and record.old.status == "succeeded"):
        return
    for invoice in book.invoices.values():
        intents = [payment.payment_intent for payment in invoice.payments]
        if charge.payment_intent not in intents:
            continue
        taken = sum([c.amount for c in book.charges.values() if c.status == "succeeded" and c.payment_intent in intents])
        if taken > invoice.total:
            yield _finding("charged_twice", record, record.store, f"{taken} was charged for {invoice.id}, whose total is {invoice.total}")


def _is_automatic(record: WriteRecord, policy: DunningPolicy) -> bool:
    """The write touches state that only automation sets: dunning, flags, metadata, entitlements, OPE, or an object at Stripe."""
    if record.store == "subs_account":
        return record.old is None or record.old.flags != record.new.flags
    return record.store in _GUARDED or record.store.startswith("stripe.")


def ends(record: WriteRecord) -> str | None:
    """What a write to an authority ends: `cancel` a subscription (at Stripe or in OPE), `void` or `mark_uncollectible` an invoice; None: nothing."""
    if record.store not in _ENDED:
        return None
    new, old = record.new, record.old
    if new is None or new.status == getattr(old, "status", None):
        return None
    if record.store == "stripe.invoice":
        return {"void": "void", "uncollectible": "mark_uncollectible"}.get(new.status)
    return "cancel" if new.status == "canceled" else None


def _paid_at_ms(book: Any, debt: str) -> int | None:
    invoice = book.invoices.get(debt) if book is not None else None
    paid_s = invoice.status_transitions.paid_at if invoice is not None and invoice.status == "paid" else None
    return None if paid_s is None else paid_s * 1000


def _finding(check: str, record: WriteRecord | ActionRecord, what: str, summary: str) -> Finding:
    return Finding(f"{check}/{record.component}/{what}", check, record.account, record.at_ms, summary)
