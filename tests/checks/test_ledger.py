"""ledger_drift, field by field: the judge reads rows without making entries of them, so each field is shown to count."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from billsim.checks.codes import Ledger, charge_entry, invoice_entry
from billsim.stores.billing_prod import LedgerRow
from tests.checks.scene import Scene

_FIELDS = ("kind", "status", "amount_due", "amount_paid", "amount_remaining")


def healthy() -> Any:
    return Scene("healthy/paid_after_two_failures").shard


def last_entry(shard: Any, id: str) -> LedgerRow:
    rows = [row for row in shard.all("billing_prod").values() if row.object_id == id]
    found: LedgerRow = rows[-1]
    return found


def append(shard: Any, id: str, **fields: Any) -> None:
    rows = shard.many["billing_prod"]
    row = msgspec.structs.replace(last_entry(shard, id), key=f"{id}/{len(rows)}", sequence=len(rows) + 1, **fields)
    shard.many["billing_prod"] = {**rows, row.key: row}


def other(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else "other"


def ids(shard: Any) -> dict[str, tuple[str, str, int, int, int]]:
    """What the ledger should say of the account's last invoice and charge."""
    invoice, charge = list(shard.stripe.invoices.values())[-1], list(shard.stripe.charges.values())[-1]
    return {invoice.id: invoice_entry(invoice), charge.id: charge_entry(charge)}


def test_it_agrees_at_first() -> None:
    shard = healthy()
    assert Ledger().wrong(shard) == "" and len(ids(shard)) == 2


@pytest.mark.parametrize("which", ["invoice", "charge"])
@pytest.mark.parametrize("field", _FIELDS)
def test_each_field_counts_and_a_later_entry_mends_it(which: str, field: str) -> None:
    shard, ledger = healthy(), Ledger()
    id = list(ids(shard))[which == "charge"]
    true = dict(zip(_FIELDS, ids(shard)[id], strict=True))
    append(shard, id, **{field: other(true[field])})
    assert ledger.wrong(shard).startswith(f"{id} ")
    append(shard, id, **true)
    assert ledger.wrong(shard) == ""


def test_an_entry_of_lower_sequence_is_not_the_last() -> None:
    shard, ledger = healthy(), Ledger()
    id = next(iter(ids(shard)))
    assert ledger.wrong(shard) == ""
    row = msgspec.structs.replace(last_entry(shard, id), key="late", sequence=0, status="open")
    shard.many["billing_prod"] = {**shard.many["billing_prod"], "late": row}
    assert ledger.wrong(shard) == ""


def test_what_differs_is_told() -> None:
    shard = healthy()
    id, true = next(iter(ids(shard).items()))
    append(shard, id, amount_paid=7)
    told = f"{true[0]} {true[1]} due {true[2]} paid {true[3]} remaining {true[4]}"
    assert Ledger().wrong(shard) == f"{id} {told.replace(f'paid {true[3]} ', 'paid 7 ')}, truth {told}"


def test_a_ghost_is_told_until_it_is_given_up() -> None:
    shard, ledger = healthy(), Ledger()
    append(shard, next(iter(ids(shard))), object_id="in_ghost")
    assert ledger.wrong(shard) == "in_ghost is unknown at Stripe"
    assert ledger.give_up_on_the_unknown(shard)
    assert ledger.wrong(shard) == ""
    append(shard, next(iter(ids(shard))), object_id="in_another")
    assert ledger.wrong(shard) == "in_another is unknown at Stripe"


def test_with_nothing_unknown_nothing_is_given_up() -> None:
    shard, ledger = healthy(), Ledger()
    assert not ledger.give_up_on_the_unknown(shard) and ledger.unhealable == frozenset()
