"""Flexible billing mode beside classic, row by row of https://docs.stripe.com/billing/subscriptions/billing-mode/compare."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billsim.stripe.objects import Price, Recurring, StripeError, Subscription
from tests.stripe.bench import DAY_S, HOUR_S, START_S, Bench

# March 2026 has 31 days, April 30.
APRIL_S = START_S + 31 * DAY_S
PRO, CLASSIC = [{"price": "price_pro_monthly"}], {"billing_mode": {"type": "classic"}}


def selling() -> Bench:
    """Pro costs 20.00 a month or 200.00 a year; there are others at 10.00 a month, for nothing, an add-on at 3.00 and a quarter at 100.00."""
    bench = Bench(whole=True)
    bench.stripe.seed(
        Price(id="price_basic_monthly", created=0, product="zone_plan", unit_amount=1000),
        Price(id="price_free_monthly", created=0, product="zone_plan", unit_amount=0),
        Price(id="price_addon_monthly", created=0, product="addon", unit_amount=300),
        Price(id="price_pro_yearly", created=0, product="zone_plan", unit_amount=20000, recurring=Recurring("year")),
        Price(id="price_quarter", created=0, product="support", unit_amount=10000, recurring=Recurring("month", 3)),
        Price(id="price_two_months", created=0, product="support", unit_amount=10000, recurring=Recurring("month", 2)),
        Price(id="price_weekly", created=0, product="support", unit_amount=500, recurring=Recurring("week")),
        Price(id="price_setup", created=0, product="support", unit_amount=700, type="one_time", recurring=None),
    )
    return bench


def begin(bench: Bench, items: Any = PRO, **params: Any) -> Subscription:
    found: Subscription = bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": items, **params}, task="e/test/create")
    return found


def change(bench: Bench, price: str = "", number: int = 1, **params: Any) -> Subscription:
    items = {"items": [{"id": "si_new", "price": price}]} if price else {}
    found: Subscription = bench.call("subscriptions.update", "sub_new", {**items, **params}, task=f"e/test/{number}")
    return found


def amounts(bench: Bench, invoice: str | None) -> list[int]:
    return [line.amount for line in bench.invoice(invoice or "").lines.data]


def pending(bench: Bench) -> list[int]:
    return [item.amount for item in bench.book.invoice_items.values() if item.invoice is None]


def period(subscription: Subscription, place: int = 0) -> tuple[int, int]:
    item = subscription.items.data[place]
    return item.current_period_start, item.current_period_end


# -- which mode


def test_the_default_is_flexible() -> None:
    assert begin(selling()).says("billing_mode") == {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": START_S}


def test_it_may_be_asked_for() -> None:
    mode = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
    assert begin(selling(), billing_mode=mode).says("billing_mode")["flexible"] == {"proration_discounts": "itemized"}
    assert begin(selling(), **CLASSIC).says("billing_mode") is None


@pytest.mark.parametrize(
    ("mode", "param"),
    [
        ({"type": "other"}, "billing_mode[type]"),
        ({}, "billing_mode[type]"),
        ({"type": "classic", "flexible": {"proration_discounts": "included"}}, "billing_mode[flexible]"),
        ({"type": "flexible", "flexible": {"proration_discounts": "none"}}, "billing_mode[flexible][proration_discounts]"),
    ],
)
def test_what_is_no_mode_is_refused(mode: dict[str, Any], param: str) -> None:
    with pytest.raises(StripeError) as refused:
        begin(selling(), billing_mode=mode)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_worlds_are_classic() -> None:
    bench = Bench()
    assert begin(bench).says("billing_mode") is None
    with pytest.raises(StripeError) as refused:
        bench.call("subscriptions.create", "", {"customer": "cus_ada", "items": PRO, "billing_mode": {"type": "flexible"}}, task="e/test/2")
    assert (refused.value.code, refused.value.param) == ("not_simulated", "billing_mode[type]")


def test_classic_becomes_flexible_for_good() -> None:
    bench = selling()
    begin(bench, **CLASSIC)
    bench.days(3)
    bench.types()
    mode = {"billing_mode": {"type": "flexible"}}
    migrated = bench.call("subscriptions.migrate", "sub_new", mode, task="e/test/1")
    assert (migrated.says("billing_mode")["type"], migrated.says("billing_mode")["updated_at"]) == ("flexible", START_S + 3 * DAY_S)
    assert bench.types() == ["customer.subscription.updated"]
    assert bench.call("subscriptions.migrate", "sub_new", mode, task="e/test/2") == migrated and bench.types() == []
    with pytest.raises(StripeError) as refused:
        bench.call("subscriptions.migrate", "sub_new", {"billing_mode": {"type": "classic"}}, task="e/test/3")
    assert refused.value.param == "billing_mode[type]"


# -- credits


@pytest.mark.parametrize(("mode", "billed"), [({}, [-333, 333]), (CLASSIC, [-667, 333])])
def test_what_was_never_billed_is_not_given_back(mode: dict[str, Any], billed: list[int]) -> None:
    """The example of https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations: from 10 to 20 USD without prorations on 11 April,
    and back with them on the 21st, a third of the month before its end.
    """
    bench = selling()
    bench.at(31 * DAY_S)
    begin(bench, [{"price": "price_basic_monthly"}], **mode)
    bench.at(41 * DAY_S)
    change(bench, "price_pro_monthly", proration_behavior="none")
    bench.at(51 * DAY_S)
    changed = change(bench, "price_basic_monthly", 2, proration_behavior="always_invoice")
    assert amounts(bench, changed.latest_invoice) == billed
    assert bench.invoice(changed.latest_invoice or "").total == sum(billed)


def test_a_credit_is_a_share_of_what_was_billed_last() -> None:
    """Two from 11 March on: 2000 * 21 / 31 = 1354.84 back, twice that charged; one again from the 21st: 2710 * 11 / 21 = 1419.52 back."""
    bench = selling()
    begin(bench)
    bench.at(10 * DAY_S)
    change(bench, items=[{"id": "si_new", "quantity": 2}])
    assert pending(bench) == [-1355, 2710]
    bench.at(20 * DAY_S)
    change(bench, number=2, items=[{"id": "si_new", "quantity": 1}])
    assert pending(bench) == [-1355, 2710, -1420, 710]
    first, _, second, _ = bench.book.invoice_items.values()
    assert first.says("credited") == {"key": "il_new_1", "invoice": "in_new_1", "line": "il_new_1"}
    assert second.says("credited")["invoice"] is None and second.quantity == 2
    assert second.description == "Unused time on 2 × zone_plan after 21 Mar 2026"


def test_time_that_was_billed_twice_is_given_back_twice() -> None:
    """It was to end on 16 March, which gave 2000 * 16 / 31 = 1032.26 back, and was not after all; on 6 March it ends: of the first bill 10 of 31 days
    are left, 645.16, and of the second all.
    """
    bench = selling()
    begin(bench)
    change(bench, cancel_at=START_S + 15 * DAY_S)
    change(bench, number=2, cancel_at="")
    assert pending(bench) == [-1032, 1032]
    bench.at(5 * DAY_S)
    bench.call("subscriptions.cancel", "sub_new", {"prorate": True}, task="e/test/3")
    assert pending(bench) == [-1032, 1032, -645, -1032]


def test_what_a_void_invoice_billed_is_not_given_back() -> None:
    bench = selling()
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": ""}}, task="e/test/pm")
    begin(bench, collection_method="send_invoice", days_until_due=30)
    bench.call("invoices.finalize_invoice", "in_new_1", task="e/test/open")
    bench.call("invoices.void_invoice", "in_new_1", task="e/test/void")
    bench.at(10 * DAY_S)
    change(bench, items=[{"id": "si_new", "quantity": 2}])
    assert pending(bench) == [2710], "nothing back, 2 * 2000 * 21 / 31 = 2709.68 charged"


def test_a_migrated_subscription_gives_back_what_was_billed_before() -> None:
    bench = selling()
    begin(bench, **CLASSIC)
    change(bench, "price_basic_monthly", proration_behavior="none")
    bench.call("subscriptions.migrate", "sub_new", {"billing_mode": {"type": "flexible"}}, task="e/test/migrate")
    bench.at(10 * DAY_S)
    change(bench, "price_pro_monthly", 2)
    assert pending(bench) == [-1355, 1355]


def test_an_update_that_waits_has_billed_nothing_yet() -> None:
    bench = selling()
    begin(bench)
    bench.stripe.challenge("cus_ada")
    held = change(bench, items=[{"id": "si_new", "quantity": 3}], payment_behavior="pending_if_incomplete", proration_behavior="always_invoice")
    assert held.pending_update is not None
    bench.at(HOUR_S)
    again = change(bench, number=2, items=[{"id": "si_new", "quantity": 2}], proration_behavior="always_invoice")
    # An hour has passed: 2000 * 743 / 744 = 1997.31 of the first invoice is left, and nothing else.
    assert amounts(bench, again.latest_invoice) == [-1997, 3995]


HOURS = st.lists(st.integers(1, 700), min_size=1, max_size=5, unique=True).map(sorted)


@given(HOURS, st.lists(st.tuples(st.integers(0, 4), st.sampled_from(("create_prorations", "always_invoice"))), min_size=5, max_size=5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_only_what_was_used_is_paid_for(hours: list[int], steps: list[tuple[int, str]], is_flexible: bool) -> None:
    """However often the quantity changes within March, once it is canceled each hour has cost what it was used for, to half a cent a line."""
    bench = selling()
    begin(bench, **({} if is_flexible else CLASSIC))
    quantity, used, since, lines = 1, 0.0, 0, 1
    for number, (hour, (wanted, behaviour)) in enumerate(zip(hours, steps, strict=False)):
        bench.at(hour * HOUR_S)
        used, since = used + quantity * (hour - since), hour
        if number + 1 == len(hours):
            bench.call("subscriptions.cancel", "sub_new", {"prorate": True}, task="e/test/end")
            break
        change(bench, number=number, items=[{"id": "si_new", "quantity": wanted}], proration_behavior=behaviour)
        quantity, lines = wanted, lines + 2
    billed = sum([line.amount for i in bench.book.invoices.values() if i.subscription == "sub_new" for line in i.lines.data]) + sum(pending(bench))
    assert abs(billed - 2000 * used / (31 * 24)) <= lines


# -- the anchor


@pytest.mark.parametrize("price", ["price_pro_yearly", "price_basic_monthly"])
def test_the_anchor_stays(price: str) -> None:
    """Another interval on 11 March, or the first price above zero: 355 of 365 days of the year that began on 1 March, 21 of 31 of the month."""
    bench = selling()
    begin(bench, [{"price": "price_pro_monthly" if price == "price_pro_yearly" else "price_free_monthly"}])
    bench.at(10 * DAY_S)
    changed = change(bench, price)
    assert (changed.billing_cycle_anchor, changed.latest_invoice) == (START_S, "in_new_1")
    if price == "price_pro_yearly":
        assert pending(bench) == [-1355, 19452] and period(changed) == (START_S, START_S + 365 * DAY_S)
    else:
        assert pending(bench) == [677] and period(changed) == (START_S, APRIL_S)


def test_in_classic_mode_it_moves() -> None:
    bench = selling()
    begin(bench, **CLASSIC)
    bench.at(10 * DAY_S)
    changed = change(bench, "price_pro_yearly")
    assert changed.billing_cycle_anchor == START_S + 10 * DAY_S
    assert amounts(bench, changed.latest_invoice) == [20000, -1355]


def test_it_moves_where_that_is_asked_for() -> None:
    bench = selling()
    begin(bench)
    bench.at(10 * DAY_S)
    changed = change(bench, billing_cycle_anchor="now")
    assert changed.billing_cycle_anchor == START_S + 10 * DAY_S and period(changed) == (START_S + 10 * DAY_S, START_S + 41 * DAY_S)
    assert amounts(bench, changed.latest_invoice) == [2000, -1355]


# -- ends and trials


@pytest.mark.parametrize(("mode", "amount"), [({}, 2000), (CLASSIC, 645)])
def test_without_prorations_a_period_that_ends_early_costs_all(mode: dict[str, Any], amount: int) -> None:
    """Ten of 31 days: 645.16 in classic mode, whatever is asked for."""
    bench = selling()
    begin(bench, cancel_at=START_S + 10 * DAY_S, proration_behavior="none", **mode)
    assert amounts(bench, "in_new_1") == [amount]
    bench.at(10 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "canceled"


@pytest.mark.parametrize(("mode", "trial_end"), [({}, 20), (CLASSIC, 2)])
def test_an_end_before_that_of_the_trial(mode: dict[str, Any], trial_end: int) -> None:
    bench = selling()
    begin(bench, trial_period_days=20, **mode)
    changed = change(bench, cancel_at=START_S + 2 * DAY_S)
    assert changed.trial_end == START_S + trial_end * DAY_S and period(changed)[1] == START_S + 2 * DAY_S
    bench.at(2 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "canceled"


@pytest.mark.parametrize(("mode", "began"), [({}, 20), (CLASSIC, 0)])
def test_which_trial_is_told_of(mode: dict[str, Any], began: int) -> None:
    bench = selling()
    begin(bench, trial_period_days=10, **mode)
    bench.at(20 * DAY_S)
    changed = change(bench, trial_end=START_S + 30 * DAY_S)
    assert (changed.status, changed.trial_start) == ("trialing", START_S + began * DAY_S)


def test_how_a_trial_is_described() -> None:
    bench = selling()
    begin(bench, trial_period_days=10)
    assert [line.description for line in bench.invoice("in_new_1").lines.data] == ["Free trial for 1 × zone_plan"]
    bench = selling()
    begin(bench, trial_period_days=10, **CLASSIC)
    assert [line.description for line in bench.invoice("in_new_1").lines.data] == ["Trial period for zone_plan"]


@pytest.mark.parametrize(("mode", "lines"), [({}, [(0, "Free trial for 1 × addon")]), (CLASSIC, None)])
def test_what_is_added_to_a_trial_has_a_line(mode: dict[str, Any], lines: Any) -> None:
    bench = selling()
    begin(bench, trial_period_days=10, **mode)
    changed = change(bench, items=[{"price": "price_addon_monthly"}], proration_behavior="always_invoice")
    assert changed.status == "trialing"
    if lines is None:
        assert changed.latest_invoice == "in_new_1"
    else:
        assert [(line.amount, line.description) for line in bench.invoice(changed.latest_invoice or "").lines.data] == lines


def test_the_anchor_does_not_move_before_the_end_of_a_trial() -> None:
    bench = selling()
    begin(bench, trial_period_days=10)
    with pytest.raises(StripeError) as refused:
        change(bench, billing_cycle_anchor="now")
    assert refused.value.code == "subscription_update_trial_after_billing_cycle_anchor"


def test_an_anchor_that_stays_when_the_trial_ends() -> None:
    """Free until 11 March; then 21 of the 31 days up to 1 April, 1354.84; then whole months."""
    bench = selling()
    begun = begin(bench, trial_period_days=10, trial_settings={"end_behavior": {"billing_cycle_anchor": "unchanged"}})
    assert begun.billing_cycle_anchor == START_S
    bench.at(10 * DAY_S)
    assert amounts(bench, "in_new_2") == [1355] and period(bench.book.subscriptions["sub_new"]) == (START_S + 10 * DAY_S, APRIL_S)
    bench.at(31 * DAY_S)
    assert amounts(bench, "in_new_3") == [2000]


@pytest.mark.parametrize("mode", [{}, CLASSIC])
@pytest.mark.parametrize(("then", "anchor", "billed"), [("unchanged", 0, [1355]), ("now", 10, [2000])])
def test_a_trial_that_is_ended_by_request(mode: dict[str, Any], then: str, anchor: int, billed: list[int]) -> None:
    bench = selling()
    begin(bench, trial_period_days=20, trial_settings={"end_behavior": {"billing_cycle_anchor": then}}, **mode)
    bench.at(10 * DAY_S)
    changed = change(bench, trial_end="now")
    assert (changed.status, changed.billing_cycle_anchor) == ("active", START_S + anchor * DAY_S)
    assert amounts(bench, changed.latest_invoice) == billed


@pytest.mark.parametrize("mode", [{}, CLASSIC])
def test_what_lies_between_a_trial_and_the_anchor_is_free_without_prorations(mode: dict[str, Any]) -> None:
    """Free until 11 March, and then up to the 21st; that without an invoice."""
    bench = selling()
    begin(bench, trial_period_days=10, billing_cycle_anchor=START_S + 20 * DAY_S, proration_behavior="none", **mode)
    bench.at(10 * DAY_S)
    between = bench.book.subscriptions["sub_new"]
    assert (between.status, between.latest_invoice, period(between)) == ("active", "in_new_1", (START_S + 10 * DAY_S, START_S + 20 * DAY_S))
    bench.at(20 * DAY_S)
    assert amounts(bench, "in_new_2") == [2000]


# -- what waits


@pytest.mark.parametrize(("mode", "behaviour", "taken"), [({}, "always_invoice", True), (CLASSIC, "always_invoice", False)])
def test_what_waits_goes_along_with_each_invoice(mode: dict[str, Any], behaviour: str, taken: bool) -> None:
    bench = selling()
    begin(bench, **mode)
    hours = {"customer": "cus_ada", "subscription": "sub_new", "amount": 500, "currency": "usd"}
    bench.call("invoice_items.create", "ii_hours", hours, task="e/test/ii")
    changed = change(bench, billing_cycle_anchor="now", proration_behavior=behaviour)
    assert (500 in amounts(bench, changed.latest_invoice)) == taken
    assert (500 in pending(bench)) != taken


# -- several intervals


MIXED = [{"price": "price_pro_monthly"}, {"price": "price_quarter"}]


def test_items_renew_by_their_own_intervals() -> None:
    """As in https://docs.stripe.com/billing/subscriptions/mixed-interval: monthly on 1 April and 1 May, both on 1 June."""
    bench = selling()
    begun = begin(bench, MIXED)
    assert amounts(bench, "in_new_1") == [2000, 10000]
    assert (period(begun)[1], period(begun, 1)[1]) == (APRIL_S, START_S + 92 * DAY_S)
    bench.at(31 * DAY_S)
    assert amounts(bench, "in_new_2") == [2000]
    renewed = bench.book.subscriptions["sub_new"]
    assert period(renewed) == (APRIL_S, START_S + 61 * DAY_S) and period(renewed, 1) == (START_S, START_S + 92 * DAY_S)
    bench.at(92 * DAY_S)
    assert amounts(bench, "in_new_3") == [2000] and amounts(bench, "in_new_4") == [2000, 10000]
    assert (bench.invoice("in_new_2").period_start, bench.invoice("in_new_2").period_end) == (START_S, APRIL_S)


def test_what_is_left_of_each_period_is_given_back() -> None:
    """On 11 April 20 of 30 days, 1333.33, and 51 of 92, 5543.48."""
    bench = selling()
    begin(bench, MIXED)
    bench.at(41 * DAY_S)
    bench.call("subscriptions.cancel", "sub_new", {"prorate": True}, task="e/test/1")
    assert pending(bench) == [-1333, -5543]


def test_an_item_of_another_interval_is_added() -> None:
    """On 11 March: 82 of the 92 days of the quarter that began with the month, 8913.04."""
    bench = selling()
    begin(bench)
    bench.at(10 * DAY_S)
    changed = change(bench, items=[{"price": "price_quarter"}])
    assert pending(bench) == [8913] and period(changed, 1) == (START_S, START_S + 92 * DAY_S)


def test_which_end_is_meant() -> None:
    bench = selling()
    begin(bench, MIXED)
    assert change(bench, cancel_at="min_period_end").says("cancel_at") == APRIL_S
    assert change(bench, number=2, cancel_at="max_period_end").says("cancel_at") == START_S + 92 * DAY_S
    bench.at(92 * DAY_S)
    assert bench.book.subscriptions["sub_new"].status == "canceled" and sorted(bench.book.invoices) == ["in_new_1", "in_new_2", "in_new_3"]


def test_an_end_before_all_of_them() -> None:
    """On 11 March: 21 of 31 days, 1354.84, and 82 of 92, 8913.04."""
    bench = selling()
    begin(bench, MIXED)
    change(bench, cancel_at=START_S + 10 * DAY_S)
    assert pending(bench) == [-1355, -8913]


@pytest.mark.parametrize("prices", [("price_two_months", "price_quarter"), ("price_weekly", "price_pro_monthly")])
def test_intervals_that_do_not_fit(prices: tuple[str, str]) -> None:
    with pytest.raises(StripeError) as refused:
        begin(selling(), [{"price": price} for price in prices])
    assert refused.value.param == "items[1][price]"


def test_classic_subscriptions_have_one_interval() -> None:
    with pytest.raises(StripeError) as refused:
        begin(selling(), MIXED, **CLASSIC)
    assert refused.value.param == "items[1][price]"


# -- previews


def test_a_preview_is_what_comes_of_it() -> None:
    bench = selling()
    begin(bench, MIXED)
    bench.at(10 * DAY_S)
    details = {"items": [{"id": "si_new", "quantity": 2}], "proration_behavior": "always_invoice"}
    shown = bench.call("invoices.create_preview", "", {"subscription": "sub_new", "subscription_details": details}, task="w/look")
    changed = change(bench, **details)
    made = bench.invoice(changed.latest_invoice or "")
    assert [line.amount for line in shown.lines.data] == [line.amount for line in made.lines.data] == [-1355, 2710]
    following = bench.call("invoices.create_preview", "", {"subscription": "sub_new"}, task="w/look")
    bench.at(31 * DAY_S)
    assert [line.amount for line in following.lines.data] == amounts(bench, "in_new_2") == [4000]
