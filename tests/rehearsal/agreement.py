"""Whether what a run tells of those who stay agrees with what it left: drift, nights and audit, each read here by other means than there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from billsim.run import RunResult
from billsim.scenario.plan import Scenario

WWW = "www_drift"


def disagreements(scenario: Scenario, result: RunResult) -> list[str]:
    """What does not agree, in words; the run must have kept its records."""
    return [*_of_counts(result), *_of_days(result), *_of_reasons(scenario, result)]


def _of_counts(result: RunResult) -> Iterator[str]:
    told = result.data["remediation"]
    still_open = {(each.account, each.code, each.opened_ms) for each in result.drift if each.closed_ms is None}
    listed = [(each["account"], drift["code"], drift["since_ms"]) for each in told["remaining"] for drift in each["drift"]]
    if sorted(listed) != sorted(still_open):
        yield "the list is not what stands open"
    accounts = [each["account"] for each in told["remaining"]]
    if len(accounts) != len({account for account, _, _ in still_open}) or accounts != sorted(accounts):
        yield "an account is told twice, or not at all"
    if sum(each["accounts"] for each in told["reasons"].values()) != len(accounts) or told["plateau"]["accounts"] != len(accounts):
        yield "the sum of the reasons is not that of the accounts"
    by_reason = Counter(drift["code"] for each in told["remaining"] for drift in each["drift"])
    if by_reason != Counter({code: each["open_at_end"] for code, each in result.data["drift"]["by_code"].items() if each["open_at_end"]}):
        yield "the drift of the reasons is not that of the verdict"
    if by_reason != sum((Counter(each["codes"]) for each in told["reasons"].values()), Counter()):
        yield "the drift of the reasons is not that of the accounts"


def _of_days(result: RunResult) -> Iterator[str]:
    told = result.data["remediation"]
    stands = Counter(told["days"][0]["standing"])
    for day in told["days"][1:]:
        stands.update(day["opened"])
        stands.subtract(day["healed"])
        stands.subtract(day["ended"])
        if +stands != Counter(day["standing"]) or min(stands.values(), default=0) < 0:
            yield f"what stands on day {day['day']} is not what came and went"
    if sum(stands.values()) != result.data["drift"]["open_at_end"]:
        yield "what stands on the last day is not what stands at the end"
    for key in ("attempts", "failed"):
        if sum(day.get(key, 0) for day in told["days"]) != told[key]:
            yield f"{key} are not those of the days"
    for key in ("healed", "outcomes", "refused", "left"):
        if sum((Counter(day.get(key, {})) for day in told["days"]), Counter()) != Counter(told[key]):
            yield f"{key} is not that of the days"


def _of_reasons(scenario: Scenario, result: RunResult) -> Iterator[str]:
    for each in result.data["remediation"]["remaining"]:
        if each["reason"] not in [drift["reason"] for drift in each["drift"]]:
            yield f"{each['account']}: {each['reason']} is the reason of none of its drift"
        if each["holds"] is False:
            yield f"{each['account']}: {each['reason']} is not so"
        for drift in each["drift"]:
            if not _is_borne_out(scenario, result, each["account"], drift):
                yield f"{each['account']}: {drift['code']} is not {drift['reason']}"


def _is_borne_out(scenario: Scenario, result: RunResult, account: str, drift: dict[str, Any]) -> bool:
    kind, _, what = drift["reason"].partition(":")
    since, code = drift["since_ms"], drift["code"]
    entered = [record for record in result.records if record[0] == "remediation" and record.account == account and record.at_ms >= since]
    attempts = [msgspec.json.decode(record.result) for record in entered]
    if kind in ("valve", "gate", "restriction", "refused"):
        wanted = drift["reason"] if kind == "valve" else what
        return wanted in [refusal["why"] for attempt in attempts for refusal in attempt["refused"]]
    if kind in ("failed", "left"):
        told = [attempt["wrong"].values() if kind == "failed" else [left["why"] for left in attempt["left"]] for attempt in attempts]
        return any(what in each for each in told)
    if kind == "attempted":
        return what not in ("healed", "nothing_to_do")
    if kind == "dry_run":
        return scenario.remediation is not None and scenario.remediation.mode == "dry-run"
    if kind in ("not_mended", "cannot_be_undone"):
        return code in ("consequence_missing", "consequence_unjustified", "mapping_drift", "orphaned_state")
    if kind == "not_attempted":
        return not any(attempt["refused"] for attempt in attempts)
    return _as_nights_say(scenario, result, account, code, since, kind)


def _as_nights_say(scenario: Scenario, result: RunResult, account: str, code: str, since: int, kind: str) -> bool:
    began = result.data["remediation"]["days"][0]["until_ms"]
    told = pictured = fresh = 0
    before: set[tuple[str, str, str]] = set()
    for night in result.nights:
        held = {each[:3] for each in night.detected}
        if night.seen_ms >= max(since, began):
            pictured += night.taken_ms >= since
            detector = {each for each in held if each[0] == account and (each[1] == WWW) == (code == WWW)}
            if any(each[1] == code for each in detector):
                told += 1
                fresh += not detector & before
        before = held
    if scenario.warehouse is None:
        pictured = sum(row.at >= since for row in scenario.timeline if row.do == "driftcontrol")
    if kind == "persistent":
        return told > 0 and fresh == 0
    return told == 0 and (pictured > 0) == (kind == "undetected")
