"""Path 7: support acts through the Dashboard's doors, and the old platform does nothing after it."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.time import DAY_MS, HOUR_MS
from billsim.scenario.plan import GivenInvoice
from tests.legacy.worlds import START_MS, row, run, standing

BAD_DEBT: dict[str, Any] = {"invoices": (GivenInvoice(invoice="ada_1", failed_attempts=8, last_attempt=START_MS - 10 * DAY_MS),)}
PAID: dict[str, Any] = {"invoices": (GivenInvoice(invoice="ada_1", status="paid", failed_attempts=1, last_attempt=START_MS - 10 * DAY_MS),)}

ACTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "one flag is not the state": (
        BAD_DEBT,
        {"do": "clear_flag", "flag": "bad_debt"},
        {"bad_debt_missed": "manual_write", "debt_flags_inconsistent": "manual_write"},
    ),
    "what is credited is still said to be owed": (
        BAD_DEBT,
        {"do": "credit", "invoice": "ada_1", "amount": 500},
        {"bad_debt_missed": "missing_handler", "ledger_drift": "missing_handler"},
    ),
    "a lost dispute changes nothing": (PAID, {"do": "dispute", "charge_of": "ada_1", "result": "lost"}, {}),
    "a won one neither": (PAID, {"do": "dispute", "charge_of": "ada_1", "result": "won"}, {}),
    "nor does a refund": (PAID, {"do": "refund", "invoice": "ada_1", "amount": 300}, {}),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_support_does_is_not_followed_up(name: str) -> None:
    given, told, drift = ACTIONS[name]
    done = row(10, "ninjapanel", account="ada", **told)
    assert standing(run("legacy", done, **given)) == drift
    assert standing(run("recompute", done, **given)) == {}


def test_a_credit_to_the_last_cent_is_heard_as_a_payment() -> None:
    credit = row(10, "ninjapanel", "credit", account="ada", invoice="ada_1", amount=2000)
    for engine in ("legacy", "recompute"):
        assert "bad_debt_stuck" not in standing(run(engine, credit, **BAD_DEBT))


def test_the_flag_of_who_has_never_paid_is_support_s_to_clear_as_well() -> None:
    cleared = row(10, "ninjapanel", "clear_flag", account="ada", flag="no_successful_payment")
    given: dict[str, Any] = {"paid_before": False, "invoices": (GivenInvoice(invoice="ada_1", failed_attempts=7, last_attempt=START_MS - HOUR_MS),)}
    assert standing(run("legacy", cleared, days=1, **given)) == {"no_successful_payment_missed": "manual_write"}
    assert standing(run("recompute", cleared, days=1, **given)) == {}
