"""Signatures of failures: what they say, what is the gravest, and that no account's name is in them."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.checks.cause import Provenance
from billsim.core.trace import DriftRecord
from billsim.explore.signature import by_account, key_of, keys, of_drift, ordered, signature, slug
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import find, load

WRITE = Provenance("write", 1, "nightly_cron", "e/t", "cron.nightly x", "subs_dunning", "ada", 1, 2, (("retry_count", 1, 2), ("status", "a", "b")))


def drift(account: str, code: str, opening: Any = WRITE, cause: str = "stale_read", closed_ms: int | None = None) -> DriftRecord:
    return DriftRecord("drift", account, code, 1, closed_ms, cause, opening, None, "ada is wrong")


def result(*drifts: DriftRecord, findings: tuple[tuple[str, str], ...] = ()) -> RunResult:
    found = [{"signature": name, "check": name.split("/")[0], "account": account, "at": 1, "summary": "ada"} for account, name in findings]
    return RunResult({"findings": found}, list(drifts), None, "falls")


@pytest.mark.parametrize(
    ("opening", "shape"),
    [
        (WRITE, "subs_dunning.status"),
        (Provenance("write", 1, store="subs_dunning", fields=(("since_ms", 1, 2), ("retry_count", 1, 2))), "subs_dunning.retry_count"),
        (Provenance("write", 1, store="subs_dunning", fields=(("since_ms", 1, 2),)), "subs_dunning.since_ms"),
        (Provenance("write", 1, store="stripe.invoice", fields=(("paid", 0, 1), ("metadata", {}, {"a": "1"}))), "stripe.invoice.metadata"),
        (Provenance("write", 1, store="subs_account"), "subs_account"),
        (Provenance("action", 1, fields=(("kind", None, "notify"), ("debt", None, "in_ada_1"), ("step", None, "recovered"))), "notify.recovered"),
        (Provenance("clock", 1), "clock"),
        (Provenance("given", 1), "given"),
    ],
)
def test_the_shape_is_how_it_began(opening: Provenance, shape: str) -> None:
    assert of_drift(drift("ada", "dunning_wrong", opening)) == f"drift/dunning_wrong/stale_read/{shape}"


def test_findings_are_graver_than_drift_and_what_was_done_about_it_comes_last() -> None:
    findings = ("finding/paid_chased/a/b", "finding/action_twice/a/b")
    said = ("drift/consequence_missing/a/clock", "drift/ledger_drift/a/b", "drift/bad_debt_stuck/z/z", *findings)
    assert ordered((*said, *said)) == (said[4], said[3], said[2], said[1], said[0])


def test_a_run_is_grouped_by_the_gravest_of_each_account() -> None:
    run = result(
        drift("ada", "consequence_missing"),
        drift("ada", "bad_debt_stuck"),
        drift("bob", "ledger_drift"),
        drift("cleo", "ledger_drift"),
        drift("dan", "bad_debt_missed", closed_ms=9),
        findings=(("bob", "paid_chased/x/notify"),),
    )
    stuck, missing, ledger = (f"drift/{code}/stale_read/subs_dunning.status" for code in ("bad_debt_stuck", "consequence_missing", "ledger_drift"))
    assert by_account(run) == [("finding/paid_chased/x/notify", ledger), (stuck, missing), (ledger,)]
    assert keys(run) == ("finding/paid_chased/x/notify", stuck, ledger)
    assert key_of(run) == "finding/paid_chased/x/notify"
    assert signature(run) == ("finding/paid_chased/x/notify", stuck, ledger, missing)


def test_accounts_of_which_the_same_is_said_are_told_once() -> None:
    run = result(drift("ada", "ledger_drift"), drift("bob", "ledger_drift"))
    assert by_account(run) == [("drift/ledger_drift/stale_read/subs_dunning.status",)]


def test_nothing_wrong_is_no_signature() -> None:
    run = result(drift("ada", "ledger_drift", closed_ms=5))
    assert (signature(run), keys(run), key_of(run), by_account(run)) == ((), (), "", [])


def test_a_slug_is_the_name_of_a_file() -> None:
    assert slug("drift/bad_debt_stuck/stale_read/stripe.invoice.status") == "drift-bad_debt_stuck-stale_read-stripe-invoice-status"
    assert slug("finding/component_failed/a b/..") == "finding-component_failed-a-b"


def test_a_run_of_legacy_is_told_without_the_names_of_its_world() -> None:
    found = signature(run_scenario(load(find("dunning/pay_bad_debt_vs_webhook")), engine="legacy", bodies=False))
    assert found and "drift/no_successful_payment_stuck/lost_update/subs_account.flags" in found
    assert not any("ada" in each or "in_" in each for each in found)
