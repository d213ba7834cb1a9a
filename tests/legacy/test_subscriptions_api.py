"""The old mutation path: it commits first, repeats without a key, and forgets. Driven by hand, and in small worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.faults.base import Dial
from billsim.legacy.engine import LegacyEngine
from billsim.legacy.subscriptions_api import NAME, Order, handle, interval_of
from billsim.ports import CallStripe, Effect, Read, Start, Write
from billsim.run import RunResult
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stripe.objects import StripeError
from tests.driver import message
from tests.legacy.worlds import row, run, standing

BOUGHT = OpeSubscription("ada", "ope_ada", "active", "sub_ada", "month", items=(OpeItem("zone_plan", "pro_monthly", 2000),), version=1)
BUSINESS = {"plan": "business_monthly", "price": 20000}
WORKERS = {"product": "workers", "plan": "workers_monthly", "price": 500}
QUEUE = {"by": "product_team", "do": "change", "account": "ada"}


def driven(steps: Any, answers: Callable[[Effect], Any]) -> list[Effect]:
    """What a component yields, answered by hand; an answer that is an exception is raised."""
    yielded: list[Effect] = []
    answer, failure = None, None
    while True:
        try:
            effect = steps.send(answer) if failure is None else steps.throw(failure)
        except StopIteration:
            return yielded
        yielded.append(effect)
        answer, failure = answers(effect), None
        if isinstance(answer, Exception):
            answer, failure = None, answer


def cancelled(bought: OpeSubscription, **body: Any) -> list[Effect]:
    """The effects of a cancel, where Stripe refuses."""

    def answers(effect: Effect) -> Any:
        if isinstance(effect, CallStripe):
            return StripeError(429, "invalid_request_error", "rate_limit", "Too many requests.")
        return {bought.key: bought} if isinstance(effect, Read) else None

    return driven(handle(message("request.change", op="cancel", **body)), answers)


def test_both_doors_lead_to_it() -> None:
    engine = LegacyEngine(DunningPolicy())
    for door in ("request.change", "domain.change_requested"):
        assert engine.wakes(message(door)) == (NAME,)


def test_a_cancel_stands_here_before_stripe_hears_of_it_and_also_where_stripe_refuses() -> None:
    kinds = [type(effect) for effect in cancelled(BOUGHT)]
    assert kinds == [Read, Write, Start, CallStripe]


def test_a_cancel_that_died_half_way_is_taken_for_done() -> None:
    """Here it says canceled, and Stripe was never told: nobody will."""
    half_done = replace(BOUGHT, status="canceled")
    assert [type(effect) for effect in cancelled(half_done)] == [Read]


def test_a_cancel_of_what_has_no_name_at_stripe_yet_is_none_there() -> None:
    in_flight = replace(BOUGHT, stripe_subscription="")
    assert CallStripe not in [type(effect) for effect in cancelled(in_flight)]


def test_no_request_has_an_idempotency_key() -> None:
    calls = [effect for effect in cancelled(BOUGHT, when="period_end") if isinstance(effect, CallStripe)]
    assert [(call.method, call.idempotency_key) for call in calls] == [("subscriptions.update", None)]


@pytest.mark.parametrize(
    ("plan", "before", "interval"),
    [
        ("pro_annual", "month", "year"),
        ("pro_yearly", "month", "year"),
        ("pro_monthly", "year", "month"),
        ("business", "month", "month"),
        ("business", "year", "year"),
    ],
)
def test_the_name_of_a_plan_says_how_often_it_is_billed(plan: str, before: str, interval: str) -> None:
    for ordered in ("", "month", "year"):
        assert interval_of(Order(plan=plan, interval=ordered), before) == interval


def test_an_order_that_comes_twice_is_bought_twice() -> None:
    """The queue's acknowledgement is lost, and the order comes again."""
    order, lost = row(10, **QUEUE, op="create", **WORKERS), {"faults": {"redelivery": Dial(ppm=1_000_000)}}
    more = {engine: _events(run(engine, order, settings=lost)) - _events(run(engine, order)) for engine in ("legacy", "recompute")}
    # A subscription, its invoice, and their payment.
    assert more["legacy"] >= 8 and more["recompute"] == 0


def _events(result: RunResult) -> int:
    return int(result.data["events"]["stripe"])


def test_an_upgrade_stands_though_its_payment_was_declined() -> None:
    upgrade = row(10, "iapi", "change", account="ada", op="upgrade", **BUSINESS)
    assert "stripe_drift" not in standing(run("recompute", upgrade, card="declines"))
    assert standing(run("legacy", row(10, "ada", "change_plan", **BUSINESS), card="declines"))["stripe_drift"] == "missing_handler"


def test_an_upgrade_that_the_bank_answers_later_than_the_browser_stays_in_processing() -> None:
    challenge, upgrade = row(10, "bank", "challenge", account="ada", returns_after_s=2), row(11, "ada", "change_plan", **BUSINESS)
    legacy = standing(run("legacy", challenge, upgrade))
    assert legacy["stripe_drift"] == "missing_handler" and standing(run("recompute", challenge, upgrade)) == {}


def test_an_upgrade_that_the_bank_answers_in_time_stands() -> None:
    rows = (row(10, "bank", "challenge", account="ada", returns_after_s=30), row(11, "ada", "change_plan", **BUSINESS))
    assert standing(run("legacy", *rows)) == {}


def test_a_browser_that_comes_back_writes_what_its_page_had() -> None:
    """She is at the bank for an upgrade, while a service sets another quantity."""
    rows = (
        row(10, "bank", "challenge", account="ada", returns_after_s=60),
        row(11, "ada", "change_plan", **BUSINESS),
        row(11 + 30 / 3600, "iapi", "change", account="ada", op="quantity", quantity=3),
    )
    assert "stripe_drift" in standing(run("legacy", *rows)) and standing(run("recompute", *rows)) == {}
