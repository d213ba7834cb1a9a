"""What the engine orders of itself, in a world: in batches, at least once, and without harm when a message comes twice."""

from __future__ import annotations

from collections import Counter

import pytest

from billsim.core.trace import ActionRecord, MessageRecord, WriteRecord
from billsim.queues.async_processing import LONGEST_MS
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import loads

TWO_OWE = """
    id = "queues/consumers"
    start = 2026-03-14T00:00:00Z
    until = 2026-03-14T12:00:00Z
    given = [ { account = "ada", failed_attempts = 7 }, { account = "bob", failed_attempts = 7 } ]
    timeline = [
      { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
      { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "bob_1", result = "declined" },
    ]
    [stripe]
    final_invoice = "%s"
"""
DOUBLED = """
    [faults]
    redelivery = { ppm = 1_000_000 }
"""


def ran(final_invoice: str, faults: str = "") -> RunResult:
    return run_scenario(loads(TWO_OWE % final_invoice + faults), engine="recompute", keep_records=True)


def moves(result: RunResult, kind: str, what: str) -> list[MessageRecord]:
    return [record for record in result.records if isinstance(record, MessageRecord) and record.kind == kind and record.what == what]


def notices(result: RunResult) -> list[ActionRecord]:
    return [record for record in result.records if isinstance(record, ActionRecord) and record.kind == "notify"]


def test_notices_of_two_accounts_go_out_in_one_batch() -> None:
    result = ran("leave_open")
    assert [(act.account, act.debt, act.step, act.component) for act in sorted(notices(result), key=lambda act: act.account)] == [
        ("ada", "in_ada_1", "delinquent", "email"),
        ("bob", "in_bob_1", "delinquent", "email"),
    ]
    arrived = [record.at_ms for record in moves(result, "async.email", "delivered")]
    acted = [act.at_ms for act in notices(result)]
    assert len(arrived) == 2 and min(acted) > min(arrived) + LONGEST_MS >= max(arrived)
    assert result.data["verdict"] == "holds" and not result.data["drift"]["opened"]


def test_zones_follow_into_bad_debt() -> None:
    result = ran("mark_uncollectible")
    writes = [record for record in result.records if isinstance(record, WriteRecord) and record.store == "www"]
    written = sorted((record.account, record.component, record.new.plan) for record in writes)
    assert written == [("ada", "plan_levels", "free"), ("bob", "plan_levels", "free")]
    assert result.data["verdict"] == "holds" and not result.data["drift"]["opened"]


@pytest.mark.parametrize("final_invoice", ["leave_open", "mark_uncollectible"])
def test_messages_that_come_twice_do_no_harm(final_invoice: str) -> None:
    once, twice = ran(final_invoice), ran(final_invoice, DOUBLED)
    kinds = ("async.email", "async.plan_levels")
    assert any(moves(twice, kind, "retried") for kind in kinds) and not any(moves(once, kind, "retried") for kind in kinds)
    executed = Counter((act.kind, act.key) for act in twice.records if isinstance(act, ActionRecord) and act.executed)
    assert executed == Counter((act.kind, act.key) for act in once.records if isinstance(act, ActionRecord) and act.executed)
    assert max(executed.values()) == 1 and twice.data["verdict"] == "holds"
