"""Consequences are executed once, looked at again before each, and recorded."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.engine.orders import ANNOUNCED
from billsim.engine.recompute import Recompute
from billsim.ports import Act, CallStripe, CompareAndSet, Effect, GatherAll, Send
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

WAKE = message("domain.decided")
ATTEMPTS = [0, 1, 3, 5, 7, 9, 11, 14]


def world(day: float, **facts: object) -> Driver:
    shard = shard_of(now=day, **{"invoices": [{"id": "in_ada_1", "failed": ATTEMPTS}], **facts})
    return Driver(Recompute(DunningPolicy()), shard, millis(day))


def test_flag_then_cancel_then_ban_each_after_a_fresh_look() -> None:
    driver = world(52)
    driver.run("consequences", WAKE)
    assert [(act.kind, act.debt, act.step, act.key) for act in driver.acts] == [
        ("flag", "in_ada_1", "bad_debt", "in_ada_1/bad_debt"),
        ("cancel", "in_ada_1", "bad_debt", "in_ada_1/cancel/ope_ada"),
        ("ban", "in_ada_1", "bad_debt", "in_ada_1/ban"),
    ]
    assert len(driver.performed(GatherAll)) == 3
    assert driver.shard.one("subs_dunning").done == ("in_ada_1/bad_debt", "in_ada_1/cancel/ope_ada", "in_ada_1/ban")


def test_each_is_announced_before_it_is_recorded_and_who_may_use_what_is_looked_at_again() -> None:
    driver = world(52)
    driver.run("consequences", WAKE)
    assert [(send.kind, send.body["key"], send.body["subscription"]) for send in driver.announced] == [
        ("account_flagged", "in_ada_1/bad_debt", ""),
        ("subscription_canceled", "in_ada_1/cancel/ope_ada", "ope_ada"),
        ("account_banned", "in_ada_1/ban", ""),
    ]
    told = [effect for effect in driver.effects if isinstance(effect, Act | Send) or "done" in getattr(effect, "fields", ())]
    order = [type(effect) for effect in told]
    assert order == [Act, Send, CompareAndSet] * 3
    woken = {kind: tuple(driver.engine.wakes(message(f"domain.{name}"))) for kind, name in ANNOUNCED.items()}
    heard = ("entitlements",)
    assert woken == {"notify": (), "flag": (), "cancel": heard, "ban": heard, "unban": heard}


def test_a_cancellation_goes_to_stripe_then_ope_then_the_record() -> None:
    driver = world(22, done=["in_ada_1/bad_debt"])
    driver.run("consequences", WAKE)
    kinds = [type(effect) for effect in driver.effects if isinstance(effect, CallStripe | CompareAndSet | Act)]
    assert kinds == [CallStripe, CompareAndSet, Act, CompareAndSet]
    assert driver.book.subscriptions["sub_ada"].status == "canceled" and driver.shard.all("ope")["ope_ada"].status == "canceled"


def test_a_subscription_that_stripe_has_canceled_meanwhile_is_no_error() -> None:
    driver = world(22, done=["in_ada_1/bad_debt"])

    def stripe_cancels(effect: Effect) -> None:
        if isinstance(effect, CallStripe):
            driver.before = lambda effect: None
            driver._subscriptions_cancel(effect)

    driver.before = stripe_cancels
    driver.run("consequences", WAKE)
    assert [act.kind for act in driver.acts] == ["cancel"] and driver.shard.all("ope")["ope_ada"].status == "canceled"


def test_what_is_no_longer_called_for_is_not_executed() -> None:
    driver = world(52)

    def paid_after_the_flag(effect: Effect) -> None:
        if isinstance(effect, Act):
            driver.before = lambda effect: None
            driver.pay("in_ada_1")

    driver.before = paid_after_the_flag
    driver.run("consequences", WAKE)
    assert [(act.kind, act.step) for act in driver.acts] == [("flag", "bad_debt"), ("notify", "recovered")]
    assert driver.book.subscriptions["sub_ada"].status == "active"


def test_a_key_that_was_executed_but_not_recorded_is_only_recorded() -> None:
    driver = world(1, invoices=[{"id": "in_ada_1", "failed": [0], "next": 2}])
    driver.shard.actions["key in_ada_1/retrying"] = 1
    driver.run("consequences", WAKE)
    assert driver.acts == [] and driver.shard.one("subs_dunning").done == ("in_ada_1/retrying",)


def test_a_lost_race_for_the_record_does_not_lose_the_key() -> None:
    driver = world(1, invoices=[{"id": "in_ada_1", "failed": [0], "next": 2}])

    def brain_writes(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet):
            driver.before = lambda effect: None
            driver.stores.write("engine", "subs_dunning", "ada", None, {"done": ("in_ada_0/retrying",)}, 0)

    driver.before = brain_writes
    driver.run("consequences", WAKE)
    assert driver.shard.one("subs_dunning").done == ("in_ada_0/retrying", "in_ada_1/retrying")
