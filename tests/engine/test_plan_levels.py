"""The zones of an account follow the plan that it may use."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.dunning_brain import TRIES
from billsim.engine.errors import RetryLater
from billsim.engine.plan_levels import PARTS
from billsim.engine.recompute import Recompute
from billsim.ports import Effect, GatherAll, Send, Start, Transact
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

ORDER = message("async.plan_levels")
WAKE = message("request.recompute")
BAD = [{"id": "in_ada_1", "failed": [0, 1, 3, 5, 7, 9, 11, 14]}]


def world(day: float = 1, *, plan: str = "pro_monthly", zones: dict[str, str] | None = None, **facts: object) -> Driver:
    driver = Driver(Recompute(DunningPolicy()), shard_of(now=day, **facts), millis(day))
    driver.stores.write("entitlements", "cf_prod", "ada", "zone_plan", {"plan": plan}, 0)
    for zone, level in ({"ada.example": "pro_monthly"} if zones is None else zones).items():
        driver.stores.write("www_sync", "www", "ada", zone, {"plan": level}, 0)
    return driver


def levels(driver: Driver) -> dict[str, str]:
    return {zone: row.plan for zone, row in driver.shard.all("www").items()}


def orders(driver: Driver) -> list[int]:
    """Where among the effects the component was ordered."""
    return [at for at, effect in enumerate(driver.effects) if isinstance(effect, Send) and effect.kind == ORDER.kind]


def test_bad_debt_takes_the_zones_to_the_free_plan_and_payment_brings_them_back() -> None:
    driver = world(22, invoices=BAD, zones={"a.example": "pro_monthly", "b.example": "pro_monthly"})
    driver.run("dunning_brain", WAKE)
    assert levels(driver) == {"a.example": "free", "b.example": "free"} and len(orders(driver)) == 1
    anew = shard_of()  # the subscription was bought anew
    driver.shard.many["ope"]["ope_ada"] = anew.all("ope")["ope_ada"]
    driver.book.subscriptions["sub_ada"] = anew.stripe.subscriptions["sub_ada"]
    driver.pay("in_ada_1")
    driver.run("dunning_brain", message("stripe.invoice.paid", name="m2"))
    assert levels(driver) == {"a.example": "pro_monthly", "b.example": "pro_monthly"}


def test_it_is_ordered_once_the_account_has_come_to_rest() -> None:
    driver = world(22, invoices=BAD)
    driver.run("dunning_brain", WAKE)
    started = [at for at, effect in enumerate(driver.effects) if isinstance(effect, Start)]
    assert len(started) == 2 and max(started) < orders(driver)[0]


def test_nothing_is_ordered_where_the_zones_are_as_they_should_be() -> None:
    driver = world()
    driver.run("dunning_brain", WAKE)
    assert orders(driver) == [] and levels(driver) == {"ada.example": "pro_monthly"}
    driver.effects.clear()
    driver.run("dunning_brain", WAKE)
    assert driver.changing() == []


def test_an_order_that_was_lost_is_made_up_for_by_the_next_wake_up() -> None:
    driver = world(zones={"ada.example": "business_monthly"})
    driver.run("dunning_brain", WAKE)
    assert levels(driver) == {"ada.example": "pro_monthly"}


def test_only_what_is_behind_is_written_and_a_second_order_writes_nothing() -> None:
    driver = world(zones={"a.example": "pro_monthly", "b.example": "free"})
    driver.deliver(ORDER)
    assert [change.key for effect in driver.performed(Transact) for change in effect.changes] == ["b.example"]
    driver.effects.clear()
    driver.deliver(ORDER)
    assert driver.effects == [GatherAll("ada", PARTS)]


def test_a_plan_that_moves_meanwhile_is_seen_before_it_ends() -> None:
    driver = world(zones={"ada.example": "free"})

    def downgraded(effect: Effect) -> None:
        if isinstance(effect, Transact):
            driver.before = lambda effect: None
            driver.stores.write("entitlements", "cf_prod", "ada", "zone_plan", {"plan": "business_monthly"}, 0)

    driver.before = downgraded
    driver.deliver(ORDER)
    assert levels(driver) == {"ada.example": "business_monthly"}


def test_others_who_keep_writing_make_it_come_back_later() -> None:
    driver = world(zones={"ada.example": "free"})

    def resynced(effect: Effect) -> None:
        if isinstance(effect, Transact):
            plan = f"plan{len(driver.effects)}"
            driver.stores.write("auto_resync_www", "www", "ada", "ada.example", {"plan": plan}, 0)

    driver.before = resynced
    with pytest.raises(RetryLater, match="plan_levels: ada did not come to rest within 8 tries"):
        driver.deliver(ORDER)
    assert len(driver.performed(Transact)) == TRIES


def test_zones_of_an_account_without_a_plan_for_them_are_left_alone() -> None:
    driver = world(zones={"ada.example": "free"})
    driver.shard.many["cf_prod"] = {}
    driver.deliver(ORDER)
    assert driver.changing() == []


def test_a_contract_account_is_left_alone() -> None:
    driver = world(zones={"ada.example": "free"}, account_type="ibm")
    driver.deliver(ORDER)
    driver.run("dunning_brain", WAKE)
    assert driver.changing() == []
