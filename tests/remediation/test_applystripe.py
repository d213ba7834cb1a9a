"""applystripe: the smallest diff, what it refuses, what it leaves alone, and that it harms nobody who is at work on the account."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.remediation import Gate, RemediationPolicy
from billsim.ports import Message
from billsim.stores.ope import OpeChange
from billsim.stripe.objects import Price
from tests.remediation.night import ADA, Night

STUCK = (
    '{ account = "ada", account_type = "TYPE", rows = { subs_dunning = { status = "bad_debt", escalation_level = 3 }, '
    'subs_account = { flags = 32769 }, stripe_metadata = { bad_debt = "true", note = "hers" } } }'
)
BILLS = [("ada", "stripe_drift", "sub_ada")]
NEAR = RemediationPolicy(days_before_invoice=0)


def stuck(kind: str = "self_serve", **more: Any) -> Night:
    return Night(STUCK.replace("TYPE", kind), **more)


def refusals(night: Night) -> dict[str, str]:
    return {refusal["step"]: refusal["why"] for refusal in night.result()["refused"]}


def left(night: Night) -> dict[str, str]:
    return {refusal["step"]: refusal["why"] for refusal in night.result()["left"]}


@pytest.mark.parametrize("engine", ["recompute", "legacy", "noop"])
def test_a_stuck_account_is_healed_by_three_writes_under_any_engine(engine: str) -> None:
    night = stuck(engine=engine)
    night.run([("ada", "bad_debt_stuck", "")])
    shard = night.shard()
    assert night.writers() == [("applystripe", "subs_dunning"), ("applystripe", "subs_account"), ("applystripe", "stripe.customer")]
    assert (shard.rows["subs_dunning"].status, shard.rows["subs_account"].flags) == ("healthy", 1)
    assert shard.stripe.customer.metadata == {"account_type": "self_serve", "note": "hers"}
    assert night.result() == {"outcome": "healed", "steps": ["bad_debt"], "refused": [], "left": [], "wrong": {}, "failed": False}


def test_who_is_right_is_not_written() -> None:
    night = Night()
    night.run([("ada", "bad_debt_stuck", "")])
    assert night.writers() == [] and night.result()["outcome"] == "nothing_to_do"


def test_no_consequence_is_executed() -> None:
    """The account has owed for long, and nobody has noticed: what is held is mended, and nobody is told, cancelled or banned for it."""
    owes = '{ account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-05T01:00:00Z } ], rows = { '
    night = Night(owes + 'subs_dunning = { status = "retrying", escalation_level = 1 }, subs_account = { flags = 0 } } }', engine="noop")
    before = dict(night.shard().actions)
    night.run([("ada", "bad_debt_missed", "")])
    assert night.shard().rows["subs_dunning"].status == "bad_debt" and night.shard().actions == before
    assert not [record for record in night.records if record[0] == "actions"]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("cloudflare_ent", "UnsupportedAccountType"),
        ("msp", "UnsupportedAccountType"),
        ("partners_pay_go", "UnsupportedAccountType"),
        ("sfcc", "UnsupportedAccountType"),
        ("jdc", "EnterpriseExcluded"),
        ("ibm", "EnterpriseExcluded"),
    ],
)
def test_a_type_of_account_blocks_the_whole_plan(kind: str, why: str) -> None:
    night = stuck(kind)
    night.run([("ada", "bad_debt_stuck", "")], [("ada", "www_drift", "")])
    assert night.writers() == [] and refusals(night) == {"": why}
    assert night.result()["outcome"] == "refused" and not night.result()["failed"]


def test_a_type_that_policy_calls_a_contract_is_excluded_whatever_the_rules_forget() -> None:
    night = stuck("jdc", rules=RemediationPolicy(enterprise_types=(), unsupported_types=()))
    night.run([("ada", "bad_debt_stuck", "")])
    assert night.writers() == [] and refusals(night) == {"": "EnterpriseExcluded"}


def test_a_shut_gate_keeps_row_flag_and_key_as_they_are() -> None:
    night = stuck(rules=RemediationPolicy(bad_debt_gate=Gate(open=True, but=("ada",))))
    night.run([("ada", "bad_debt_stuck", "")])
    assert night.writers() == [] and refusals(night) == {"bad_debt": "BadDebtDriftRemediation"}


def test_a_shut_gate_makes_no_dunning_row_either() -> None:
    owed = '{ invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-02-20T06:00:00Z }'
    night = Night(f'{{ account = "ada", card = "declines", invoices = [ {owed} ] }}', rules=RemediationPolicy(bad_debt_gate=Gate(open=False)))
    shard = night.shard()
    shard.rows = {store: row for store, row in shard.rows.items() if store != "subs_dunning"}
    night.run([("ada", "bad_debt_missed", "")])
    assert night.writers() == [] and refusals(night) == {"bad_debt": "BadDebtDriftRemediation"}


def test_a_dry_run_writes_the_audit_alone() -> None:
    night = stuck(mode="dry-run")
    night.run([("ada", "bad_debt_stuck", "")], [("ada", "www_drift", "")])
    assert night.writers() == []
    assert (night.result()["outcome"], night.result()["steps"]) == ("would_heal", ["bad_debt"])


def test_identity_type_entitlements_and_ledger_are_mended_too() -> None:
    wrong = 'cf_prod = { zone_plan = "free" }, subs_account = { name = "Nobody" }, stripe_metadata = { account_type = "msp" }'
    night = Night(f'{{ account = "ada", rows = {{ {wrong} }} }}')
    night.shard().many = {**night.shard().many, "billing_prod": {}}
    night.run([("ada", "entitlement_drift", "zone_plan")])
    assert night.result()["steps"] == ["account_type", "entitlements", "ledger", "profile"]
    assert night.shard().all("cf_prod")["zone_plan"].plan == "pro_monthly" and night.shard().rows["subs_account"].name != "Nobody"
    assert {row.object_id for row in night.shard().all("billing_prod").values()} == {"in_ada_0", "ch_ada_0.1"}


# -- what Stripe bills -----------------------------------------------------------------------------------------------------------------


def test_stripe_follows_ope_without_a_bill_for_the_past() -> None:
    night = Night(rules=NEAR)
    night.item(price=1500, quantity=2)
    invoices = list(night.shard().stripe.invoices)
    night.run(BILLS)
    item = night.subscription.items.data[0]
    assert (item.price.unit_amount, item.quantity) == (1500, 2) and night.result()["steps"] == ["update/ope_ada"]
    assert list(night.shard().stripe.invoices) == invoices and not night.shard().stripe.invoice_items


def test_nothing_is_changed_so_near_the_next_invoice() -> None:
    """ada renews on the 2nd of April, 19 days after the night begins."""
    for days, outcome in ((18, "healed"), (20, "refused")):
        night = Night(rules=RemediationPolicy(days_before_invoice=days))
        ends_s = night.subscription.items.data[0].current_period_end
        assert 18 * 86_400 < ends_s - night.world.kernel.now // 1000 < 20 * 86_400
        night.item(price=1500)
        night.run(BILLS)
        assert night.result()["outcome"] == outcome
    assert refusals(night) == {"update/ope_ada": "InvoiceDateTooNear"} and night.subscription.items.data[0].price.unit_amount == 2000


@pytest.mark.parametrize(("price", "outcome"), [(2500, "refused"), (1500, "healed")])
def test_who_has_nothing_to_pay_with_gets_no_change_that_costs(price: int, outcome: str) -> None:
    night = Night(rules=NEAR)
    book = night.shard().stripe
    book.payment_methods.clear()
    book.customer = replace(book.customer, invoice_settings=replace(book.customer.invoice_settings, default_payment_method=None))
    book.subscriptions["sub_ada"] = replace(night.subscription, default_payment_method=None)
    night.item(price=price)
    night.run(BILLS)
    assert night.result()["outcome"] == outcome
    assert refusals(night) == ({"update/ope_ada": "InvalidPaymentMethod"} if outcome == "refused" else {})


def test_what_the_catalog_has_not_brought_to_stripe_gets_no_price_of_its_own() -> None:
    night = Night(rules=NEAR)
    night.item(plan="titanium", price=1500)
    night.run(BILLS)
    assert left(night) == {"ope_ada": "missing_price"} and "price_titanium" not in night.world.stripe.prices


def test_a_ghost_is_ended_and_what_it_unlocked_is_taken_back() -> None:
    night = Night('{ account = "ada", rows = { ope = { ope_ada = "canceled" } } }', rules=NEAR)
    night.run(BILLS)
    assert night.subscription.status == "canceled" and night.result()["steps"] == ["cancel/ope_ada", "entitlements"]
    assert not [drift for drift in night.world.judge.finish(night.world.kernel.now).drift if drift.code == "consequence_unjustified"]


def test_one_that_nobody_names_is_adopted_rather_than_bought_again() -> None:
    night = Night(rules=NEAR)
    night.bought(lambda row: replace(row, stripe_subscription=""))
    night.run(BILLS)
    assert night.result()["steps"] == ["adopt/ope_ada"] and list(night.shard().stripe.subscriptions) == ["sub_ada"]
    assert night.shard().all("ope")["ope_ada"].stripe_subscription == "sub_ada"


def test_what_was_bought_and_never_billed_is_created_once() -> None:
    night = Night(rules=NEAR)
    night.shard().stripe.subscriptions.clear()
    night.bought(lambda row: replace(row, stripe_subscription="sub_ada-9"))
    night.run(BILLS)
    made = night.shard().stripe.subscriptions
    assert list(made) == ["sub_ada-9"] and made["sub_ada-9"].status == "active"
    night.run(BILLS, date="2026-03-16")
    assert night.result(key="2026-03-16/applystripe")["outcome"] == "nothing_to_do" and list(made) == ["sub_ada-9"]


def test_a_purchase_of_this_hour_is_left_alone() -> None:
    """Stripe has it, and whoever sells it has yet to say so in OPE."""
    for age_s, why, status in ((3_500, {"cancel/sub_new": "too_young"}, "active"), (3_600, {}, "canceled")):
        night = Night(rules=NEAR)
        night.world.stripe.seed(replace(night.subscription, id="sub_new", created=night.world.kernel.now // 1000 - age_s))
        night.run(BILLS)
        assert left(night) == why and night.shard().stripe.subscriptions["sub_new"].status == status


def test_what_moves_between_two_looks_is_left_to_whoever_moves_it() -> None:
    night = Night(rules=NEAR)
    night.item(price=1500)
    world = night.world
    world.kernel.call_at(world.kernel.now + 30_000, 0, lambda _: night.item(price=1700), None)
    night.run(BILLS)
    assert left(night) == {"update/ope_ada": "moving"} and night.subscription.items.data[0].price.unit_amount == 2000


def test_a_change_on_its_way_is_left_alone() -> None:
    night = Night(rules=NEAR, engine="noop")
    change = OpeChange("somebody", interval="month", grows=True)
    night.bought(lambda row: replace(row, items=(replace(row.items[0], price=1500),), scheduled=replace(change, items=row.items)))
    night.run(BILLS)
    assert left(night) == {"ope_ada": "change_on_its_way"} and night.writers() == []


def test_stripes_refusal_fails_the_attempt_and_holds_up_nothing_else() -> None:
    night = Night('{ account = "ada", card = "declines", rows = { subs_account = { flags = 32768 } } }', rules=NEAR)
    prices = night.world.stripe.prices
    prices["price_pro_yearly"] = Price(id="price_pro_yearly", created=0, product="zone_plan", unit_amount=20000)
    night.shard().stripe.subscriptions.clear()
    night.bought(lambda row: replace(row, stripe_subscription="sub_ada-9"))
    night.run(BILLS)
    result = night.result()
    assert (result["outcome"], result["failed"], result["wrong"]) == ("failed", True, {"create/ope_ada": "card_declined"})
    assert "bad_debt" in result["steps"] and night.shard().rows["subs_account"].flags & (1 << 15) == 0


# -- races -----------------------------------------------------------------------------------------------------------------------------


def test_foreign_bits_that_are_set_meanwhile_survive() -> None:
    night = stuck(engine="noop")
    world = night.world

    def verify(_nothing: Any) -> None:
        flags = night.shard().rows["subs_account"].flags
        world.put("profile", "facade", "e/test", "subs_account", "ada", None, {"flags": flags | 8})

    for after_ms in range(0, 300, 7):
        world.kernel.call_at(world.kernel.now + after_ms, 0, verify, None)
    night.run([("ada", "bad_debt_stuck", "")])
    assert night.shard().rows["subs_account"].flags == 9 and night.result()["outcome"] == "healed"


def test_an_account_is_attempted_once_a_night_however_often_the_job_is_started() -> None:
    night = stuck()
    night.run([("ada", "bad_debt_stuck", "")])
    night.plant("subs_dunning", status="delinquent")
    night.run([("ada", "dunning_wrong", "")], name="again")
    assert night.shard().rows["subs_dunning"].status == "delinquent" and len(night.shard().all("cfbill_migrations_audit")) == 1
    night.run([("ada", "dunning_wrong", "")], date="2026-03-16")
    assert night.shard().rows["subs_dunning"].status == "healthy" and len(night.shard().all("cfbill_migrations_audit")) == 2


def test_the_candidate_is_only_a_reason_to_look() -> None:
    """ada's event is not looked at: a code that does not fit leads to the same."""
    one, other = stuck(), stuck()
    one.run([("ada", "bad_debt_stuck", "")])
    other.run([("ada", "ledger_drift", "in_nobody_1"), ("ada", "www_drift", "")])
    assert one.writers() == other.writers() and one.result()["steps"] == other.result()["steps"]


def test_nothing_else_wakes_remediation() -> None:
    night = Night(ADA)
    kinds = ("cron.nightly", "stripe.invoice.paid", "request.recompute")
    woken = [name for kind in kinds for name in night.world.engine.wakes(Message("m", "e", kind, "ada", 0))]
    assert "driftcontrol" not in woken and "applystripe" not in woken and "dunning_brain" in woken
