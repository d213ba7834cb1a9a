"""The tables of statuses."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from billsim.stripe import transitions
from billsim.stripe.backend import Act
from billsim.stripe.objects import (
    ChargeStatus,
    DisputeStatus,
    InvoiceStatus,
    MandateStatus,
    PaymentIntentStatus,
    RefundStatus,
    SetupIntentStatus,
    SourceStatus,
    SubscriptionStatus,
)
from billsim.stripe.transitions import IllegalTransitionError, check
from tests.stripe.bench import Bench

ALL = {
    "invoice": InvoiceStatus,
    "subscription": SubscriptionStatus,
    "payment_intent": PaymentIntentStatus,
    "charge": ChargeStatus,
    "setup_intent": SetupIntentStatus,
    "dispute": DisputeStatus,
    "refund": RefundStatus,
    "mandate": MandateStatus,
    "source": SourceStatus,
}
ENDS = {
    "invoice": {"paid", "void"},
    "subscription": {"canceled", "incomplete_expired"},
    "payment_intent": {"succeeded", "canceled"},
    "charge": {"succeeded", "failed"},
    "setup_intent": {"succeeded", "canceled"},
    "dispute": {"won", "lost", "warning_closed", "prevented"},
    "refund": {"failed", "canceled"},
    "mandate": {"inactive"},
    "source": {"consumed", "failed", "canceled"},
}


@pytest.mark.parametrize("kind", ALL)
def test_tables_name_every_status_and_nothing_else(kind: str) -> None:
    table, statuses = transitions.TABLES[kind], set(get_args(ALL[kind]))
    assert set(table) == statuses
    assert {new for followers in table.values() for new in followers} <= statuses
    assert {status for status, followers in table.items() if not followers} == ENDS[kind]


@pytest.mark.parametrize(
    ("old", "new", "legal"),
    [
        ("draft", "open", True),
        ("draft", "paid", False),
        ("open", "paid", True),
        ("open", "uncollectible", True),
        ("uncollectible", "paid", True),
        ("uncollectible", "void", True),
        ("uncollectible", "open", False),
        ("paid", "void", False),
        ("void", "paid", False),
    ],
)
def test_invoices(old: str, new: str, legal: bool) -> None:
    if legal:
        check("invoice", "in_1", old, new)
    else:
        with pytest.raises(IllegalTransitionError, match=f"invoice in_1 cannot go from {old} to {new}"):
            check("invoice", "in_1", old, new)


def test_a_change_outside_its_table_raises() -> None:
    bench = Bench(status="canceled")
    act = Act(bench.stripe._backend, "w/test", "test", "1", "1")
    with pytest.raises(IllegalTransitionError, match="subscription sub_ada cannot go from canceled to active"):
        act.put(replace(bench.subscription, status="active"))
