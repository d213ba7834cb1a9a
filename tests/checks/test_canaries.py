"""A canary for each code and for each check that always holds: a planted fault that must be seen, beside the same account without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billsim.checks.codes import CODES
from billsim.core.policy import DunningPolicy
from billsim.stores.billing_prod import LedgerRow
from billsim.stripe.objects import Charge, Dispute, EvidenceDetails
from tests.checks.scene import Scene
from tests.truth_table import ROWS, seconds

BAD, HEALTHY = "bad_debt/grace_runs_out", "healthy/paid_after_two_failures"
RETRYING, NEW = "retrying/first_attempt_failed", "no_success/first_charge_failed"
BIT15, BIT14 = 1 << 15, 1 << 14


@pytest.mark.parametrize("row", [row for row in ROWS if row.expected.applies], ids=str)
def test_an_account_as_truth_has_it_shows_nothing(row: Any) -> None:
    report = Scene(row.id).begin().look().finish()
    assert report.open_at_end == 0 and report.findings == []


def metadata(scene: Scene, **keys: str) -> Scene:
    held = {**scene.shard.stripe.customer.metadata, **keys}
    return scene.stripe("customer", "cus_ada", by="dunning_brain", metadata=held)


def invoice_metadata(scene: Scene, **keys: str) -> Scene:
    return scene.stripe("invoice", "in_ada_1", by="dunning_brain", metadata=keys)


def billed(scene: Scene, **item: Any) -> Scene:
    """The one item of the subscription at Stripe is another."""
    held = scene.shard.stripe.subscriptions["sub_ada"].items
    changed = msgspec.structs.replace(held, data=(msgspec.structs.replace(held.data[0], **item),))
    return scene.stripe("subscription", "sub_ada", by="engine", items=changed)


PLANTED: dict[str, tuple[str, Callable[[Scene], Any], set[str]]] = {
    "status stuck": (HEALTHY, lambda s: s.write("subs_dunning", status="bad_debt"), {"bad_debt_stuck", "debt_flags_inconsistent"}),
    "bit 15 stuck": (HEALTHY, lambda s: s.write("subs_account", flags=BIT15), {"bad_debt_stuck", "debt_flags_inconsistent"}),
    "customer key stuck": (HEALTHY, lambda s: metadata(s, bad_debt="true"), {"bad_debt_stuck", "debt_flags_inconsistent"}),
    "since stuck": (HEALTHY, lambda s: metadata(s, bad_debt_since="1800000000"), {"bad_debt_stuck"}),
    "invoice key stuck": (HEALTHY, lambda s: invoice_metadata(s, bad_debt_amount="2000"), {"bad_debt_stuck"}),
    "invoice flag key stuck": (HEALTHY, lambda s: invoice_metadata(s, bad_debt="true"), {"bad_debt_stuck"}),
    "status missed": (BAD, lambda s: s.write("subs_dunning", status="delinquent"), {"bad_debt_missed", "debt_flags_inconsistent"}),
    "bit 15 missed": (BAD, lambda s: s.write("subs_account", flags=0), {"bad_debt_missed", "debt_flags_inconsistent"}),
    "customer key missed": (BAD, lambda s: metadata(s, bad_debt=""), {"bad_debt_missed", "debt_flags_inconsistent"}),
    "since wrong": (BAD, lambda s: metadata(s, bad_debt_since="1"), {"bad_debt_missed"}),
    "invoice keys missed": (BAD, lambda s: invoice_metadata(s), {"bad_debt_missed"}),
    "invoice amount wrong": (BAD, lambda s: invoice_metadata(s, bad_debt="true", bad_debt_amount="1999"), {"bad_debt_missed"}),
    "another invoice marked": (
        BAD,
        lambda s: s.stripe("invoice", "in_ada_0", by="dunning_brain", metadata={"bad_debt": "true"}),
        {"bad_debt_missed"},
    ),
    "healthy called retrying": (HEALTHY, lambda s: s.write("subs_dunning", status="retrying"), {"dunning_wrong"}),
    "retrying called healthy": (RETRYING, lambda s: s.write("subs_dunning", status="healthy"), {"dunning_wrong"}),
    "retries miscounted": (RETRYING, lambda s: s.write("subs_dunning", retry_count=2), {"dunning_wrong"}),
    "level wrong": (RETRYING, lambda s: s.write("subs_dunning", escalation_level=2), {"dunning_wrong"}),
    "level wrong in bad debt": (BAD, lambda s: s.write("subs_dunning", escalation_level=4), {"dunning_wrong"}),
    "bit 14 stuck": (HEALTHY, lambda s: s.write("subs_account", flags=BIT14), {"no_successful_payment_stuck"}),
    "key stuck": (HEALTHY, lambda s: metadata(s, has_no_successful_payment="true"), {"no_successful_payment_stuck"}),
    "bit 14 missed": (NEW, lambda s: s.write("subs_account", flags=0), {"no_successful_payment_missed"}),
    "key missed": (NEW, lambda s: metadata(s, has_no_successful_payment=""), {"no_successful_payment_missed"}),
    "plan lost": (HEALTHY, lambda s: s.write("cf_prod", "zone_plan", writer="entitlements", plan="free"), {"entitlement_drift"}),
    "plan kept": (BAD, lambda s: s.write("cf_prod", "zone_plan", writer="entitlements", plan="pro_monthly"), {"entitlement_drift"}),
    "plan never bought": (HEALTHY, lambda s: s.write("cf_prod", "argo", writer="entitlements", plan="pro_monthly"), {"entitlement_drift"}),
    "notice not sent": (RETRYING, lambda s: s.shard.actions.pop("notify|in_ada_1|retrying"), {"consequence_missing"}),
    "account not flagged": (BAD, lambda s: s.shard.actions.pop("flag|in_ada_1|bad_debt"), {"consequence_missing"}),
    "not cancelled": (BAD, lambda s: s.write("ope", "ope_ada", status="active"), {"consequence_missing"}),
    "notice to the healthy": (HEALTHY, lambda s: s.act("notify", "in_ada_1", "retrying"), {"consequence_unjustified"}),
    "flag while retrying": (RETRYING, lambda s: s.act("flag", "in_ada_1", "bad_debt"), {"consequence_unjustified"}),
    "ban at level 3": (BAD, lambda s: s.act("ban", "in_ada_1", "bad_debt"), {"consequence_unjustified", "consequence_missing"}),  # missing: its unban
    "recovery never was": (HEALTHY, lambda s: s.act("notify", "in_ada_1", "recovered"), {"consequence_unjustified"}),
    "cancelled at Stripe": (
        HEALTHY,
        lambda s: s.stripe("subscription", "sub_ada", by="engine", status="canceled"),
        {"consequence_unjustified", "stripe_drift"},
    ),
    "void at Stripe": (
        HEALTHY,
        lambda s: s.stripe("invoice", "in_ada_1", by="engine", status="void"),
        {"consequence_unjustified", "ledger_drift"},
    ),
    "cancelled in OPE": (
        HEALTHY,
        lambda s: s.write("ope", "ope_ada", status="canceled"),
        {"consequence_unjustified", "entitlement_drift", "stripe_drift"},
    ),
    "another quantity at Stripe": (HEALTHY, lambda s: billed(s, quantity=2), {"stripe_drift"}),
    "zone at another level": (HEALTHY, lambda s: s.write("www", "ada.example", writer="www_sync", plan="free"), {"www_drift"}),
    "another name at Stripe": (HEALTHY, lambda s: s.stripe("customer", "cus_ada", name="Ada L."), {"profile_drift"}),
    "account type lost": (HEALTHY, lambda s: metadata(s, account_type=""), {"account_type_drift"}),
    "customer gone": (HEALTHY, lambda s: s.stripe("customer", "cus_ada", gone=True), {"mapping_drift"}),
    "step of an unknown invoice": (HEALTHY, lambda s: s.write("subs_dunning", done=("in_gone_1/retrying",)), {"orphaned_state"}),
}


def entry(scene: Scene, object_id: str, kind: str, status: str, due: int, paid: int, remaining: int) -> Scene:
    """One more entry in the ledger, written as invoicing writes."""
    rows = scene.shard.all("billing_prod")
    fields: dict[str, Any] = {"kind": kind, "object_id": object_id, "status": status, "currency": "usd", "sequence": len(rows) + 1}
    amounts: dict[str, Any] = {"amount_due": due, "amount_paid": paid, "amount_remaining": remaining}
    return scene.write("billing_prod", f"{object_id}:{status}:{len(rows)}", by="invoicing", **fields, **amounts)


PLANTED |= {
    "ledger says open": (HEALTHY, lambda s: entry(s, "in_ada_1", "invoice", "open", 2000, 0, 2000), {"ledger_drift"}),
    "ledger amount wrong": (HEALTHY, lambda s: entry(s, "ch_ada_1.3", "charge", "succeeded", 2000, 1999, 0), {"ledger_drift"}),
    "ledger kind wrong": (HEALTHY, lambda s: entry(s, "ch_ada_1.3", "invoice", "succeeded", 2000, 2000, 0), {"ledger_drift"}),
    "ledger knows a ghost": (HEALTHY, lambda s: entry(s, "in_bob_1", "invoice", "open", 2000, 0, 2000), {"ledger_drift"}),
    "ledger lacks an invoice": (HEALTHY, lambda s: s.pay() and s.stripe("invoice", "in_ada_1", amount_paid=1), {"ledger_drift"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name: str) -> None:
    row, plant, codes = PLANTED[name]
    scene = Scene(row).begin().after(86_400_000 // 24)
    assert scene.codes() == set()
    plant(scene)
    # What has no record (an action that never happened) shows at the next look with a fresh truth.
    scene.shard.authority += 1
    scene.look()
    assert scene.codes() == codes
    report = scene.after(1).finish()
    assert {record.code for record in report.drift} == codes
    assert {code: {"opened": 1, "open_at_end": 1} for code in codes} == report.by_code


def test_every_code_has_its_canary() -> None:
    assert {code for _, _, codes in PLANTED.values() for code in codes} == set(CODES)


def test_a_lower_entry_does_not_hide_the_last_one() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    rows = scene.shard.many["billing_prod"]
    rows["late"] = LedgerRow("ada", "late", "invoice", "in_ada_1", "open", "usd", 2000, 0, 2000, 0, version=1)
    assert scene.look().codes() == set()


# --- always ----------------------------------------------------------------------------------------------------------------------------------


def checks(scene: Scene) -> list[str]:
    return [finding.check for finding in scene.look().finish().findings]


def test_an_engine_that_moves_a_bit_of_the_facade_is_found() -> None:
    assert checks(Scene(HEALTHY).begin().after(1).write("subs_account", flags=1 << 3)) == ["foreign_bits"]
    assert checks(Scene(HEALTHY).begin().after(1).write("subs_account", flags=1 << 3, by="pay_bad_debt", writer="facade")) == []
    assert checks(Scene(HEALTHY).begin().after(1).write("subs_account", flags=BIT15)) == []


def test_a_second_charge_of_one_invoice_is_found() -> None:
    def charged(intent: str) -> list[str]:
        scene = Scene(HEALTHY).begin().after(1)
        charge = Charge(id="ch_ada_1.9", created=seconds(3), amount=2000, payment_intent=intent)
        scene.shard.stripe.charges[charge.id] = charge
        return checks(scene.record("charge", charge.id, None, charge).post_ledger())

    assert charged("pi_ada_1") == ["charged_twice"]
    assert charged("pi_of_nothing") == []


def test_a_refund_beyond_the_charge_is_found() -> None:
    assert checks(Scene(HEALTHY).begin().after(1).stripe("charge", "ch_ada_1.3", amount_refunded=2001)) == ["refund_exceeds_charge"]
    assert checks(Scene(HEALTHY).begin().after(1).stripe("charge", "ch_ada_1.3", amount_refunded=2000)) == []


def disputed(amount: int, status: Any) -> Dispute:
    answers = EvidenceDetails(seconds(9))
    return Dispute(id="dp_1", created=seconds(3), amount=amount, charge="ch_ada_1.3", currency="usd", status=status, evidence_details=answers)


def test_a_dispute_lost_beside_a_refund_is_found_where_both_exceed_the_charge() -> None:
    def lost(amount: int, refunded: int, status: Any = "lost") -> list[str]:
        scene = Scene(HEALTHY).begin().after(1)
        book = scene.shard.stripe
        book.charges["ch_ada_1.3"] = msgspec.structs.replace(book.charges["ch_ada_1.3"], amount_refunded=refunded, disputed=True)
        book.disputes["dp_1"] = dispute = disputed(amount, status)
        return checks(scene.record("dispute", "dp_1", None, dispute))

    assert lost(1500, 501) == ["dispute_exceeds_charge"]
    assert lost(1500, 500) == lost(2000, 0) == lost(1500, 501, "under_review") == []


def test_a_refund_beside_a_lost_dispute_is_found_where_both_exceed_the_charge() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    scene.shard.stripe.disputes["dp_1"] = disputed(1500, "lost")
    assert checks(scene.stripe("charge", "ch_ada_1.3", disputed=True, amount_refunded=501)) == ["dispute_exceeds_charge"]


def test_a_ledger_entry_written_again_is_found() -> None:
    scene = Scene(HEALTHY).begin().after(1)
    row = next(iter(scene.shard.all("billing_prod").values()))
    scene.record("invoice", "in_ada_1", None, scene.shard.stripe.invoices["in_ada_1"])
    record = scene.shard.fresh.pop()._replace(store="billing_prod", key=row.key, old=row, new=row, component="invoicing")
    scene.shard.fresh.append(record)
    assert checks(scene) == ["ledger_rewritten"]


def test_chasing_a_paid_invoice_is_found_once_it_has_been_paid_for_a_minute() -> None:
    def chased(wait_ms: int) -> list[str]:
        scene = Scene(RETRYING).begin().after(1000)
        scene.shard.pending = 1
        scene.pay().look().after(wait_ms)
        scene.shard.actions.clear()
        return checks(scene.act("notify", "in_ada_1", "retrying"))

    assert chased(60_000) == []
    assert chased(62_000) == ["paid_chased"]


def test_a_consequence_executed_twice_is_found() -> None:
    assert checks(Scene(RETRYING).begin().after(1).act("notify", "in_ada_1", "retrying")) == ["action_twice"]
    assert checks(Scene(RETRYING).begin().after(1).act("notify", "in_ada_1", "retrying", executed=False)) == []


def test_two_subscriptions_are_cancelled_for_one_debt_and_no_third() -> None:
    scene = Scene("bad_debt/another_is_retrying").begin().after(1)
    scene.shard.actions.pop("cancel|in_ada-2_1|bad_debt")
    scene.act("cancel", "in_ada-2_1", "bad_debt").act("cancel", "in_ada-2_1", "bad_debt").look()
    assert scene.act("cancel", "in_ada-2_1", "bad_debt").look().finish().findings[0].check == "action_twice"


@pytest.mark.parametrize("row", ["applies/contract_type", "applies/merged"])
def test_an_automatic_write_where_truth_does_not_apply_is_found(row: str) -> None:
    assert checks(Scene(row).begin().after(1).write("subs_dunning", status="bad_debt")) == ["automatic_write"]
    assert checks(Scene(row).begin().after(1).write("subs_account", flags=BIT15)) == ["automatic_write"]
    assert checks(Scene(row).begin().after(1).write("subs_account", name="Ada")) == []
    assert checks(Scene(row).begin().after(1).stripe("invoice", "in_ada_1", attempt_count=9)) == []


def test_an_account_that_has_just_become_a_contract_may_still_be_written() -> None:
    def written(wait_ms: int) -> list[str]:
        scene = Scene(HEALTHY).begin().after(1).write("subs_account", by="support", account_type="jdc").look().after(wait_ms)
        return checks(scene.write("subs_dunning", retry_count=1))

    assert written(60_000) == []
    assert written(60_001) == ["automatic_write"]


def test_the_runtime_adds_its_own_findings() -> None:
    scene = Scene(HEALTHY).begin()
    scene.judge.find("ownership", "ada", scene.now, "www_sync is not among the writers of subs_dunning", "ownership/www_sync/subs_dunning")
    assert [finding.signature for finding in scene.finish().findings] == ["ownership/www_sync/subs_dunning"]


def test_another_policy_moves_the_flags() -> None:
    scene = Scene(BAD)
    moved = msgspec.structs.replace(scene.policy, bad_debt_flag=1 << 20)
    assert isinstance(moved, DunningPolicy)
    scene.judge._policy = moved
    assert scene.begin().codes() == {"bad_debt_missed", "debt_flags_inconsistent"}
