"""What must hold after every step. Each check looks at one record beside its account, and names what is wrong as a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stores.base import Shard
from billsim.stripe.objects import Book, Charge, Dispute, Invoice

ENGINE, FACADE, WORLD = "engine", "facade", "world"
_GUARDED = frozenset({"subs_dunning", "cf_prod", "ope"})
# The statuses that end an object, by store.
ENDS = {"stripe.subscription": ("canceled",), "stripe.invoice": ("void", "uncollectible"), "ope": ("canceled",)}
_NAMES = {"canceled": "cancel", "void": "void", "uncollectible": "mark_uncollectible"}


class Finding(msgspec.Struct, frozen=True, gc=False):
    """Something that must never happen, and did. `signature` is equal for equal faults, whichever account and instant they struck."""

    signature: str
    check: str
    account: str
    at: int
    summary: str


def check_action(shard: Shard, record: ActionRecord, policy: DunningPolicy) -> list[Finding]:
    """An executed consequence: one execution a key, and none that chases a paid invoice."""
    found: list[Finding] = []
    if not record.executed:
        return found
    times = shard.actions.get(f"{record.kind}|{record.debt}|{record.step}", 0)
    most = max(1, len(shard.all("ope"))) if record.kind == "cancel" else 1
    if times > most:
        found.append(_finding("action_twice", record, record.kind, f"{record.kind} {record.step} for {record.debt} was executed {times} times"))
    paid_ms = _paid_at_ms(shard.stripe, record.debt)
    chases = record.kind in ("notify", "flag", "cancel", "ban") and record.step != "recovered"
    if chases and paid_ms is not None and record.at_ms - paid_ms > policy.lag_budget_ms:
        found.append(_finding("paid_chased", record, record.kind, f"{record.kind} {record.step} for {record.debt}, which had been paid"))
    return found


def check_engine_write(record: WriteRecord, policy: DunningPolicy, judged: bool) -> list[Finding]:
    """A write by one of the engine's components; `judged` False: to an account that nobody may write automatically."""
    found = []
    if record.store == "subs_account":
        own = policy.bad_debt_flag | policy.no_success_flag
        moved = ((record.old.flags if record.old is not None else 0) ^ record.new.flags) & ~own
        if moved:
            found.append(_finding("foreign_bits", record, record.store, f"{record.component} changed flag bits {moved:#x}, which are not its own"))
    if not judged and _is_automatic(record):
        what = f"{record.component} wrote {record.store} of an account that nothing may write automatically"
        found.append(_finding("automatic_write", record, record.store, what))
    return found


def _check_charge(book: Book | None, record: WriteRecord) -> list[Finding]:
    charge: Charge | None = record.new
    found: list[Finding] = []
    if charge is None or book is None:
        return found
    if charge.amount_refunded > charge.amount:
        what = f"{charge.amount_refunded} of {charge.id} was refunded, of {charge.amount}"
        found.append(_finding("refund_exceeds_charge", record, record.store, what))
    elif charge.disputed and charge.amount_refunded:
        found += _given_back(book, charge, record)
    if charge.status != "succeeded" or (record.old is not None and record.old.status == "succeeded"):
        return found
    invoice = _invoice_of(book, charge)
    if invoice is not None and (taken := _taken_for(book, invoice)) > invoice.total:
        what = f"{taken} was charged for {invoice.id}, whose total is {invoice.total}"
        found.append(_finding("charged_twice", record, record.store, what))
    return found


def _check_dispute(book: Book | None, record: WriteRecord) -> list[Finding]:
    """A dispute that was lost, beside what had been refunded."""
    dispute: Dispute | None = record.new
    charge = book.charges.get(dispute.charge) if book is not None and dispute is not None else None
    return [] if charge is None or book is None else _given_back(book, charge, record)


def _check_entry(_book: Book | None, record: WriteRecord) -> Sequence[Finding]:
    if record.old is None:
        return ()
    return (_finding("ledger_rewritten", record, record.store, f"the entry {record.key} was written again"),)


# What a write to a store is checked for, whoever made it; writes to other stores only if an engine made them. The book is the account's at Stripe.
CHECKED: dict[str, Callable[[Book | None, WriteRecord], Sequence[Finding]]] = {
    "stripe.charge": _check_charge,
    "stripe.dispute": _check_dispute,
    "billing_prod": _check_entry,
}


def _given_back(book: Book, charge: Charge, record: WriteRecord) -> list[Finding]:
    lost = sum([dispute.amount for dispute in book.disputes.values() if dispute.charge == charge.id and dispute.status == "lost"])
    if charge.amount_refunded + lost <= charge.amount:
        return []
    what = f"{charge.amount_refunded} of {charge.id} was refunded and {lost} lost in disputes, of {charge.amount}"
    return [_finding("dispute_exceeds_charge", record, record.store, what)]


def _invoice_of(book: Book, charge: Charge) -> Invoice | None:
    """The invoice that a charge is a payment of; mostly the latest."""
    intent = charge.payment_intent
    for invoice in reversed(book.invoices.values()):
        for payment in invoice.payments:
            if payment.payment_intent == intent:
                return invoice
    return None


def _taken_for(book: Book, invoice: Invoice) -> int:
    intents = [payment.payment_intent for payment in invoice.payments]
    return sum([charge.amount for charge in book.charges.values() if charge.payment_intent in intents and charge.status == "succeeded"])


def _is_automatic(record: WriteRecord) -> bool:
    """The write touches state that only automation sets: dunning, flags, metadata, entitlements, OPE, or an object at Stripe."""
    if record.store == "subs_account":
        return record.old is None or record.old.flags != record.new.flags
    return record.store in _GUARDED or record.store.startswith("stripe.")


def ends(record: WriteRecord) -> str | None:
    """What a write to an authority ends: `cancel` a subscription (at Stripe or in OPE), `void` or `mark_uncollectible` an invoice; None: nothing."""
    new = record.new
    if new is None or new.status not in ENDS[record.store] or new.status == getattr(record.old, "status", None):
        return None
    return _NAMES[new.status]


def _paid_at_ms(book: Any, debt: str) -> int | None:
    invoice = book.invoices.get(debt) if book is not None else None
    paid_s = invoice.status_transitions.paid_at if invoice is not None and invoice.status == "paid" else None
    return None if paid_s is None else paid_s * 1000


def _finding(check: str, record: WriteRecord | ActionRecord, what: str, summary: str) -> Finding:
    return Finding(f"{check}/{record.component}/{what}", check, record.account, record.at_ms, summary)
