"""billing_prod: the financial audit trail, append only. The last entry for an invoice or charge is its state."""

from __future__ import annotations

from billsim.stores.base import Row, Schema


class LedgerRow(Row, frozen=True, gc=False):
    """One entry. `key` names object, status and amounts, so that the same entry is never written twice; amounts are minor units.

    `sequence` orders the entries of one account, from 1.
    """

    key: str
    kind: str
    object_id: str
    status: str
    currency: str
    amount_due: int
    amount_paid: int
    amount_remaining: int
    sequence: int


def entry_key(object_id: str, status: str, amount_paid: int, amount_remaining: int) -> str:
    """The key of an entry: an object in one state has one entry."""
    return f"{object_id}:{status}:{amount_paid}:{amount_remaining}"


SCHEMA = Schema("billing_prod", LedgerRow, frozenset({"engine"}), many=True, append_only=True)
