"""Without races and faults, `legacy` is right about accounts with one invoice: at every rung, after the night that follows."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.facade import doors
from billsim.legacy.engine import WAKES, LegacyEngine
from tests.driver import message
from tests.legacy.ladder import Ladder
from tests.truth_table import millis, seconds


def test_nothing_is_wrong_to_begin_with() -> None:
    assert Ladder().wrong() == []


@pytest.mark.parametrize("attempts", range(1, 9))
def test_right_after_each_failure(attempts: int) -> None:
    ada = Ladder()
    for attempt in range(1, attempts + 1):
        ada.fail(attempt)
        assert ada.wrong() == []
    row = ada.shard.one("subs_dunning")
    assert (row.status, row.retry_count) == ("retrying" if attempts < 8 else "delinquent", attempts)


def test_right_all_the_way_up_and_down_again() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.night(20.9)
    assert ada.shard.one("subs_dunning").status == "delinquent" and ada.wrong() == []
    ada.night(21.5)
    assert ada.shard.one("subs_dunning").status == "bad_debt" and ada.wrong() == []
    ada.night(51.5)
    assert ada.shard.one("subs_dunning").escalation_level == 4 and ada.wrong() == []
    assert ada.shard.all("cf_prod")["zone_plan"].plan == "none"
    ada.paid(52)
    assert ada.shard.one("subs_dunning").status == "healthy" and ada.wrong() == []
    assert [(act.kind, act.step) for act in ada.acts] == [
        ("notify", "retrying"),
        ("notify", "delinquent"),
        ("flag", "bad_debt"),
        ("cancel", "bad_debt"),
        ("ban", "bad_debt"),
        ("notify", "recovered"),
        ("unban", "bad_debt"),
    ]


@pytest.mark.parametrize("attempts", [1, 7, 8])
def test_right_after_paying_before_it_is_bad(attempts: int) -> None:
    ada = Ladder()
    for attempt in range(1, attempts + 1):
        ada.fail(attempt)
    ada.paid(15)
    assert ada.wrong() == [] and "recovered" not in [act.step for act in ada.acts]


def test_right_where_stripe_marks_the_invoice_uncollectible() -> None:
    ada = Ladder(marks_uncollectible=True)
    for attempt in range(1, 8):
        ada.fail(attempt)
    ada.now_ms = millis(14)
    ada.fail(8)
    marked = ada.book.invoices["in_ada_1"]
    at = replace(marked.status_transitions, marked_uncollectible_at=seconds(14))
    ada.book.invoices["in_ada_1"] = replace(marked, status="uncollectible", status_transitions=at)
    ada.tell("invoice.marked_uncollectible", ada.book.invoices["in_ada_1"])
    assert ada.shard.one("subs_dunning").status == "bad_debt" and ada.wrong() == []


def test_right_about_who_has_never_paid() -> None:
    ada = Ladder(paid_before=False)
    ada.fail(1)
    assert ada.shard.one("subs_account").flags == 1 << 14 and ada.wrong() == []
    ada.exhaust()
    ada.paid(15)
    assert ada.shard.one("subs_account").flags == 0


def test_takes_a_subscription_that_never_started_for_a_debt() -> None:
    invoice = {"id": "in_ada_1", "created": 0, "reason": "subscription_create"}
    ada = Ladder(paid_before=False, invoices=[invoice], subs=[{"status": "incomplete"}])
    ada.fail(1, by_call=True)
    assert ada.shard.one("subs_dunning").status == "retrying" and ada.wrong() != []


@pytest.mark.parametrize("marks_uncollectible", [False, True])
def test_right_about_a_lost_card_whose_grace_was_over_before_the_last_try(marks_uncollectible: bool) -> None:
    ada = Ladder(marks_uncollectible=marks_uncollectible)
    ada.fail(1)
    for attempt in range(2, 9):
        ada.fail(attempt, charged=False)
    row = ada.shard.one("subs_dunning")
    assert (row.status, row.since_ms) == ("bad_debt", millis(7)) and ada.wrong() == []
    assert "delinquent" not in [act.step for act in ada.acts]


def test_contract_accounts_are_left_alone() -> None:
    ada = Ladder(account_type="ibm")
    before = ada.held()
    ada.fail(1)
    ada.night(30)
    ada.paid(31)
    for part in ("rows", "actions"):
        assert ada.held()[part] == before[part]


def test_hears_nothing_of_a_void_but_for_the_ledger() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.night(21.5)
    ada.void("in_ada_1")
    ada.tell("invoice.voided", ada.book.invoices["in_ada_1"])
    assert ada.shard.one("subs_dunning").status == "bad_debt"
    assert "in_ada_1:void:0:2000" in ada.shard.all("billing_prod")


def test_every_name_in_the_table_is_a_component() -> None:
    engine = LegacyEngine(DunningPolicy(), doors=doors.of_before(DunningPolicy()))
    assert {name for names in (*WAKES.values(), *doors.OF_BEFORE.values()) for name in names} <= set(engine.components)
    assert engine.wakes(message("boundary")) == () and engine.wakes(message("request.recompute")) == ()
