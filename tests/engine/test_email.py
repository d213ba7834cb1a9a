"""A customer is told once, by mail, what is called for when the mail goes out."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.dunning_brain import TRIES
from billsim.engine.errors import RetryLater
from billsim.engine.recompute import Recompute
from billsim.ports import Act, CompareAndSet, Effect, GatherAll, Read, Send
from tests.driver import CrashError, Driver, message, shard_of
from tests.truth_table import millis

RETRYING = [{"id": "in_ada_1", "failed": [0], "next": 2}]
KEY = "in_ada_1/retrying"
ORDER = message("async.email", key=KEY)
WAKE = message("stripe.invoice.payment_failed")


def world(**facts: object) -> Driver:
    return Driver(Recompute(DunningPolicy()), shard_of(now=1, **{"invoices": RETRYING, **facts}), millis(1))


def told(driver: Driver) -> list[tuple[str, str, str, str | None]]:
    return [(act.kind, act.debt, act.step, act.key) for act in driver.acts]


def test_the_brain_orders_the_mail_and_the_mail_says_what_is_called_for() -> None:
    driver = world()
    driver.run("dunning_brain", WAKE)
    assert [(send.kind, send.body) for send in driver.performed(Send)][:1] == [("async.email", {"key": KEY})]
    assert told(driver) == [("notify", "in_ada_1", "retrying", KEY)]
    assert driver.shard.one("subs_dunning").done == (KEY,)


def test_what_is_ordered_is_recorded_only_after_it_was_sent() -> None:
    """So that a crash in between costs a second message, and not the only one."""
    driver = world()
    driver.run("dunning_brain", WAKE)
    kinds = [type(effect) for effect in driver.effects if isinstance(effect, Send) or (isinstance(effect, CompareAndSet) and "done" in effect.fields)]
    assert kinds == [Send, CompareAndSet, Send]


def test_what_was_told_is_announced() -> None:
    driver = world()
    driver.run("dunning_brain", WAKE)
    assert [(send.kind, send.body["key"], send.body["step"]) for send in driver.announced] == [("customer_notified", KEY, "retrying")]
    kinds = [type(effect) for effect in driver.effects if isinstance(effect, Act) or effect in driver.announced]
    assert kinds == [Act, Send]


def test_a_second_order_finds_nothing_new() -> None:
    driver = world(done=[KEY])
    driver.deliver(ORDER)
    driver.deliver(ORDER)
    assert told(driver) == [("notify", "in_ada_1", "retrying", KEY)]
    assert driver.shard.one("subs_dunning").done == (KEY,)


def test_a_redelivery_after_a_crash_sends_what_was_not_sent() -> None:
    driver = world(done=[KEY])
    driver.crash_after = 2
    with pytest.raises(CrashError):
        driver.deliver(ORDER)
    driver.crash_after = None
    assert told(driver) == []
    driver.deliver(ORDER)
    assert told(driver) == [("notify", "in_ada_1", "retrying", KEY)]


def test_who_has_paid_meanwhile_is_not_told_and_the_order_is_withdrawn() -> None:
    driver = world(done=[KEY, "in_ada_0/recovered"])
    driver.pay("in_ada_1")
    driver.deliver(ORDER)
    assert told(driver) == [] and driver.shard.one("subs_dunning").done == ("in_ada_0/recovered",)


def test_what_was_withdrawn_is_ordered_again_once_it_is_called_for_again() -> None:
    driver = world(done=[KEY])
    owed = driver.book.invoices["in_ada_1"]
    driver.pay("in_ada_1")
    driver.deliver(ORDER)
    driver.book.invoices["in_ada_1"] = owed
    driver.run("dunning_brain", WAKE)
    assert told(driver) == [("notify", "in_ada_1", "retrying", KEY)] and driver.shard.one("subs_dunning").done == (KEY,)


def test_a_withdrawal_takes_nobody_elses_record_with_it() -> None:
    driver = world(done=[KEY])
    driver.pay("in_ada_1")

    def consequences_write(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet):
            driver.before = lambda effect: None
            driver.stores.write("engine", "subs_dunning", "ada", None, {"done": (KEY, "in_ada_2/ban")}, 0)

    driver.before = consequences_write
    driver.deliver(ORDER)
    assert driver.shard.one("subs_dunning").done == ("in_ada_2/ban",)
    assert [type(effect) for effect in driver.effects][-3:] == [CompareAndSet, Read, CompareAndSet]


def test_a_withdrawal_that_loses_every_race_comes_back_later() -> None:
    driver = world(done=[KEY])
    driver.pay("in_ada_1")

    def someone_writes(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet):
            driver.stores.write("engine", "subs_dunning", "ada", None, {"since_ms": driver.shard.one("subs_dunning").since_ms + 1}, 0)

    driver.before = someone_writes
    with pytest.raises(RetryLater, match="email: ada did not come to rest"):
        driver.deliver(ORDER)
    assert len(driver.performed(CompareAndSet)) == TRIES


@pytest.mark.parametrize("key", ["in_ada_9/retrying", "in_ada_1/bad_debt", ""])
def test_a_key_that_names_no_notice_does_nothing(key: str) -> None:
    driver = world(invoices=[{"id": "in_ada_1", "failed": [0, 1, 3, 5, 7, 9, 11, 14]}])
    driver.now_ms = millis(22)
    driver.deliver(message("async.email", key=key))
    assert driver.changing() == [] and len(driver.effects) == 2


@pytest.mark.parametrize(("done", "sent"), [([KEY], True), ([], False)])
def test_when_a_contract_is_over_what_it_kept_back_is_sent_and_nothing_else(done: list[str], sent: bool) -> None:
    driver = world(done=done)
    driver.run("email", message("domain.account_type_changed"))
    assert told(driver) == ([("notify", "in_ada_1", "retrying", KEY)] if sent else [])


def test_a_contract_account_is_left_alone() -> None:
    driver = world(account_type="ibm", done=[KEY])
    driver.deliver(ORDER)
    assert driver.changing() == []


def test_consequence_orchestration_hands_notices_over_as_well() -> None:
    driver = world()
    driver.run("consequences", WAKE)
    kinds = [type(effect) for effect in driver.effects if not isinstance(effect, GatherAll)]
    assert kinds.index(Send) < kinds.index(CompareAndSet) < kinds.index(Act)
    assert told(driver) == [("notify", "in_ada_1", "retrying", KEY)]
