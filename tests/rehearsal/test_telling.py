"""A rehearsal in words: a line for the plateau, a table of days, a table of reasons."""

from __future__ import annotations

from typing import Any

from billsim.rehearsal.telling import days_table, lines, reasons_table

STUCK, PAID = "bad_debt_stuck", "no_successful_payment_stuck"
TOLD: dict[str, Any] = {
    "mode": "on",
    "attempts": 3,
    "outcomes": {"healed": 2, "refused": 1},
    "refused": {"valve:drift_jump": 1},
    "left": {},
    "healed": {"www_drift": 2},
    "made_worse": {},
    "zero_ms": None,
    "plateau": {"day": 4, "accounts": 3, "by_code": {STUCK: {"day": 0, "standing": 2}, "www_drift": {"day": 4, "standing": 1}}},
    "reasons": {
        "valve:drift_jump": {"accounts": 1, "codes": {"www_drift": 1}, "example": "cyd"},
        "persistent": {"accounts": 2, "codes": {STUCK: 2}, "example": "ada"},
    },
    "remaining": [{"account": account, "holds": None} for account in ("ada", "bob", "cyd")],
}


def day(number: int, stuck: int, other: int = 0, **told: Any) -> dict[str, Any]:
    return {"day": number, "standing": {STUCK: stuck, "www_drift": other}, **told}


def test_the_plateau_says_what_stays_from_which_day_on() -> None:
    assert lines(TOLD)[-1] == "  plateau: 3 accounts from day 4 on (2 stuck since day 0, 1 other since day 4)"


def test_a_refusal_that_is_not_so_is_told() -> None:
    doubted = {**TOLD, "remaining": [{"account": "ada", "holds": False}, {"account": "bob", "holds": True}]}
    assert lines(doubted)[-1] == "  refused for what is not so at the end: 1 account, such as ada"


def test_where_nothing_remains_there_is_no_plateau() -> None:
    assert lines({**TOLD, "remaining": [], "zero_ms": 1500})[-1] == "  nothing drifted any more: 1.5 s after the first attempt"
    assert reasons_table({**TOLD, "reasons": {}}) is None and reasons_table({"mode": "off"}) is None


def test_reasons_are_counted_by_accounts() -> None:
    headings, rows = reasons_table(TOLD) or ((), [])
    assert headings[:3] == ("why an account stays", "accounts", "such as")
    assert rows == [
        ["valve drift_jump", "1", "cyd", "www_drift 1"],
        ["persistent: it had drifted the night before", "2", "ada", "bad_debt_stuck 2"],
        ["in all", "3", "", ""],
    ]


def test_a_short_run_is_told_by_each_day() -> None:
    days = [day(0, 2), day(1, 2, 3, healed={}, attempts=0, persistent=2), day(2, 2, 1, healed={"www_drift": 2}, attempts=2, persistent=1)]
    headings, rows = days_table({**TOLD, "days": days}) or ((), [])
    assert headings == ("day", "stuck", "inconsistent", "never paid", "other", "healed", "attempts", "held back", "refused by")
    assert rows == [
        ["0", "2", "0", "0", "0", "0", "0", "0", ""],
        ["1", "2", "0", "0", "3", "0", "0", "2", ""],
        ["2", "2", "0", "0", "1", "2", "2", "1", ""],
    ]
    assert days_table({**TOLD, "days": days[:2]}) is None and days_table({"mode": "off"}) is None


def test_a_long_run_is_told_by_weeks_and_what_happened_between_is_added_up() -> None:
    days = [day(number, 2, healed={"www_drift": 1}, attempts=2, refused={"valve:drift_jump": 1}, persistent=number) for number in range(1, 17)]
    _, rows = days_table({**TOLD, "days": [day(0, 2), *days, day(17, 2)]}) or ((), [])
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "7", "14", "17"]
    assert rows[4][5:] == ["4", "8", "7", "valve:drift_jump 4"]
    assert rows[-1][5:] == ["2", "4", "16", "valve:drift_jump 2"], "the last day had no night"
