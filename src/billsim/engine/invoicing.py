"""Invoicing: writes the ledger (billing_prod), one entry for each state of an invoice and each outcome of a charge."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from billsim.core.policy import DunningPolicy
from billsim.engine.dunning_brain import TRIES, Decide
from billsim.engine.errors import RetryLater
from billsim.ports import AccountState, Effect, GatherAll, Message, Now, Read, Steps, Transact
from billsim.stores.base import Change
from billsim.stores.billing_prod import entry_key
from billsim.stripe.objects import Charge, Invoice

NAME = "invoicing"
# What the ledger is compared with.
PARTS = ("subs_account", "subs_customer", "billing_prod", "stripe.customer", "stripe.invoice")
# An invoice's states in the order in which it can pass through them, to order entries of one second.
_PASSED = {"open": 1, "uncollectible": 2, "paid": 3, "void": 3}


class Entry(NamedTuple):
    """A ledger entry to be."""

    key: str
    fields: dict[str, Any]


class Invoicing:
    """The component. `decide` only says whether the account may be written at all."""

    def __init__(self, policy: DunningPolicy, decide: Decide) -> None:
        self._policy = policy
        self._decide = decide

    def handle(self, message: Message) -> Steps:
        """Append what the ledger lacks of the account's invoices and charges.

        An event whose own entry is there brings nothing new, and costs one read. Raises RetryLater if others keep appending.
        """
        if (yield from _known(message)):
            return
        for _ in range(TRIES):
            state: AccountState = yield GatherAll(message.account, PARTS)
            now_ms: int = yield Now()
            if not self._decide(state, now_ms, self._policy).applies:
                return
            missing = [entry for entry in entries(state) if entry.key not in state.ledger]
            if (yield from _append(state.account, missing)):
                return
        raise RetryLater(NAME, message.account, TRIES)


def _known(message: Message) -> Generator[Effect, Any, bool]:
    event = message.event
    entry = entry_of(event.data.object) if event is not None else None
    if entry is None:
        return False
    return (yield Read("billing_prod", message.account, entry.key)) is not None


def _append(account: str, missing: list[Entry]) -> Generator[Effect, Any, bool]:
    """All entries at once. Answer: False if someone else was first with one of them."""
    if not missing:
        return True
    return (yield Transact("billing_prod", account, tuple(Change(account, entry.fields, entry.key, 0) for entry in missing))) is True


def entries(state: AccountState) -> Iterator[Entry]:
    """The entry of each invoice as it stands, drafts excepted, and of each charge that has come to an end."""
    for thing in (*state.stripe.invoices.values(), *state.stripe.charges.values()):
        entry = entry_of(thing)
        if entry is not None:
            yield entry


def entry_of(thing: object) -> Entry | None:
    """The entry that an invoice or a charge calls for as it stands; None for drafts, pending charges and everything else."""
    if isinstance(thing, Invoice) and thing.status != "draft":
        fields = _fields("invoice", thing, thing.amount_due, thing.amount_paid, thing.amount_remaining, _invoice_sequence(thing))
    elif isinstance(thing, Charge) and thing.status != "pending":
        paid = thing.amount if thing.status == "succeeded" else 0
        fields = _fields("charge", thing, thing.amount, paid, 0, thing.created * 10)
    else:
        return None
    return Entry(entry_key(thing.id, thing.status, fields["amount_paid"], fields["amount_remaining"]), fields)


def _fields(kind: str, thing: Invoice | Charge, due: int, paid: int, remaining: int, sequence: int) -> dict[str, Any]:
    amounts = {"amount_due": due, "amount_paid": paid, "amount_remaining": remaining}
    return {"kind": kind, "object_id": thing.id, "status": thing.status, "currency": thing.currency, **amounts, "sequence": sequence}


def _invoice_sequence(invoice: Invoice) -> int:
    """When the invoice came into its state, so that an entry appended late still sorts where it belongs."""
    at = invoice.status_transitions
    entered_s = max(at.finalized_at or invoice.created, at.marked_uncollectible_at or 0, at.paid_at or 0, at.voided_at or 0)
    return entered_s * 10 + _PASSED[invoice.status]
