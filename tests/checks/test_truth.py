"""The checks' truth against the hand-computed table, and against each of its own clauses taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from billsim.checks import truth as module
from billsim.checks.truth import truth
from billsim.core.policy import BAD_DEBT, HEALTHY
from tests.truth_table import ROWS, TruthRow, differences

ROW = {row.id: row for row in ROWS}


def found(row: TruthRow) -> Any:
    return truth(row.shard(), row.policy, row.now_ms, bool(row.shared_with))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: TruthRow) -> None:
    assert differences(row, found(row)) == []


def test_the_table_is_large_and_sourced() -> None:
    assert len(ROWS) >= 60
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(row.source.startswith(("platform.md", "stripe-facts.md", "(A)")) for row in ROWS)


# A clause taken out answers as if it were not written: a guard never holds, an excuse never excuses, a consequence is never called for.
CLAUSES: dict[str, Any] = {
    "has_stripe_customer": None,  # replaced below: without it there is no book to judge
    "is_contract": False,
    "is_merged": False,
    "is_owed": True,
    "was_attempted": True,
    "is_past_due": False,
    "is_abandoned_purchase": False,
    "is_pending_update": False,
    "is_first_attempt_processing": False,
    "waits_for_the_bank": False,
    "is_schedule_over": False,
    "cancelled_at_s": None,
    "instrument_of": "card",
    "is_ban_due": False,
    "next_change_ms": None,
    "is_success": False,
    "paid_at_braintree": False,
    "was_anything_attempted": True,
    "notices": [],
    "flags": [],
    "is_flagged_in_this_episode": False,
    "ended_at_s": None,
    "cancels": [],
    "is_to_be_cancelled": True,
    "bans": [],
    "unbans": [],
    "bans_in_force": [],
    "recoveries": [],
    "was_bad_when_paid": False,
    "was_executed": False,
    "telling_invoices": [],
    "last_failed_charge": None,
    "intent_status": "",
    "subscription_of": None,
}


@pytest.mark.parametrize("clause", [name for name in CLAUSES if name != "has_stripe_customer"])
def test_without_a_clause_a_row_turns_red(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CLAUSES[clause]
    assert callable(getattr(module, clause))
    monkeypatch.setattr(module, clause, lambda *_: answer)
    assert any(differences(row, found(row)) for row in ROWS)


def test_without_the_customer_clause_a_row_turns_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_stripe_customer", lambda _: True)
    with pytest.raises(AttributeError):
        found(ROW["applies/no_stripe_customer"])


def swapped(name: str, replacement: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(module, name, replacement)
    return [row.id for row in ROWS if differences(row, found(row))]


def test_the_deciding_debt_is_the_worst_then_the_earliest_then_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    first = swapped("deciding_debt", lambda debts: debts[0].invoice, monkeypatch)
    two = {"retrying/two_debts_the_earlier_created_decides", "retrying/created_at_one_second_the_id_decides"}
    assert two | {"bad_debt/another_is_retrying"} <= set(first)
    last = swapped("deciding_debt", lambda debts: debts[-1].invoice, monkeypatch)
    assert {"retrying/two_debts_the_later_has_more_attempts", "bad_debt/two_bad_debts"} <= set(last)


def test_marked_uncollectible_is_a_clause_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(book: Any, invoice: Any, policy: Any) -> int | None:
        exhausted = module.exhausted_at_s(book, invoice, policy)
        return None if exhausted is None else exhausted * 1000 + policy.grace_of(module.instrument_of(book, invoice))

    assert "bad_debt/marked_by_hand_while_retrying" in swapped("bad_at_ms", without, monkeypatch)


def test_entitlements_follow_status_and_ban(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = module.entitlements_of
    red = swapped("entitlements_of", lambda bought, status, level: whole(bought, HEALTHY, 0), monkeypatch)
    assert "bad_debt/grace_runs_out" in red and "ban/due_now" in red
    red = swapped("entitlements_of", lambda bought, status, level: whole(bought, status, 3), monkeypatch)
    assert "ban/due_now" in red and "bad_debt/grace_runs_out" not in red


def test_a_ban_in_force_is_not_repeated_for_the_next_debt() -> None:
    row = ROW["ban/the_oldest_bad_debt_counts"]
    shard = row.shard()
    shard.actions = {"flag|in_ada_1|bad_debt": 1, "ban|in_ada-2_1|bad_debt": 1}
    expected = truth(shard, row.policy, row.now_ms)
    assert expected.consequences == ()
    assert ("ban", "in_ada_1") in expected.permits


def test_permits_name_the_subscriptions_that_may_end() -> None:
    bad = found(ROW["bad_debt/grace_runs_out"])
    assert {("end", "ope_ada"), ("end", "sub_ada"), ("cancel", "in_ada_1"), ("flag", "in_ada_1")} == bad.permits
    assert found(ROW["bad_debt/newest_paid_older_owed"]).permits == {("cancel", "in_ada_1"), ("flag", "in_ada_1")}
    assert found(ROW["retrying/seven_of_eight"]).permits == {("notify", "in_ada_1", "retrying")}
    assert found(ROW["healthy/paid_history"]).permits == frozenset()


def test_truth_is_the_same_under_any_order_of_what_it_reads() -> None:
    for row in ROWS:
        shard = row.shard()
        if shard.stripe is not None:
            for kind in ("invoices", "charges", "subscriptions", "payment_intents"):
                setattr(shard.stripe, kind, dict(reversed(getattr(shard.stripe, kind).items())))
        assert differences(row, truth(shard, row.policy, row.now_ms, bool(row.shared_with))) == [], row.id


def test_dangling_mapping_and_missing_profile_are_not_judged() -> None:
    row = ROW["bad_debt/grace_runs_out"]
    shard = row.shard()
    shard.stripe.customer = None
    assert not truth(shard, row.policy, row.now_ms).applies
    shard = row.shard()
    del shard.rows["subs_account"]
    assert not truth(shard, row.policy, row.now_ms).applies
    assert found(row).status == BAD_DEBT
