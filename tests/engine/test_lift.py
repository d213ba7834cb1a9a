"""An engine from either form of the port."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.lift import lift
from billsim.ports import AccountState, Decision, Message, Start, Steps, Write
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis


class Marker:
    """Flags whoever it hears of, and asks for the lent entitlements."""

    def handle(self, message: Message) -> Steps:
        yield Write("subs_dunning", message.account, {"retry_count": 9})
        yield Start("entitlements", message.account, message.kind)


class Counter:
    """A brain of its own: nine retries for everybody."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        return Decision("retrying", retry_count=9, escalation_level=1, entitlements={"zone_plan": "gold"})


def test_what_handles_is_woken_by_everything_and_may_start_what_is_lent() -> None:
    engine = lift(Marker(), DunningPolicy(), name="mine")
    driver = Driver(engine, shard_of(), millis(0))
    driver.deliver(message("cron.whatever"))
    assert engine.name == "mine" and driver.shard.one("subs_dunning").retry_count == 9
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"


def test_what_handles_may_order_what_is_lent() -> None:
    """The message goes to the component that it orders work of, and to nobody else."""
    engine = lift(Marker(), DunningPolicy(), name="mine")
    assert engine.wakes(message("async.email")) == ("email",) and engine.wakes(message("async.plan_levels")) == ("plan_levels",)
    assert engine.wakes(message("async.invoice_export")) == ("engine",)
    driver = Driver(engine, shard_of(), millis(0))
    driver.stores.write("www_sync", "www", "ada", "ada.example", {"plan": "business_monthly"}, 0)
    driver.stores.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "pro_monthly"}, 0)
    driver.deliver(message("async.plan_levels"))
    assert driver.shard.all("www")["ada.example"].plan == "pro_monthly" and driver.shard.one("subs_dunning").retry_count == 0


def test_what_decides_is_applied_like_our_own() -> None:
    driver = Driver(lift(Counter(), DunningPolicy(), name="mine"), shard_of(), millis(0))
    driver.deliver(message("stripe.invoice.finalized"))
    row = driver.shard.one("subs_dunning")
    assert (row.status, row.retry_count, row.intent) == ("retrying", 9, ())
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "gold"


def test_what_does_neither_is_refused() -> None:
    with pytest.raises(TypeError, match="object has neither handle"):
        lift(object(), DunningPolicy(), name="mine")  # type: ignore[arg-type]
