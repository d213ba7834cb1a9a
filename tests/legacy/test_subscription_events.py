"""Path 5: what the handlers of subscription events make of a snapshot, in time and too late."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.ports import Message
from billsim.stripe.objects import Event, EventData, Price, SubscriptionItem
from tests.driver import message
from tests.legacy.ladder import Ladder
from tests.truth_table import millis


class Subscribed(Ladder):
    """`ada`, whose subscription changes at Stripe as told."""

    def turned(self, status: str, before: str | None = None, **more: Any) -> Message:
        """The event that her subscription has become so, delivered."""
        subscription = self.book.subscriptions["sub_ada"] = replace(self.book.subscriptions["sub_ada"], status=status, **more)
        kind = "deleted" if status == "canceled" else "updated"
        told = message(f"stripe.customer.subscription.{kind}", thing=subscription, at_ms=self.now_ms, name=f"m{self.now_ms}")
        event: Event = replace(told.event, data=EventData(subscription, {} if before is None else {"status": before}))
        told = replace(told, event=event)
        self.deliver(told)
        return told

    def priced(self, plan: str, amount: int) -> Message:
        """The event that her subscription is billed at another price, delivered."""
        held = self.book.subscriptions["sub_ada"]
        item: SubscriptionItem = held.items.data[0]
        was = {"data": [{"price": {"id": item.price.id}, "quantity": item.quantity}]}
        price = Price(id=f"price_{plan}", created=0, product=item.price.product, unit_amount=amount)
        now = self.book.subscriptions["sub_ada"] = replace(held, items=replace(held.items, data=(replace(item, price=price),)))
        told = message("stripe.customer.subscription.updated", thing=now, at_ms=self.now_ms)
        told = replace(told, event=replace(told.event, data=EventData(now, {"items": was})))
        self.deliver(told)
        return told

    @property
    def status(self) -> str:
        """Her dunning status."""
        return str(self.shard.one("subs_dunning").status)

    @property
    def plan(self) -> str:
        """The plan that she may use."""
        return str(self.shard.all("cf_prod")["zone_plan"].plan)


def test_past_due_is_retrying_whichever_event_is_first() -> None:
    for failure_first in (True, False):
        ada = Subscribed()
        if failure_first:
            ada.fail(1)
        ada.turned("past_due", "active")
        if not failure_first:
            assert ada.status == "retrying" and ada.wrong() != []
            ada.fail(1)
        assert ada.status == "retrying" and ada.wrong() == []
        assert [act.step for act in ada.acts] == ["retrying"]


def test_active_again_is_healthy_whichever_event_is_first() -> None:
    for paid_first in (True, False):
        ada = Subscribed()
        ada.fail(1)
        if paid_first:
            ada.paid(1)
        ada.now_ms = millis(1)
        ada.turned("active", "past_due")
        assert ada.status == "healthy"
        if not paid_first:
            ada.paid(1)
        assert ada.wrong() == []


def test_what_is_further_up_the_ladder_waits_for_the_payment() -> None:
    ada = Subscribed()
    ada.exhaust()
    ada.turned("active", "past_due")
    assert ada.status == "delinquent" and ada.wrong() == []


def test_a_late_snapshot_is_believed() -> None:
    ada = Subscribed()
    ada.fail(1)
    ada.paid(1)
    ada.turned("past_due", "active")
    assert ada.status == "retrying" and ada.wrong() == ["status", "escalation_level", "since_ms"]


def test_healthy_is_who_owes_an_older_invoice() -> None:
    ada = Subscribed(invoices=[{"id": "in_ada_1", "created": 0}, {"id": "in_ada_2", "failed": [0.5], "next": 3}])
    ada.fail(1)
    ada.turned("active", "past_due")
    assert ada.status == "healthy" and "status" in ada.wrong()


def test_what_ended_while_it_was_retried_is_delinquent_from_then_on() -> None:
    ada = Subscribed()
    ada.fail(1)
    ada.now_ms = millis(2)
    ada.book.invoices["in_ada_1"] = replace(ada.book.invoices["in_ada_1"], next_payment_attempt=None)
    ada.turned("canceled", canceled_at=millis(2) // 1000)
    row = ada.shard.one("subs_dunning")
    assert (row.status, row.since_ms) == ("delinquent", millis(2)) and ada.plan == "free"
    assert ada.shard.all("ope")["ope_ada"].status == "canceled" and ada.wrong() == []
    ada.night(9.5)
    assert ada.status == "bad_debt" and ada.wrong() == []


def test_what_ends_with_the_last_try_is_told_of_once() -> None:
    for failure_first in (True, False):
        ada = Subscribed()
        for attempt in range(1, 8):
            ada.fail(attempt)
        if failure_first:
            ada.fail(8)
        ada.now_ms = millis(14)
        ada.turned("canceled", canceled_at=millis(14) // 1000)
        if not failure_first:
            ada.fail(8)
        assert ada.wrong() == [] and [act.step for act in ada.acts] == ["retrying", "delinquent"]


def test_contracts_are_unknown_to_it() -> None:
    ada = Subscribed(account_type="ibm")
    ada.turned("past_due", "active")
    ada.turned("canceled", canceled_at=millis(1) // 1000)
    assert ada.status == "delinquent" and [act.step for act in ada.acts] == ["delinquent"]


def test_another_price_is_another_plan_and_the_zones_follow() -> None:
    ada = Subscribed()
    ada.stores.write("www_sync", "www", "ada", "ada.example", {"plan": "pro_monthly"}, 0)
    ada.priced("business_monthly.x1", 20000)
    assert ada.plan == "business_monthly" and ada.shard.all("www")["ada.example"].plan == "business_monthly"


def test_a_snapshot_of_a_price_that_was_given_up_gives_the_plan_back() -> None:
    ada = Subscribed()
    late = ada.priced("business_monthly", 20000)
    ada.priced("pro_monthly", 2000)
    assert ada.plan == "pro_monthly"
    ada.deliver(late)
    assert ada.plan == "business_monthly" and "entitlements" in ada.wrong()


def test_another_period_is_no_change() -> None:
    ada = Subscribed()
    held = ada.book.subscriptions["sub_ada"]
    item = held.items.data[0]
    told = message("stripe.customer.subscription.updated", thing=held)
    was = {"data": [{"price": {"id": item.price.id}, "quantity": item.quantity, "current_period_end": 1}]}
    before = len(ada.effects)
    ada.deliver(replace(told, event=replace(told.event, data=EventData(held, {"items": was}))))
    assert len(ada.effects) == before
