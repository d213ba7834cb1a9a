"""Lag and drift, intervals and what opened them, by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.checks.truth import truth
from billsim.core.histogram import Histogram
from billsim.core.time import DAY_MS
from billsim.ports import Message
from billsim.stripe.objects import Event, EventData
from tests.checks.scene import Scene, settle
from tests.truth_table import millis

HEALTHY, RETRYING, DELINQUENT = "healthy/paid_after_two_failures", "retrying/first_attempt_failed", "delinquent/first_notice_was_never_sent"
BIT15 = 1 << 15


def heal(scene: Scene) -> Scene:
    """Everything as truth has it again, by one write of the brain."""
    settle(scene.shard, scene.expected(), scene.policy)
    return scene.write("subs_dunning", next_boundary_ms=scene.now)


# --- lag ---------------------------------------------------------------------------------------------------------------------------------------


def test_what_is_mended_while_something_is_on_its_way_is_lag() -> None:
    scene = Scene(RETRYING).begin().after(5_000)
    scene.shard.pending = 1
    scene.pay().look()
    assert scene.codes() == {"dunning_wrong"}
    heal(scene.after(180)).look()
    scene.shard.pending = 0
    report = scene.look().after(10).finish()
    assert (report.opened, report.closed, report.open_at_end) == (0, 0, 0)
    assert report.lag_ms == {"p50": 180, "p99": 180, "max": 180}
    assert report.converge_ms == {"p50": 180, "p99": 180, "max": 180, "never": 0}
    assert scene.drift == []


def test_lag_beyond_the_budget_is_drift_though_something_was_on_its_way() -> None:
    def closed_after(ms: int) -> int:
        scene = Scene(RETRYING).begin().after(5_000)
        scene.shard.pending = 1
        scene.pay().look()
        return heal(scene.after(ms)).look().finish().closed

    assert (closed_after(60_000), closed_after(60_001)) == (0, 1)


def test_it_is_drift_once_nothing_is_on_its_way() -> None:
    scene = Scene(RETRYING).begin().after(5_000)
    scene.shard.pending = 1
    opened_ms = scene.now
    scene.pay().look().after(500)
    scene.shard.pending = 0
    scene.look()
    heal(scene.after(500)).look()
    report = scene.finish()
    assert (report.opened, report.closed, report.open_at_end) == (1, 1, 0)
    [drift] = scene.drift
    assert (drift.code, drift.opened_ms, drift.closed_ms) == ("dunning_wrong", opened_ms, opened_ms + 1_000)
    assert drift.opening.store == "stripe.invoice" and drift.closing.store == "subs_dunning"


def test_a_delayed_message_within_the_budget_is_on_its_way() -> None:
    def opened(due_in_ms: int) -> int:
        scene = Scene(RETRYING).begin().after(5_000)
        scene.shard.timers = [scene.now + due_in_ms]
        scene.pay().look()
        return heal(scene.after(1_000)).look().finish().opened

    assert (opened(60_000), opened(60_001), opened(-1)) == (0, 1, 1)


def test_an_interval_without_length_is_nothing() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    scene.write("subs_dunning", retry_count=3).look().write("subs_dunning", retry_count=0).look()
    report = scene.finish()
    assert (report.opened, report.lag_ms["max"], report.converge_ms["max"]) == (0, 0, 0)


def test_at_the_end_what_is_on_its_way_within_the_budget_is_no_drift() -> None:
    def standing(wait_ms: int) -> int:
        scene = Scene(RETRYING).begin().after(5_000)
        scene.shard.pending = 1
        return scene.pay().look().after(wait_ms).finish().open_at_end

    assert (standing(60_000), standing(60_001)) == (0, 1)


# --- intervals -----------------------------------------------------------------------------------------------------------------------------------


def test_each_code_has_its_own_interval() -> None:
    scene = Scene(HEALTHY).begin().after(1_000)
    scene.write("subs_account", flags=BIT15).look().after(1_000)
    scene.write("subs_dunning", status="bad_debt", escalation_level=3).look().after(1_000)
    scene.write("subs_account", flags=0).look().after(1_000)
    scene.write("subs_dunning", status="healthy", escalation_level=0).look()
    report = scene.after(1).finish()
    lengths = {(drift.code, (drift.closed_ms or 0) - drift.opened_ms) for drift in report.drift}
    # The flag stands 2 s and the status 2 s, one second together: stuck for all three; the customer's key disagrees with one of them all along.
    assert lengths == {("bad_debt_stuck", 3_000), ("debt_flags_inconsistent", 3_000)}
    assert report.by_code == {"bad_debt_stuck": {"opened": 1, "open_at_end": 0}, "debt_flags_inconsistent": {"opened": 1, "open_at_end": 0}}
    assert report.converge_ms == {"p50": 3_000, "p99": 3_000, "max": 3_000, "never": 0}


def test_the_last_bearing_write_of_the_step_opens() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    scene.write("subs_account", flags=BIT15, by="facade_pay", writer="facade")
    scene.write("cf_prod", "zone_plan", by="entitlements", writer="entitlements", plan="free")
    scene.look().after(1).finish()
    openers = {drift.code: (drift.opening.component, drift.opening.store, drift.opening.fields) for drift in scene.drift}
    assert openers["bad_debt_stuck"] == ("facade_pay", "subs_account", (("flags", 0, BIT15),))
    assert openers["entitlement_drift"] == ("entitlements", "cf_prod", (("plan", "pro_monthly", "free"),))


def test_another_missing_consequence_is_another_interval() -> None:
    scene = Scene("delinquent/first_notice_was_never_sent").begin().after(millis(21) - millis(15))
    scene.after(DAY_MS).pay().look()
    report = scene.after(1).finish()
    found = [(drift.opened_ms, drift.closed_ms, drift.detail) for drift in report.drift if drift.code == "consequence_missing"]
    assert found == [
        (millis(22), None, "not executed: in_ada_1/recovered"),
        (millis(21), millis(22), "not executed: in_ada_1/bad_debt, in_ada_1/cancel/ope_ada"),
    ]


def test_the_invoice_opens_where_truth_moved() -> None:
    scene = Scene(RETRYING).begin().after(1)
    scene.pay().stripe("subscription", "sub_ada", status="active", canceled_at=1).stripe("customer", "cus_ada", delinquent=True).look()
    scene.after(1).finish()
    assert {(drift.code, drift.opening.store) for drift in scene.drift} == {("dunning_wrong", "stripe.invoice")}


def test_what_was_planted_is_given() -> None:
    scene = Scene(HEALTHY)
    scene.shard.rows["subs_account"] = msgspec.structs.replace(scene.shard.rows["subs_account"], flags=BIT15)
    scene.begin().after(1).look()
    report = scene.finish()
    assert {drift.cause for drift in report.drift} == {"data"}
    assert {drift.opening.kind for drift in report.drift} == {"given"}
    assert report.converge_ms["never"] == 1


def test_what_no_engine_can_heal_is_counted_apart() -> None:
    def unhealable(row: str) -> int:
        return Scene(row).begin().finish().unhealable

    assert [unhealable(f"applies/{row}") for row in ("merged", "no_stripe_customer", "contract_type", "other_account_type")] == [1, 1, 0, 0]
    scene = Scene(HEALTHY)
    ghost = next(iter(scene.shard.many["billing_prod"].values()))
    scene.shard.many["billing_prod"]["ghost"] = msgspec.structs.replace(ghost, key="ghost", object_id="in_bob_1", sequence=99)
    report = scene.begin().after(1).finish()
    assert (report.unhealable, report.open_at_end) == (1, 0)


def test_an_unjustified_act_never_closes_and_is_not_convergence() -> None:
    scene = Scene(HEALTHY).begin().after(1).act("flag", "in_ada_1", "bad_debt").look().after(DAY_MS).look()
    scene.act("flag", "in_ada_1", "bad_debt").look()
    report = scene.finish()
    assert report.by_code == {"consequence_unjustified": {"opened": 1, "open_at_end": 1}}
    assert report.converge_ms["never"] == 0
    assert scene.drift[0].opened_ms == scene.now - DAY_MS


def test_what_was_called_for_a_moment_ago_is_still_justified() -> None:
    def codes(wait_ms: int) -> set[str]:
        scene = Scene(RETRYING).begin().after(5_000)
        scene.shard.pending = 1
        scene.pay().look()
        return heal(scene.after(wait_ms)).act("notify", "in_ada_1", "retrying").look().codes()

    assert codes(60_000) == set()
    assert codes(60_001) == {"consequence_unjustified"}


def test_a_void_that_a_person_asked_for_is_justified() -> None:
    def codes(cause: str, by: str) -> set[str]:
        scene = Scene(RETRYING).begin().after(1)
        scene.stripe("invoice", "in_ada_1", by=by, cause=cause, status="void")
        return scene.look().codes() & {"consequence_unjustified"}

    assert codes("request.void w/story", "subscriptions_api") == set()
    assert codes("", "support") == set() and codes("", "stripe") == set()
    assert codes("request.recompute w/story", "dunning_brain") == {"consequence_unjustified"}


def test_ope_may_follow_a_subscription_that_stripe_has_cancelled() -> None:
    scene = Scene(HEALTHY).begin().after(1).stripe("subscription", "sub_ada", status="canceled").look().after(120_000)
    assert scene.write("ope", "ope_ada", status="canceled").look().codes() == {"entitlement_drift"}


# --- the clock -----------------------------------------------------------------------------------------------------------------------------------


def test_the_clock_opens_drift_at_the_boundary() -> None:
    scene = Scene(DELINQUENT).begin()
    assert scene.judge.next_clock_ms == millis(21)
    scene.after(30 * DAY_MS)
    assert scene.codes() == {"bad_debt_missed", "entitlement_drift", "consequence_missing"}
    assert scene.judge.next_clock_ms == millis(51)
    report = scene.finish()
    assert {(drift.opened_ms, drift.opening.kind, drift.opening.at_ms, drift.cause) for drift in report.drift} == {
        (millis(21), "clock", millis(21), "missing_handler")
    }


def test_two_boundaries_in_one_tick_are_judged_in_turn() -> None:
    scene = Scene(DELINQUENT).begin().after(60 * DAY_MS)
    assert scene.shard.judged.expected.escalation_level == 4
    assert scene.shard.judged.open["bad_debt_missed"].opened_ms == millis(21)


def test_a_boundary_that_is_gone_is_not_waited_for() -> None:
    scene = Scene(DELINQUENT).begin().after(1).pay()
    settle(scene.shard, scene.expected(), scene.policy)
    scene.look().after(30 * DAY_MS)
    assert scene.codes() == set()
    assert scene.judge.next_clock_ms > scene.now


def test_a_boundary_whose_message_is_due_is_lag() -> None:
    scene = Scene(DELINQUENT).begin()
    scene.shard.timers = [millis(21)]
    scene.after(millis(21) - scene.now)
    assert scene.codes() == {"bad_debt_missed", "entitlement_drift", "consequence_missing"}
    scene.shard.timers, scene.shard.pending = [], 1
    heal(scene.after(200)).look()
    assert scene.finish().opened == 0


# --- causes --------------------------------------------------------------------------------------------------------------------------------------


def woken(scene: Scene, task: str, kind: str, snapshot: Any = None, name: str = "w/evt") -> None:
    event = Event(id="evt_1", created=0, data=EventData(snapshot), type=kind.removeprefix("stripe.")) if snapshot is not None else None
    scene.messages[task] = Message(name, "w", kind, "ada", scene.now, event)


def cause(scene: Scene, code: str = "bad_debt_stuck") -> str:
    scene.look().after(1).finish()
    return next(drift.cause for drift in scene.drift if drift.code == code)


def test_cause_stale_event() -> None:
    scene = Scene(RETRYING).begin().after(5_000)
    before = scene.shard.stripe.invoices["in_ada_1"]
    heal(scene.pay()).look().after(5_000)
    woken(scene, "w/late", "stripe.invoice.payment_failed", before, "w/late_evt")
    scene.write("subs_account", task="w/late", cause="stripe.invoice.payment_failed w/late_evt", flags=BIT15)
    assert cause(scene) == "stale_event"


def test_cause_blind_overwrite_when_the_event_is_fresh() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    woken(scene, "w/t", "stripe.invoice.paid", scene.shard.stripe.invoices["in_ada_1"])
    assert cause(scene.write("subs_account", task="w/t", read_version=-1, flags=BIT15)) == "blind_overwrite"


def test_cause_lost_update() -> None:
    scene = Scene(HEALTHY).begin().after(1).write("subs_account", by="accounts_svc", writer="facade", name="Ada").look()
    assert cause(scene.write("subs_account", read_version=1, flags=BIT15)) == "lost_update"


def test_cause_stale_read_of_a_cron() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    assert cause(scene.write("subs_account", by="nightly_cron", cause="cron.nightly w/cron", flags=BIT15)) == "stale_read"


def test_cause_duplicate() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    told: dict[str, Any] = {"by": "failed_handler", "cause": "stripe.invoice.payment_failed w/evt"}
    scene.write("cf_prod", "zone_plan", writer="entitlements", task="w/first", **told, plan="free").look()
    scene.write("subs_account", task="w/second", **{**told, "cause": "stripe.invoice.payment_failed w/evt/d1"}, flags=BIT15)
    assert cause(scene) == "duplicate"


def test_cause_duplicate_of_an_act_whose_task_has_ended() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    scene.write("subs_dunning", by="failed", task="e/evt/failed", cause="stripe.invoice.payment_failed evt", retry_count=1).look()
    assert cause(scene.act("flag", "in_ada_1", "bad_debt", by="failed", task="e/evt/d2/failed"), "consequence_unjustified") == "duplicate"


def test_cause_of_one_task_that_writes_twice_is_no_duplicate() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    scene.write("cf_prod", "zone_plan", writer="entitlements", task="w/first", plan="free").look().write("subs_account", task="w/first", flags=BIT15)
    assert cause(scene) == "blind_overwrite"


def test_cause_missing_handler_or_partial_apply() -> None:
    def of(touched: bool) -> str:
        scene = Scene("bad_debt/flagged_and_cancelled").begin().after(1)
        scene.stripe("invoice", "in_ada_1", status="void", metadata={}).post_ledger().look()
        if touched:
            scene.after(5).write("subs_account", flags=0).look()
        return cause(scene)

    assert (of(False), of(True)) == ("missing_handler", "partial_apply")


def test_cause_partial_apply_of_inconsistent_flags() -> None:
    """What was written is right, and the rest does not follow."""
    scene = Scene(RETRYING).begin().after(1).stripe("invoice", "in_ada_1", status="uncollectible", next_payment_attempt=None)
    scene.look().after(5).write("subs_dunning", status="bad_debt", escalation_level=3)
    assert cause(scene, "debt_flags_inconsistent") == "partial_apply"


def test_cause_of_inconsistent_flags_that_a_wrong_write_leaves() -> None:
    scene = Scene(HEALTHY).begin().after(1).write("subs_account", flags=BIT15)
    assert cause(scene, "debt_flags_inconsistent") == "blind_overwrite"


def test_cause_manual_write() -> None:
    assert cause(Scene(HEALTHY).begin().after(1).write("subs_account", by="support", writer="facade", flags=BIT15)) == "manual_write"


def test_cause_of_an_act_for_which_nobody_looked() -> None:
    assert cause(Scene(HEALTHY).begin().after(1).act("flag", "in_ada_1", "bad_debt"), "consequence_unjustified") == "blind_overwrite"


# --- cost and figures ------------------------------------------------------------------------------------------------------------------------------


def test_a_derived_write_does_not_ask_truth_again(monkeypatch: Any) -> None:
    asked: list[int] = []

    def counting(*given: Any) -> Any:
        asked.append(given[2])
        return truth(*given)

    monkeypatch.setattr("billsim.checks.judge.truth", counting)
    scene = Scene(HEALTHY).begin().after(1)
    scene.write("subs_dunning", retry_count=1).look().write("cf_prod", "zone_plan", writer="entitlements", plan="free").look().look()
    assert len(asked) == 1
    scene.stripe("charge", "ch_ada_1.3", amount_refunded=5).look()
    assert len(asked) == 2


def test_the_trace_of_a_drift_is_digested_and_bounded() -> None:
    def digest(flags: int) -> str:
        scene = Scene(HEALTHY).begin().after(1).write("subs_account", flags=flags).look().after(1)
        scene.finish()
        return scene.trace.digest

    assert digest(BIT15) == digest(BIT15) != digest(BIT15 | 1 << 14)


def test_percentiles_are_by_nearest_rank() -> None:
    histogram = Histogram()
    assert (histogram.percentile(50), histogram.largest) == (0, 0)
    for value in range(1, 101):
        histogram.add(value)
    assert [histogram.percentile(p) for p in (1, 50, 99, 100)] == [1, 50, 99, 100]
    histogram.add(1_000_000)
    assert histogram.largest == 1_000_000
    assert 999_000 <= histogram.percentile(100) <= 1_000_000
