"""The brain applies what is decided, once, whatever races and crashes come in between."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.dunning_brain import TRIES, metadata_key
from billsim.engine.errors import RetryLater
from billsim.engine.recompute import Recompute
from billsim.ports import Act, CallStripe, CompareAndSet, Effect, GatherAll, Start, Write
from billsim.stores.subs_account import MARKETING_OPT_IN
from tests.driver import CrashError, Driver, message, shard_of
from tests.truth_table import ROWS, TruthRow, millis

ATTEMPTS = [0, 1, 3, 5, 7, 9, 11, 14]
BAD = {"invoices": [{"id": "in_ada_1", "failed": ATTEMPTS}]}
WAKE = message("request.recompute")


def world(day: float, facts: dict[str, Any] | None = None) -> Driver:
    driver = Driver(Recompute(DunningPolicy()), shard_of(now=day, **(BAD if facts is None else facts)), millis(day))
    driver.stores.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "pro_monthly"}, 0)
    return driver


def of_row(row: TruthRow) -> Driver:
    driver = Driver(Recompute(row.policy), row.shard(), row.now_ms)
    driver.stores.by_customer["cus_ada"] = ("ada", *row.shared_with)
    return driver


@pytest.mark.parametrize("row", [row for row in ROWS if row.expected.applies], ids=str)
def test_afterwards_everything_is_as_the_row_says_and_a_second_run_writes_nothing(row: TruthRow) -> None:
    driver = of_row(row)
    driver.run("dunning_brain", WAKE)
    expected, dunning, flags = row.expected, driver.shard.one("subs_dunning"), driver.shard.one("subs_account").flags
    assert (dunning.status, dunning.retry_count, dunning.escalation_level) == (expected.status, expected.retry_count, expected.escalation_level)
    assert (bool(flags & 1 << 15), bool(flags & 1 << 14)) == (expected.bad_debt, expected.no_successful_payment)
    assert driver.book.customer is not None and driver.book.customer.metadata == expected.metadata
    assert {id: invoice.metadata for id, invoice in driver.book.invoices.items() if invoice.metadata} == expected.invoice_metadata
    assert {key: each.plan for key, each in driver.shard.all("cf_prod").items()} == expected.entitlements
    assert tuple(sorted(act.key for act in driver.acts)) == expected.consequences
    assert set(expected.consequences) <= set(dunning.done) and dunning.intent == ()
    assert [send.due_ms for send in driver.sent] == ([] if expected.next_boundary_ms is None else [expected.next_boundary_ms])

    driver.effects.clear()
    driver.run("dunning_brain", message("request.recompute", name="m2"))
    assert driver.changing() == [] and len(driver.performed(GatherAll)) == 1


@pytest.mark.parametrize("row", [row for row in ROWS if not row.expected.applies], ids=str)
def test_an_account_that_is_not_ours_is_left_alone(row: TruthRow) -> None:
    driver = of_row(row)
    driver.run("dunning_brain", WAKE)
    driver.run("consequences", WAKE)
    driver.run("entitlements", WAKE)
    driver.run("invoicing", WAKE)
    assert driver.changing() == []


def test_the_intent_is_durable_before_anything_else_is_written() -> None:
    driver = world(22)
    driver.run("dunning_brain", WAKE)
    first = driver.performed(CompareAndSet)[0]
    assert first.store == "subs_dunning"
    assert first.fields["intent"] == ("flags", "customer", "invoice/in_ada_1", "entitlements", "in_ada_1/bad_debt", "in_ada_1/cancel/ope_ada")


def test_consequences_come_last() -> None:
    driver = world(22)
    driver.run("dunning_brain", WAKE)
    started = [effect.component for effect in driver.performed(Start)]
    assert started == ["entitlements", "consequences"]


def held_after(driver: Driver, day: float) -> dict[str, Any]:
    held = driver.held()
    assert held["rows"]["subs_dunning"].since_ms == millis(day)
    return held


@pytest.mark.parametrize("day", [1, 16, 22, 52])
def test_a_crash_after_any_effect_is_resumed_by_the_redelivery(day: float) -> None:
    facts = BAD if day > 1 else {"invoices": [{"id": "in_ada_1", "failed": [0], "next": 2}]}
    whole = world(day, facts)
    whole.run("dunning_brain", WAKE)
    expected = held_after(whole, day)
    assert len(whole.effects) > 5
    for crash_after in range(len(whole.effects)):
        driver = world(day, facts)
        driver.crash_after = crash_after
        with pytest.raises(CrashError):
            driver.run("dunning_brain", WAKE)
        driver.crash_after = None
        driver.run("dunning_brain", WAKE)
        assert held_after(driver, day) == expected, crash_after
        assert [act.key for act in driver.acts] == [act.key for act in whole.acts], crash_after


def test_a_crash_between_the_cancellation_and_its_record_is_finished_by_another_wake_up() -> None:
    driver = world(22)

    def killed(effect: Effect) -> None:
        if isinstance(effect, Act) and effect.kind == "cancel":
            raise CrashError

    driver.before = killed
    with pytest.raises(CrashError):
        driver.run("dunning_brain", WAKE)
    assert driver.shard.all("ope")["ope_ada"].status == "canceled"
    driver.before = lambda effect: None
    driver.run("dunning_brain", message("stripe.customer.subscription.deleted", name="m2"))
    assert [(act.kind, act.key) for act in driver.acts if act.kind == "cancel"] == [("cancel", "in_ada_1/cancel/ope_ada")]


def test_a_lost_race_for_the_flags_keeps_the_other_writers_bit() -> None:
    driver = world(22)

    def facade_writes(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.store == "subs_account":
            driver.before = lambda effect: None
            driver.stores.write("facade", "subs_account", "ada", None, {"flags": MARKETING_OPT_IN}, driver.now_ms)

    driver.before = facade_writes
    driver.run("dunning_brain", WAKE)
    assert driver.shard.one("subs_account").flags == MARKETING_OPT_IN | 1 << 15
    assert driver.shard.one("subs_dunning").intent == ()


def test_a_payment_while_applying_is_seen_before_it_ends() -> None:
    driver = world(22)

    def customer_pays(effect: Effect) -> None:
        if isinstance(effect, CallStripe) and effect.method == "customers.update":
            driver.before = lambda effect: None
            driver.pay("in_ada_1")

    driver.before = customer_pays
    driver.run("dunning_brain", WAKE)
    assert driver.shard.one("subs_dunning").status == "healthy"
    assert driver.shard.one("subs_account").flags == 0
    assert driver.book.customer is not None and driver.book.customer.metadata == {"account_type": "self_serve"}
    assert driver.book.invoices["in_ada_1"].metadata == {}
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"
    # It was bad debt when it was paid, so good news is due; the flag and the cancellation had not been executed and are not called for any more.
    assert [act.key for act in driver.acts] == ["in_ada_1/recovered"]
    assert driver.book.subscriptions["sub_ada"].status == "active"


def test_an_account_that_never_comes_to_rest_is_delivered_again_later() -> None:
    driver = world(22)

    def someone_writes(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.store == "subs_dunning":
            row = driver.shard.one("subs_dunning")
            driver.stores.write("engine", "subs_dunning", "ada", None, {"since_ms": row.since_ms + 1}, driver.now_ms)

    driver.before = someone_writes
    with pytest.raises(RetryLater, match="dunning_brain: ada did not come to rest within 8 tries"):
        driver.run("dunning_brain", WAKE)
    assert len(driver.performed(GatherAll)) == TRIES and driver.shard.one("subs_dunning").status == "healthy"


def test_nobody_elses_metadata_is_touched() -> None:
    driver = world(22)
    assert driver.book.customer is not None
    driver.book.customer.metadata["crm"] = "x-17"
    driver.run("dunning_brain", WAKE)
    call = next(call for call in driver.performed(CallStripe) if call.method == "customers.update")
    assert call.params == {"metadata": {"bad_debt": "true", "bad_debt_since": str(millis(21) // 1000), "account_type": "self_serve"}}
    assert driver.book.customer.metadata["crm"] == "x-17"


def test_the_same_boundary_is_not_sent_for_twice() -> None:
    driver = world(16)
    driver.run("dunning_brain", WAKE)
    driver.run("dunning_brain", message("request.recompute", name="m2"))
    assert [(send.kind, send.due_ms) for send in driver.sent] == [("boundary", millis(21))]


def test_a_metadata_key_names_what_is_set_and_by_which_try() -> None:
    keys = {metadata_key(task, id, set) for task in ("m1/0", "m1/1", "m2/0") for id in ("cus_a", "cus_b") for set in ({"a": "1"}, {"a": ""})}
    assert len(keys) == 12 and all(len(key) <= 255 for key in keys)


def test_the_events_content_is_never_looked_at() -> None:
    driver = world(22)
    lying = shard_of(invoices=[{"id": "in_ada_1", "paid": 20}]).stripe.invoices["in_ada_1"]
    driver.run("dunning_brain", message("stripe.invoice.paid", thing=lying, at_ms=millis(22)))
    assert driver.shard.one("subs_dunning").status == "bad_debt"


def test_only_acts_with_keys_and_no_blind_write_leave_the_engine() -> None:
    driver = world(52)
    driver.run("dunning_brain", WAKE)
    assert all(act.key for act in driver.performed(Act)) and driver.performed(Write) == []
