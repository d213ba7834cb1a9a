"""What has ended at Stripe ends in OPE once nothing is owed for it, and not before."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine import subscriptions_api
from billsim.engine.recompute import Recompute
from billsim.ports import CompareAndSet, Send
from billsim.stores.ope import OpeChange, OpeItem
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

WAKE = message("stripe.customer.subscription.deleted")
FAILED = [{"id": "in_ada_1", "failed": [0]}]


def world(status: str, invoices: list[dict[str, Any]], **changes: Any) -> Driver:
    driver = Driver(Recompute(DunningPolicy()), shard_of(now=1, invoices=invoices, subs=[{"status": status, "canceled": 0.5}]), millis(1))
    driver.stores.write("entitlements", "cf_prod", "ada", "zone_plan", {"plan": "pro_monthly"}, 0)
    if changes:
        driver.stores.write("engine", "ope", "ada", "ope_ada", changes, 0)
    return driver


def ended(driver: Driver) -> tuple[str, str]:
    driver.run("dunning_brain", WAKE)
    return driver.shard.all("ope")["ope_ada"].status, driver.shard.all("cf_prod")["zone_plan"].plan


@pytest.mark.parametrize("status", ["canceled", "incomplete_expired"])
@pytest.mark.parametrize("invoices", [[], [{"id": "in_ada_1", "failed": [0], "paid": 0.7}], [{"id": "in_ada_1", "failed": [0], "void": 0.7}]])
def test_an_end_that_nothing_is_owed_for_is_followed_and_so_are_the_plans(status: str, invoices: list[dict[str, Any]]) -> None:
    driver = world(status, invoices)
    assert ended(driver) == ("canceled", "free")
    assert [effect.store for effect in driver.performed(CompareAndSet) if effect.store == "ope"] == ["ope"]


@pytest.mark.parametrize("status", ["active", "past_due", "unpaid", "incomplete"])
def test_what_is_in_force_stays(status: str) -> None:
    assert ended(world(status, [])) == ("active", "pro_monthly")


def test_while_it_is_owed_for_dunning_says_what_becomes_of_it() -> None:
    assert ended(world("canceled", FAILED)) == ("active", "pro_monthly")


def test_a_change_that_waits_for_a_day_that_will_not_come_is_told_of_as_through() -> None:
    for items in ((), (OpeItem("zone_plan", "pro_lite", 1_000),)):
        driver = world("canceled", [], scheduled=OpeChange("r", items, due_ms=millis(9), asked=True))
        assert ended(driver)[0] == "canceled" and driver.shard.all("ope")["ope_ada"].scheduled is None
        assert [effect.kind for effect in driver.performed(Send)].count(subscriptions_api.CHANGED) == 1


def test_whoever_was_first_is_not_overwritten() -> None:
    driver = world("canceled", [])

    def another(effect: Any) -> None:
        if isinstance(effect, CompareAndSet) and effect.store == "ope":
            driver.before = lambda effect: None
            driver.stores.write("engine", "ope", "ada", "ope_ada", {"stripe_subscription": "sub_new"}, driver.now_ms)
            old = driver.book.subscriptions["sub_ada"]
            driver.book.subscriptions["sub_new"] = replace(old, id="sub_new", status="active")

    driver.before = another
    assert ended(driver) == ("active", "pro_monthly")
