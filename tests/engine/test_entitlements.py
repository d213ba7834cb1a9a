"""Entitlements sets the plans decided, and nothing that stands already."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import Recompute
from billsim.ports import Effect, Transact
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

WAKE = message("domain.decided")


def test_sets_only_what_differs() -> None:
    driver = Driver(Recompute(DunningPolicy()), shard_of(subs=[{}, {"id": "sub_ada-2"}]), millis(0))
    driver.stores.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "pro_monthly"}, 0)
    driver.run("entitlements", WAKE)
    changes = [change for effect in driver.performed(Transact) for change in effect.changes]
    assert [(change.key, change.fields, change.version) for change in changes] == [("addon-2", {"plan": "addon_monthly"}, 1)]
    driver.effects.clear()
    driver.run("entitlements", WAKE)
    assert driver.changing() == []


def test_a_missing_row_is_made() -> None:
    driver = Driver(Recompute(DunningPolicy()), shard_of(), millis(0))
    driver.shard.many["cf_prod"].clear()
    driver.run("entitlements", WAKE)
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"


def test_a_lost_race_is_looked_at_again() -> None:
    driver = Driver(Recompute(DunningPolicy()), shard_of(), millis(0))

    def facade_writes(effect: Effect) -> None:
        if isinstance(effect, Transact):
            driver.before = lambda effect: None
            driver.stores.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "business_monthly"}, 0)

    driver.before = facade_writes
    driver.run("entitlements", WAKE)
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"
