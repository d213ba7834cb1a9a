"""Invoicing: writes the ledger (billing_prod), one entry for each state of an invoice and each outcome of a charge."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.engine.decide import governed
from billsim.engine.dunning_brain import TRIES
from billsim.engine.errors import RetryLater
from billsim.ports import AccountState, GatherAll, Message, Read, Steps, Transact
from billsim.stores.base import Change
from billsim.stores.billing_prod import LedgerRow, entry_key
from billsim.stripe.objects import Charge, Invoice

NAME = "invoicing"
# What the ledger is compared with.
PARTS = ("subs_account", "subs_customer", "billing_prod", "stripe.customer", "stripe.invoice")
# An invoice's states in the order in which it can pass through them, to order entries of one second.
_PASSED = {"open": 1, "uncollectible": 2, "paid": 3, "void": 3}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A ledger entry to be."""

    key: str
    fields: dict[str, Any]


class Invoicing:
    """The component."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Append what the ledger lacks of the account's invoices and charges. Raises RetryLater if others keep appending."""
        account = message.account
        state: AccountState = yield GatherAll(account, PARTS)
        lacking = missing(state) if governed(state, self._policy) else []
        for _ in range(TRIES):
            if not lacking:
                return
            changes = tuple([Change(account, entry.fields, entry.key, 0) for entry in lacking])
            if (yield Transact("billing_prod", account, changes)) is True:
                return
            # Someone else was first with one of them. What invoices and charges have been stays true: only the ledger has to be read again.
            held: dict[str, LedgerRow] = yield Read("billing_prod", account)
            lacking = [entry for entry in lacking if entry.key not in held]
        raise RetryLater(NAME, account, TRIES)


def missing(state: AccountState) -> list[Entry]:
    """What the ledger lacks: the entry of each invoice as it stands, drafts excepted, and of each charge that has come to an end."""
    held, lacking = state.ledger, []
    for invoice in state.stripe.invoices.values():
        if invoice.status != "draft":
            key = entry_key(invoice.id, invoice.status, invoice.amount_paid, invoice.amount_remaining)
            if key not in held:
                lacking.append(Entry(key, _of_invoice(invoice)))
    for charge in state.stripe.charges.values():
        if charge.status != "pending":
            paid = charge.amount if charge.status == "succeeded" else 0
            key = entry_key(charge.id, charge.status, paid, 0)
            if key not in held:
                lacking.append(Entry(key, _fields("charge", charge, charge.amount, paid, 0, charge.created * 10)))
    return lacking


def _of_invoice(invoice: Invoice) -> dict[str, Any]:
    at = invoice.status_transitions
    # When the invoice came into its state, so that an entry appended late still sorts where it belongs.
    entered_s = max(at.finalized_at or invoice.created, at.marked_uncollectible_at or 0, at.paid_at or 0, at.voided_at or 0)
    sequence = entered_s * 10 + _PASSED[invoice.status]
    return _fields("invoice", invoice, invoice.amount_due, invoice.amount_paid, invoice.amount_remaining, sequence)


def _fields(kind: str, thing: Invoice | Charge, due: int, paid: int, remaining: int, sequence: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "object_id": thing.id,
        "status": thing.status,
        "currency": thing.currency,
        "amount_due": due,
        "amount_paid": paid,
        "amount_remaining": remaining,
        "sequence": sequence,
    }
