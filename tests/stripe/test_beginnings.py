"""How a subscription begins: anchors, trials, what is added to its first invoice, and what is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from billsim.core.time import to_ms
from billsim.stripe.objects import Price, Recurring, StripeError
from billsim.stripe.periods import anchor_by, cycle_around, day_of_month
from tests.stripe.bench import BROKE, DAY_S, START_S, Bench

PRO = [{"price": "price_pro_monthly"}]


def s(text: str) -> int:
    return to_ms(datetime.fromisoformat(text)) // 1000


def begun(bench: Bench, **params: Any) -> Any:
    return bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **params})


def first_of(bench: Bench) -> Any:
    return bench.book.invoices["in_new_1"]


def test_until_an_anchor_ahead_a_share_is_billed() -> None:
    """1 March to 15 March is 14 of the 28 days from 15 February: half of 20.00."""
    bench = Bench()
    made = begun(bench, billing_cycle_anchor=s("2026-03-15"))
    assert (made.status, made.billing_cycle_anchor) == ("active", s("2026-03-15"))
    assert (made.items.data[0].current_period_start, made.items.data[0].current_period_end) == (START_S, s("2026-03-15"))
    (line,) = first_of(bench).lines.data
    assert (line.amount, line.period.start, line.period.end) == (1000, START_S, s("2026-03-15"))
    assert line.parent.subscription_item_details.proration is True
    bench.stripe.resume()
    bench.at(14 * DAY_S)
    renewal = bench.book.invoices["in_new_2"]
    # The whole period is billed in full, on the 15th from now on.
    assert (renewal.total, bench.book.subscriptions["sub_new"].items.data[0].current_period_end) == (2000, s("2026-04-15"))


def test_until_an_anchor_ahead_nothing_is_billed_without_prorations() -> None:
    """There is not even an invoice over nothing."""
    bench = Bench()
    made = begun(bench, billing_cycle_anchor=s("2026-03-15"), proration_behavior="none")
    assert (made.status, made.latest_invoice, dict(bench.book.invoices)) == ("active", None, {})
    assert bench.types() == ["customer.subscription.created"]
    bench.stripe.resume()
    bench.at(14 * DAY_S)
    assert bench.book.subscriptions["sub_new"].latest_invoice == "in_new_1"
    assert first_of(bench).total == 2000


def test_a_trial_may_end_before_the_anchor() -> None:
    """Free until 8 March, then 7 of 28 days for a quarter of 20.00, then whole months from the 15th."""
    bench = Bench()
    made = begun(bench, billing_cycle_anchor=s("2026-03-15"), trial_end=s("2026-03-08"))
    assert (made.status, made.items.data[0].current_period_end) == ("trialing", s("2026-03-08"))
    bench.stripe.resume()
    bench.at(7 * DAY_S)
    (line,) = bench.book.invoices["in_new_2"].lines.data
    assert (line.amount, line.period.end) == (500, s("2026-03-15"))
    bench.at(14 * DAY_S)
    assert bench.book.invoices["in_new_3"].total == 2000


@pytest.mark.parametrize(
    ("config", "anchor", "following"),
    [
        ({"day_of_month": 31}, "2026-03-31", "2026-04-30"),
        ({"day_of_month": 1, "hour": 0}, "2026-04-01", "2026-05-01"),
        ({"day_of_month": 2, "hour": 12}, "2026-03-02T12:00", "2026-04-02T12:00"),
    ],
)
def test_an_anchor_by_its_day(config: dict[str, int], anchor: str, following: str) -> None:
    bench = Bench()
    made = begun(bench, billing_cycle_anchor_config=config)
    assert made.billing_cycle_anchor == s(anchor)
    assert made.says("billing_cycle_anchor_config")["day_of_month"] == config["day_of_month"]
    bench.stripe.resume()
    bench.at(s(anchor) - START_S)
    assert bench.book.subscriptions["sub_new"].items.data[0].current_period_end == s(following)


def test_the_31st_is_kept_through_february() -> None:
    config, now = {"day_of_month": 31}, s("2027-02-01T10:30")
    assert anchor_by(config, now) == s("2027-02-28T10:30")
    assert cycle_around(Recurring(), s("2027-03-05"), s("2027-02-28"), day_of_month(31)) == (s("2027-02-28"), s("2027-03-31"))
    assert anchor_by({"day_of_month": 29, "month": 2}, s("2027-03-01")) == s("2028-02-29")
    # A year whose February has no 29th.
    yearly = Recurring("year")
    assert cycle_around(yearly, s("2028-03-01"), s("2028-02-29"), s("2028-02-29")) == (s("2028-02-29"), s("2029-02-28"))


@pytest.mark.parametrize(
    ("recurring", "anchor", "instant", "cycle"),
    [
        (Recurring("day", 3), "2026-03-10", "2026-03-01", ("2026-03-01", "2026-03-04")),
        (Recurring("week"), "2026-03-06", "2026-03-01", ("2026-02-27", "2026-03-06")),
        (Recurring("week", 2), "2026-03-06", "2026-03-06", ("2026-03-06", "2026-03-20")),
        (Recurring("month"), "2026-03-15", "2026-03-01", ("2026-02-15", "2026-03-15")),
        (Recurring("month", 3), "2026-04-30", "2026-02-10", ("2026-01-30", "2026-04-30")),
        (Recurring("year"), "2026-07-01", "2026-03-01", ("2025-07-01", "2026-07-01")),
    ],
)
def test_the_whole_period_that_an_instant_lies_in(recurring: Recurring, anchor: str, instant: str, cycle: tuple[str, str]) -> None:
    assert cycle_around(recurring, s(instant), s(anchor), s(anchor)) == (s(cycle[0]), s(cycle[1]))


def test_what_is_added_to_the_first_invoice() -> None:
    bench = Bench()
    bench.stripe.seed(Price(id="price_setup", created=0, product="setup", unit_amount=500, type="one_time", recurring=None))
    begun(bench, add_invoice_items=[{"price": "price_setup", "quantity": 2}])
    invoice = first_of(bench)
    assert [(line.amount, line.quantity) for line in invoice.lines.data] == [(2000, 1), (1000, 2)]
    assert (invoice.total, invoice.status, invoice.amount_paid) == (3000, "paid", 3000)
    assert [item.invoice for item in bench.book.invoice_items.values()] == ["in_new_1"]


def test_a_price_drawn_up_beside() -> None:
    bench = Bench()
    data = {"currency": "usd", "product": "prod_x", "unit_amount": 700, "recurring": {"interval": "week"}}
    made = begun(bench, items=[{"price_data": data, "quantity": 3}])
    (item,) = made.items.data
    assert (first_of(bench).total, item.price.recurring, item.price.active) == (2100, Recurring("week"), False)
    assert bench.stripe.prices[item.price.id] == item.price
    assert item.current_period_end == START_S + 7 * DAY_S


@pytest.mark.parametrize(
    ("behaviour", "status", "invoice", "intent"),
    [
        ("allow_incomplete", "incomplete", "open", "requires_payment_method"),
        ("default_incomplete", "incomplete", "open", "requires_payment_method"),
    ],
)
def test_a_first_payment_that_fails(behaviour: str, status: str, invoice: str, intent: str) -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    made = begun(bench, payment_behavior=behaviour)
    assert (made.status, first_of(bench).status, bench.book.payment_intents["pi_new_1"].status) == (status, invoice, intent)
    assert len(bench.book.charges) == (1 if behaviour == "allow_incomplete" else 0)


def test_error_if_incomplete_makes_nothing() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    with pytest.raises(StripeError) as refused:
        begun(bench, payment_behavior="error_if_incomplete")
    assert (refused.value.status, refused.value.code, refused.value.decline_code) == (402, "card_declined", "insufficient_funds")
    assert "sub_new" not in bench.book.subscriptions and not bench.types()


def test_what_is_only_kept_is_told_back() -> None:
    bench = Bench()
    made = begun(bench, description="Gold", payment_settings={"save_default_payment_method": "on_subscription"}, metadata={"a": "b"})
    assert (made.says("description"), made.metadata) == ("Gold", {"a": "b"})
    bench.types()
    changed = bench.call("subscriptions.update", "sub_new", {"description": ""})
    assert changed.says("description") is None
    assert bench.event("customer.subscription.updated").data.previous_attributes == {"description": "Gold"}


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"billing_cycle_anchor": START_S}, "billing_cycle_anchor", "must be in the future"),
        ({"billing_cycle_anchor": START_S + 40 * DAY_S}, "billing_cycle_anchor", "later than next natural billing date"),
        ({"billing_cycle_anchor": START_S + DAY_S, "trial_period_days": 3}, "billing_cycle_anchor", "after the end of the trial"),
        ({"billing_cycle_anchor": 1, "billing_cycle_anchor_config": {"day_of_month": 3}}, "billing_cycle_anchor_config", "only specify one"),
        ({"billing_cycle_anchor_config": {"day_of_month": 32}}, "billing_cycle_anchor_config[day_of_month]", "between 1 and 31"),
        ({"billing_mode": {"type": "flexible"}}, "billing_mode[type]", "does not simulate"),
        ({"cancel_at": START_S - 1}, "cancel_at", "in the future"),
        ({"cancel_at": START_S + 1, "cancel_at_period_end": True}, "cancel_at", "only specify one"),
        ({"days_until_due": 3}, "days_until_due", "can only specify 'days_until_due'"),
        ({"trial_settings": {"end_behavior": {"missing_payment_method": "wait"}}}, "missing_payment_method", "must be one of"),
        ({"trial_period_days": 731}, "trial_period_days", "the maximum is 730"),
        ({"trial_end": START_S + 731 * 86_400}, "trial_end", "two years"),
        ({"items": [{"price": "price_once"}]}, "items[0][price]", "set to `type=one_time`"),
        ({"items": [{"price": "price_old"}]}, "items[0][price]", "inactive"),
        ({"items": [{"price": "price_pro_monthly", "price_data": {}}]}, "items[0][price]", "only specify one"),
        ({"items": [*PRO, {"price": "price_yearly"}]}, "items[1][price]", "same interval"),
        ({"items": [*PRO, {"price": "price_eur"}]}, "items[1][price]", "is in eur"),
        ({"add_invoice_items": [{"price": "price_pro_monthly"}]}, "add_invoice_items[0][price]", "set to `type=recurring`"),
        ({"add_invoice_items": [{}]}, "add_invoice_items[0][price]", "Missing required"),
        ({"payment_behavior": "pending_if_incomplete"}, "payment_behavior", "has no effect when creating"),
    ],
)
def test_what_is_refused(params: dict[str, Any], param: str, message: str) -> None:
    bench = Bench()
    bench.stripe.seed(
        Price(id="price_once", created=0, unit_amount=1, type="one_time", recurring=None),
        Price(id="price_old", created=0, unit_amount=1, active=False),
        Price(id="price_yearly", created=0, unit_amount=1, recurring=Recurring("year")),
        Price(id="price_eur", created=0, unit_amount=1, currency="eur"),
    )
    with pytest.raises(StripeError, match=message) as refused:
        begun(bench, **params)
    assert (refused.value.status, refused.value.type) == (400, "invalid_request_error")
    assert param in refused.value.param
    assert "sub_new" not in bench.book.subscriptions and not bench.types()
