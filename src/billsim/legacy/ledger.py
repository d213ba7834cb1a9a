"""The old ledger writer: one entry from each event's snapshot, without a look at what else happened. An event that never comes is never entered."""

from __future__ import annotations

from typing import Any

from billsim.ports import Message, Read, Steps, Write
from billsim.stores.base import AppendOnlyError
from billsim.stores.billing_prod import entry_key
from billsim.stripe.objects import Charge, Invoice

NAME = "ledger"
# Entries of one second sort by how far an invoice had come.
_STAGE = {"open": 1, "uncollectible": 2, "paid": 3, "void": 3}


def handle(message: Message) -> Steps:
    """Append the entry of the event's invoice or charge, unless it is there."""
    thing = message.event.data.object if message.event is not None else None
    if isinstance(thing, Invoice) and thing.status != "draft":
        fields = _invoice(thing)
    elif isinstance(thing, Charge) and thing.status != "pending":
        fields = _charge(thing)
    else:
        return
    key = entry_key(thing.id, thing.status, fields["amount_paid"], fields["amount_remaining"])
    if (yield Read("billing_prod", message.account, key)) is not None:
        return
    try:
        yield Write("billing_prod", message.account, fields, key)
    except AppendOnlyError:
        # Another delivery of the same change was faster.
        return


def _invoice(invoice: Invoice) -> dict[str, Any]:
    at = invoice.status_transitions
    entered_s = max(at.finalized_at or invoice.created, at.marked_uncollectible_at or 0, at.paid_at or 0, at.voided_at or 0)
    amounts = {"amount_due": invoice.amount_due, "amount_paid": invoice.amount_paid, "amount_remaining": invoice.amount_remaining}
    return _entry("invoice", invoice, entered_s * 10 + _STAGE[invoice.status]) | amounts


def _charge(charge: Charge) -> dict[str, Any]:
    amounts = {"amount_due": charge.amount, "amount_paid": charge.amount if charge.status == "succeeded" else 0, "amount_remaining": 0}
    return _entry("charge", charge, charge.created * 10) | amounts


def _entry(kind: str, thing: Invoice | Charge, sequence: int) -> dict[str, Any]:
    return {"kind": kind, "object_id": thing.id, "status": thing.status, "currency": thing.currency, "sequence": sequence}
