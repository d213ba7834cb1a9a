"""The mutation pipeline: four doors, every operation, confirm before commit; crashes, repetitions and lost races all lead to one subscription."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.policy import BAD_DEBT
from billsim.engine.subscriptions_api import BEFORE_RENEWAL_MS, RESUMES_AFTER_MS
from billsim.ports import CallStripe, CompareAndSet, Effect, GatherAll, Message, Send
from billsim.stores.base import OwnershipError
from billsim.stores.ope import OpeChange, OpeItem
from billsim.stripe.objects import StripeError
from tests.engine.shop import (
    ADD,
    BASIC,
    BUSINESS,
    BUY,
    CANCEL,
    DOWNGRADE,
    DUE,
    LATER,
    MORE,
    PICTURES,
    PRO,
    RENEWS_S,
    THERE,
    TO_YEARLY,
    UPGRADE,
    YEARLY,
    Shop,
    ask,
)

MONTHLY = {"op": "downgrade", "subscription": "ope_ada", "plan": "pro_monthly", "price": 2000, "interval": "month"}
FEWER = {"op": "quantity", "subscription": "ope_ada", "quantity": 1}


def ope_writes(shop: Shop) -> list[dict[str, Any]]:
    return [effect.fields for effect in shop.performed(CompareAndSet) if effect.store == "ope"]


def first_of(shop: Shop, *wanted: Callable[[Effect], bool]) -> list[int]:
    """When each was first performed, by ordinal."""
    return [next(n for n, effect in enumerate(shop.effects) if is_it(effect)) for is_it in wanted]


def sets_items(effect: Effect) -> bool:
    return isinstance(effect, CompareAndSet) and effect.store == "ope" and "items" in effect.fields


def ends_it(effect: Effect) -> bool:
    return isinstance(effect, CompareAndSet) and effect.store == "ope" and effect.fields.get("status") == "canceled"


def calls_stripe(method: str) -> Callable[[Effect], bool]:
    return lambda effect: isinstance(effect, CallStripe) and effect.method == method


# -- four doors, one path


@pytest.mark.parametrize(
    ("kind", "via"), [("request.change", "dashboard"), ("request.change", "iapi"), ("request.change", "catalog"), ("domain.change_requested", "")]
)
def test_every_door_leads_to_the_same(kind: str, via: str) -> None:
    shop = Shop()
    shop.deliver(ask({**UPGRADE, "via": via}, kind=kind))
    shop.settle()
    assert shop.row.items == (BUSINESS,) and shop.billed() == [("zone_plan", 5000, 1, "month")] and shop.agrees()
    # Half of a period of 28 days: 10.00 back, 25.00 for the rest of it.
    assert shop.lines(shop.subscription.latest_invoice or "") == [-1000, 2500] and shop.charged() == [1500]
    assert shop.plans() == {"zone_plan": "business_monthly"}
    # Only at the Dashboard is the customer there.
    assert shop.calls()[-1].params["off_session"] == (via != "dashboard")


# -- every operation


@pytest.mark.parametrize(
    ("shop", "body", "items", "interval", "charged", "plans"),
    [
        (Shop, UPGRADE, (BUSINESS,), "month", [1500], {"zone_plan": "business_monthly"}),
        (Shop, DOWNGRADE, (BASIC,), "month", [], {"zone_plan": "basic_monthly"}),
        # 200.00 a year from today, less half a month.
        (Shop, TO_YEARLY, (YEARLY,), "year", [19000], {"zone_plan": "pro_yearly"}),
        # Three for half a period, less one: 30.00 - 10.00.
        (Shop, MORE, (OpeItem("zone_plan", "pro_monthly", 2000, 3),), "month", [2000], {"zone_plan": "pro_monthly"}),
        (lambda: Shop(quantity=4), FEWER, (PRO,), "month", [], {"zone_plan": "pro_monthly"}),
        # Half a period of a further product.
        (Shop, ADD, (PRO, PICTURES), "month", [250], {"zone_plan": "pro_monthly", "images": "images_monthly"}),
        # From free to paid a period begins.
        (lambda: Shop(bought=OpeItem("zone_plan", "free_monthly", 0)), UPGRADE, (BUSINESS,), "month", [5000], {"zone_plan": "business_monthly"}),
        # During a trial nothing is charged.
        (lambda: Shop(status="trialing"), UPGRADE, (BUSINESS,), "month", [], {"zone_plan": "business_monthly"}),
    ],
)
@pytest.mark.parametrize("there", [{}, THERE], ids=["off session", "on session"])
def test_a_change_stands_everywhere(
    shop: Callable[[], Shop], body: dict[str, Any], items: Any, interval: str, charged: list[int], plans: dict[str, str], there: dict[str, Any]
) -> None:
    shop_ = shop()
    shop_.change({**body, **there})
    assert (shop_.row.items, shop_.row.interval, shop_.row.status) == (items, interval, "active")
    assert shop_.agrees() and shop_.charged() == charged and shop_.plans() == plans and shop_.why() == []


def test_a_downgrade_is_a_credit_on_the_next_invoice() -> None:
    shop = Shop()
    shop.change(DOWNGRADE)
    # Half a period back at 20.00, charged at 5.00; nothing is billed for it now.
    assert [item.amount for item in shop.book.invoice_items.values()] == [-1000, 250] and not shop.book.invoices


def test_from_a_year_to_a_month_what_is_left_of_the_year_is_credit() -> None:
    shop = Shop()
    shop.change(TO_YEARLY)
    shop.at_s += 73 * 86_400
    shop.settle()
    shop.deliver(ask(MONTHLY, "m2"))
    shop.settle()
    # 292 of 365 days of 200.00 are left; a month of 20.00 begins.
    assert shop.lines(shop.subscription.latest_invoice or "") == [2000, -16000]
    assert shop.charged() == [19000] and shop.row.items == (PRO,) and shop.row.interval == "month" and shop.agrees()
    assert shop.book.customer is not None and shop.book.customer.balance == -14000


def test_cancelled_now_it_ends_in_ope_first_and_nothing_is_given_back() -> None:
    shop = Shop()
    shop.change(CANCEL)
    assert (shop.row.status, shop.subscription.status, shop.row.scheduled) == ("canceled", "canceled", None)
    assert shop.plans() == {"zone_plan": "free"} and not shop.book.invoice_items
    first, then = first_of(shop, ends_it, calls_stripe("subscriptions.cancel"))
    assert first < then


def test_one_product_of_two_is_cancelled_and_given_back() -> None:
    shop = Shop()
    shop.change(ADD)
    shop.deliver(ask({**CANCEL, "product": "images"}, "m2"))
    shop.settle()
    assert shop.row.items == (PRO,) and shop.agrees()
    assert [item.amount for item in shop.book.invoice_items.values() if item.invoice is None] == [-250]


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    shop = Shop()
    shop.change({**UPGRADE, "plan": "pro_monthly", "price": 2000})
    assert shop.changing() == []


# -- a purchase


@pytest.mark.parametrize("there", [{}, THERE], ids=["off session", "on session"])
def test_a_purchase_is_pending_until_it_is_paid(there: dict[str, Any]) -> None:
    shop = Shop()
    shop.change({**BUY, **there})
    row = shop.rows["ope_ada-2"]
    assert (row.status, row.items, row.stripe_subscription, row.scheduled) == ("active", (PICTURES,), "sub_ada-2", None)
    assert ope_writes(shop)[0]["status"] == "pending" and shop.agrees() and shop.charged() == [500]
    assert shop.plans() == {"zone_plan": "pro_monthly", "images": "images_monthly"}


def test_a_free_one_stands_without_a_payment() -> None:
    shop = Shop()
    shop.change({**BUY, "price": 0, **THERE})
    assert shop.rows["ope_ada-2"].status == "active" and shop.agrees() and shop.charged() == []


def test_off_session_a_decline_leaves_nothing_behind() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change(BUY)
    assert list(shop.book.subscriptions) == ["sub_ada"] and shop.rows["ope_ada-2"].status == "canceled" and shop.why() == ["refused"]
    assert shop.rows["ope_ada-2"].scheduled is None and shop.rows["ope_ada-2"].stripe_subscription == ""
    assert shop.plans() == {"zone_plan": "pro_monthly", "images": "free"}


def test_on_session_a_declined_customer_may_pay_with_another_card() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**BUY, **THERE})
    assert shop.rows["ope_ada-2"].status == "pending" and shop.book.subscriptions["sub_ada-2"].status == "incomplete"
    assert shop.plans() == {"zone_plan": "pro_monthly"}
    shop.card("good")
    shop.bench.call("invoices.pay", "in_ada-2_1", {"off_session": False})
    shop.settle()
    assert shop.rows["ope_ada-2"].status == "active" and shop.charged() == [500] and shop.agrees()


def test_a_purchase_that_nobody_pays_expires_after_23_hours() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**BUY, **THERE})
    shop.at_s += 24 * 3600
    shop.settle()
    assert shop.book.subscriptions["sub_ada-2"].status == "incomplete_expired"
    assert shop.rows["ope_ada-2"].status == "canceled" and shop.rows["ope_ada-2"].scheduled is None and shop.charged() == []


def test_a_purchase_that_is_not_confirmed_can_only_be_given_up() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**BUY, **THERE})
    shop.deliver(ask({**MORE, "subscription": "ope_ada-2"}, "m2"))
    assert shop.why() == ["unconfirmed"]
    shop.deliver(ask({**CANCEL, "subscription": "ope_ada-2"}, "m3"))
    shop.settle()
    assert shop.rows["ope_ada-2"].status == "canceled" and shop.book.subscriptions["sub_ada-2"].status in ("canceled", "incomplete_expired")


def test_a_second_click_is_no_second_purchase() -> None:
    shop = Shop()
    shop.deliver(ask({**BUY, **THERE}, "click"))
    shop.deliver(ask({**BUY, **THERE}, "click2"))
    shop.settle()
    assert list(shop.rows) == ["ope_ada", "ope_ada-2"] and shop.charged() == [500] and shop.why() == ["bought_already"]


def test_a_name_that_a_ghost_has_at_stripe_is_not_taken() -> None:
    shop = Shop()
    shop.bench.call("subscriptions.create", "sub_ada-2", {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}]})
    shop.change(BUY)
    assert shop.rows["ope_ada-3"].stripe_subscription == "sub_ada-3" and shop.rows["ope_ada-3"].status == "active"


def test_a_delayed_method_is_taken_at_its_word_and_stands_once_the_bank_has_answered() -> None:
    shop = Shop(method="sepa_debit")
    shop.change(UPGRADE)
    assert shop.calls()[-1].params["payment_behavior"] == "allow_incomplete" and shop.row.items == (BUSINESS,)


# -- confirm before commit


def test_what_grows_is_paid_before_it_stands_in_ope() -> None:
    shop = Shop()
    shop.change(UPGRADE)
    asked, stood = first_of(shop, calls_stripe("subscriptions.update"), sets_items)
    assert asked < stood


def test_what_shrinks_stands_in_ope_before_stripe_hears_of_it() -> None:
    shop = Shop()
    shop.change(DOWNGRADE)
    asked, stood = first_of(shop, calls_stripe("subscriptions.update"), sets_items)
    assert stood < asked


@pytest.mark.parametrize("body", [UPGRADE, TO_YEARLY, MORE, ADD], ids=lambda body: body["op"])
def test_off_session_a_decline_changes_nothing(body: dict[str, Any]) -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change(body)
    assert shop.row.items == (PRO,) and shop.agrees() and shop.why() == ["refused"] and not shop.book.invoices


@pytest.mark.parametrize("body", [UPGRADE, TO_YEARLY, MORE, ADD], ids=lambda body: body["op"])
def test_on_session_a_declined_change_waits_and_stands_once_it_is_paid(body: dict[str, Any]) -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**body, **THERE})
    assert shop.subscription.pending_update is not None and shop.row.items == (PRO,) and shop.plans() == {"zone_plan": "pro_monthly"}
    shop.card("good")
    shop.bench.call("invoices.pay", shop.subscription.latest_invoice or "", {"off_session": False})
    shop.settle()
    assert shop.agrees() and shop.row.items != (PRO,) and len(shop.charged()) == 1


def test_a_change_that_nobody_pays_lapses_after_23_hours() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**UPGRADE, **THERE})
    shop.at_s += 24 * 3600
    shop.settle()
    assert shop.agrees() and shop.row.items == (PRO,) and shop.why()[-1] == "lapsed" and shop.charged() == []


def test_a_customer_confirms_at_the_bank() -> None:
    shop = Shop()
    shop.bench.stripe.challenge("cus_ada")
    shop.change({**UPGRADE, **THERE}, returns_after_ms=60_000)
    intent = next(iter(shop.book.payment_intents.values()))
    assert intent.status == "requires_action" and shop.row.items == (PRO,) and shop.row.scheduled is not None
    shop.bench.stripe.confirm(intent.id, "w/bank")
    shop.settle()
    assert shop.agrees() and shop.row.items == (BUSINESS,) and shop.charged() == [1500]


def test_a_customer_who_confirms_before_coming_back_finds_it_done() -> None:
    shop = Shop()
    shop.bench.stripe.challenge("cus_ada")

    def confirm(effect: Effect) -> None:
        for intent in list(shop.book.payment_intents.values()):
            shop.bench.stripe.confirm(intent.id, "w/bank")

    shop.before = confirm
    shop.deliver(ask({**BUY, **THERE, "returns_after_ms": 60_000}))
    assert shop.rows["ope_ada-2"].status == "active" and shop.charged() == [500]


def test_request_confirmed_carries_a_change_through() -> None:
    shop = Shop()
    shop.bench.stripe.challenge("cus_ada")
    shop.deliver(ask({**UPGRADE, **THERE}))
    shop.bench.stripe.confirm(next(iter(shop.book.payment_intents)), "w/bank")
    shop.deliver(ask({}, "back", "request.confirmed"))
    assert shop.row.items == (BUSINESS,) and shop.row.scheduled is None


def test_what_waits_for_a_payment_stays_on_its_way_where_the_next_one_is_refused() -> None:
    shop = Shop()
    shop.bench.stripe.challenge("cus_ada")
    shop.deliver(ask({**UPGRADE, **THERE}))
    shop.card("insufficient_funds")
    shop.deliver(ask(MORE, "m2"))
    assert shop.why()[-1] == "refused" and shop.row.scheduled is not None and shop.row.scheduled.items == (BUSINESS,)
    shop.deliver(ask({**DOWNGRADE, "when": "period_end"}, "m3"))
    assert shop.why()[-1] == "unconfirmed"
    shop.bench.stripe.confirm(next(iter(shop.book.payment_intents)), "w/bank")
    shop.settle()
    assert shop.agrees() and shop.row.items == (BUSINESS,) and shop.row.scheduled is None


def test_another_change_takes_the_place_of_one_that_waits_to_be_paid() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.change({**UPGRADE, **THERE})
    shop.card("good")
    shop.deliver(ask({**MORE, **THERE}, "m2"))
    shop.settle()
    assert shop.row.items == (OpeItem("zone_plan", "pro_monthly", 2000, 3),) and shop.agrees() and shop.charged() == [2000]
    assert sorted(invoice.status for invoice in shop.book.invoices.values()) == ["paid", "void"]


@pytest.mark.parametrize(
    ("body", "method", "behavior"),
    [
        (UPGRADE, "card", "error_if_incomplete"),
        ({**UPGRADE, **THERE}, "card", "pending_if_incomplete"),
        ({**UPGRADE, **THERE}, "sepa_debit", "allow_incomplete"),
        (DOWNGRADE, "card", "allow_incomplete"),
        ({**DOWNGRADE, **LATER}, "card", "allow_incomplete"),
        (BUY, "card", "error_if_incomplete"),
        ({**BUY, **THERE}, "card", "default_incomplete"),
        ({**BUY, **THERE}, "sepa_debit", "allow_incomplete"),
    ],
)
def test_how_each_request_is_paid(body: dict[str, Any], method: str, behavior: str) -> None:
    shop = Shop(method=method)
    shop.change(body)
    assert [call.params["payment_behavior"] for call in shop.calls() if "payment_behavior" in call.params] == [behavior]


# -- at the end of the period


def test_a_delayed_downgrade_is_billed_and_stands_from_the_next_period() -> None:
    shop = Shop()
    shop.change({**DOWNGRADE, **LATER})
    assert shop.row.items == (PRO,) and shop.row.billed_items == (BASIC,) and shop.billed() == [("zone_plan", 500, 1, "month")]
    assert not shop.book.invoice_items and shop.plans() == {"zone_plan": "pro_monthly"}
    shop.at_s = RENEWS_S
    shop.settle()
    assert shop.row.items == (BASIC,) and shop.agrees() and shop.plans() == {"zone_plan": "basic_monthly"}
    shop.at_s += 3600
    shop.settle()
    assert shop.charged() == [500]


def test_a_delayed_upgrade_stands_once_the_renewal_is_paid() -> None:
    shop = Shop()
    shop.change({**UPGRADE, **LATER})
    shop.at_s = RENEWS_S
    shop.settle()
    assert shop.row.items == (PRO,) and shop.plans() == {"zone_plan": "pro_monthly"}
    shop.at_s += 3600
    shop.settle()
    assert shop.row.items == (BUSINESS,) and shop.agrees() and shop.charged() == [5000] and shop.plans() == {"zone_plan": "business_monthly"}


def test_a_delayed_cancel_ends_with_the_period() -> None:
    shop = Shop()
    shop.change({**CANCEL, **LATER})
    assert shop.subscription.cancel_at_period_end and shop.row.status == "active" and shop.plans() == {"zone_plan": "pro_monthly"}
    shop.at_s = RENEWS_S
    shop.settle()
    assert (shop.row.status, shop.subscription.status, shop.row.scheduled) == ("canceled", "canceled", None)
    assert shop.plans() == {"zone_plan": "free"} and shop.calls()[-1].method == "subscriptions.update"


@pytest.mark.parametrize(("body", "items"), [(TO_YEARLY, (YEARLY,)), ({**TO_YEARLY, "price": 100_000}, (replace(YEARLY, price=100_000),))])
def test_a_delayed_interval_begins_just_before_the_renewal(body: dict[str, Any], items: Any) -> None:
    shop = Shop()
    shop.change({**body, **LATER})
    assert shop.calls() == [] and shop.row.scheduled is not None
    shop.now_ms = RENEWS_S * 1000 - BEFORE_RENEWAL_MS
    shop.settle()
    assert shop.row.items == items and shop.row.interval == "year" and shop.agrees() and shop.charged() == [items[0].price]
    shop.at_s = RENEWS_S + 7200
    shop.settle()
    assert shop.charged() == [items[0].price]


def test_a_delayed_interval_that_cannot_be_paid_is_dropped() -> None:
    shop = Shop()
    shop.change({**TO_YEARLY, **LATER})
    shop.card("insufficient_funds")
    shop.now_ms = RENEWS_S * 1000 - BEFORE_RENEWAL_MS
    shop.settle()
    assert shop.row.items == (PRO,) and shop.agrees() and shop.why() == ["refused"]


@pytest.mark.parametrize("first", [DOWNGRADE, CANCEL, TO_YEARLY, UPGRADE], ids=lambda body: body.get("plan", body["op"]))
def test_a_later_change_takes_the_place_of_a_delayed_one(first: dict[str, Any]) -> None:
    shop = Shop()
    shop.change({**first, **LATER})
    shop.deliver(ask(MORE, "m2"))
    shop.settle()
    assert shop.row.items == (OpeItem("zone_plan", "pro_monthly", 2000, 3),) and shop.agrees() and not shop.subscription.cancel_at_period_end
    # It is settled by what stood: 30.00 - 10.00.
    assert shop.charged() == [2000]
    shop.at_s = RENEWS_S + 7200
    shop.settle()
    assert shop.row.items == (OpeItem("zone_plan", "pro_monthly", 2000, 3),) and shop.agrees() and shop.charged() == [2000, 6000]


def test_a_delayed_change_is_taken_back_by_asking_for_what_stands() -> None:
    shop = Shop()
    shop.change({**DOWNGRADE, **LATER})
    shop.deliver(ask({**UPGRADE, "plan": "pro_monthly", "price": 2000}, "m2"))
    shop.settle()
    assert shop.row.items == (PRO,) and shop.agrees() and not shop.book.invoice_items and shop.charged() == []


def test_the_same_delayed_change_again_changes_nothing() -> None:
    shop = Shop()
    shop.change({**CANCEL, **LATER})
    shop.effects.clear()
    shop.deliver(ask({**CANCEL, **LATER}, "m2"))
    assert shop.changing() == []


def test_a_refused_change_leaves_a_delayed_one_alone() -> None:
    shop = Shop()
    shop.change({**DOWNGRADE, **LATER})
    shop.deliver(ask({**UPGRADE, "plan": ""}, "m2"))
    assert shop.why() == ["incomplete"] and shop.row.scheduled is not None and shop.row.scheduled.items == (BASIC,)


# -- what is refused


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "not_understood"),
        ({"op": "explode"}, "not_understood"),
        ({**UPGRADE, "when": "yesterday"}, "not_understood"),
        ({**UPGRADE, "interval": "week"}, "not_understood"),
        ({**UPGRADE, "price": "5000"}, "not_understood"),
        ({**UPGRADE, "price": -1}, "below_zero"),
        ({**MORE, "quantity": 0}, "below_zero"),
        ({**UPGRADE, "subscription": ""}, "which_subscription"),
        ({**UPGRADE, "subscription": "ope_eve"}, "no_such_subscription"),
        ({**UPGRADE, "product": "dns"}, "no_such_product"),
        ({**UPGRADE, "plan": ""}, "incomplete"),
        ({**ADD, "interval": "year"}, "mixed_intervals"),
        ({**BUY, "product": "zone_plan"}, "bought_already"),
    ],
)
def test_a_request_is_refused_and_told_so(body: dict[str, Any], why: str) -> None:
    shop = Shop()
    shop.deliver(ask(body))
    assert shop.changing() == [Send("change_refused", "ada", {"request": "m1", "why": why})]
    assert shop.engine.wakes(Message("x", "e", "domain.change_refused", "ada", 0)) == ()


def no_card(shop: Shop) -> None:
    shop.bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": ""}})


def bad_debt(shop: Shop) -> None:
    shop.stores.write("engine", "subs_dunning", "ada", None, {"status": BAD_DEBT}, 0)


def owing(shop: Shop) -> None:
    """The renewal was declined."""
    shop.card("insufficient_funds")
    shop.at_s = RENEWS_S + 7200


def ended(shop: Shop) -> None:
    shop.bench.call("subscriptions.cancel", "sub_ada")


def contract(shop: Shop) -> None:
    shop.stores.write("facade", "subs_account", "ada", None, {"account_type": "cloudflare_ent"}, 0)


def merged(shop: Shop) -> None:
    shop.stores.by_customer["cus_ada"] = ("ada", "eve")


def not_in_stripe(shop: Shop) -> None:
    shop.stores.write("facade", "subs_customer", "ada", None, {"stripe_customer": ""}, 0)


@pytest.mark.parametrize(
    ("happened", "body", "why"),
    [
        (no_card, UPGRADE, "no_payment_method"),
        (no_card, BUY, "no_payment_method"),
        (bad_debt, UPGRADE, "owes"),
        (bad_debt, BUY, "owes"),
        (owing, UPGRADE, "owes"),
        (ended, UPGRADE, "ended"),
        (contract, UPGRADE, "not_governed"),
        (merged, DOWNGRADE, "not_governed"),
        (not_in_stripe, CANCEL, "not_governed"),
    ],
)
def test_an_account_that_does_not_allow_it(happened: Callable[[Shop], None], body: dict[str, Any], why: str) -> None:
    shop = Shop()
    happened(shop)
    shop.effects.clear()
    shop.deliver(ask(body))
    assert shop.why() == [why] and len(shop.changing()) == 1


def test_what_shrinks_is_free_to_do_without_a_card_and_what_was_not_paid_is_not_given_back() -> None:
    shop = Shop()
    owing(shop)
    shop.settle()
    no_card(shop)
    shop.change(DOWNGRADE)
    assert shop.row.items == (BASIC,) and shop.agrees() and not shop.book.invoice_items


# -- crashes, repetitions, races

EVERYTHING = [UPGRADE, {**UPGRADE, **THERE}, DOWNGRADE, TO_YEARLY, MORE, CANCEL, BUY, {**BUY, **THERE}, ADD]
DELAYED = [{**DOWNGRADE, **LATER}, {**CANCEL, **LATER}, {**TO_YEARLY, **LATER}, {**UPGRADE, **LATER}]


def told(body: dict[str, Any]) -> str:
    return " ".join(str(body.get(key, "")) for key in ("op", "interval", "subscription", "when", "on_session")).strip()


def outcome(shop: Shop) -> Any:
    """What it all came to, apart from versions and the names of invoices."""
    rows = {key: replace(row, version=0) for key, row in shop.rows.items()}
    billed = {id: (each.status, shop.billed(id), each.cancel_at_period_end) for id, each in shop.book.subscriptions.items()}
    return rows, billed, shop.charged(), shop.plans(), sorted(item.amount for item in shop.book.invoice_items.values())


def after(shop: Shop) -> Any:
    """Half a minute later, and then in the next period."""
    shop.now_ms += RESUMES_AFTER_MS
    shop.settle()
    soon = outcome(shop)
    shop.at_s = RENEWS_S + 7200
    shop.settle()
    return soon, outcome(shop)


def expected(body: dict[str, Any]) -> Any:
    shop = Shop()
    shop.deliver(ask(body))
    shop.settle()
    assert shop.why() == []
    return after(shop)


@pytest.mark.parametrize("body", [*EVERYTHING, *DELAYED], ids=told)
def test_after_a_crash_at_any_step_the_same_request_leads_to_the_same(body: dict[str, Any]) -> None:
    whole, died = expected(body), 0
    while True:
        shop = Shop()
        if not shop.crashing(died, ask(body)):
            break
        shop.deliver(ask(body))
        shop.settle()
        assert after(shop) == whole, died
        died += 1
    assert died >= 5


@pytest.mark.parametrize("body", [*EVERYTHING, *DELAYED], ids=told)
def test_after_a_crash_that_nobody_repeats_it_is_carried_through_or_never_was(body: dict[str, Any]) -> None:
    """A request by a person is nobody's to repeat: once its plan is written, the message that it ordered ahead takes it up."""
    whole, nothing, died = expected(body), after(Shop()), 0
    while True:
        shop = Shop()
        if not shop.crashing(died, ask(body, kind="request.change")):
            break
        shop.settle()
        found = after(shop)
        assert found == (whole if any(row.requests for row in shop.rows.values()) else nothing), died
        died += 1
    assert died >= 5


@pytest.mark.parametrize("body", [*EVERYTHING, *DELAYED], ids=told)
def test_a_message_that_comes_twice_changes_nothing_more(body: dict[str, Any]) -> None:
    shop = Shop()
    shop.change(body)
    before = outcome(shop)
    shop.effects.clear()
    shop.deliver(ask(body))
    shop.deliver(DUE)
    assert shop.changing() == [] and outcome(shop) == before


def test_a_repetition_after_another_change_does_not_bring_the_old_one_back() -> None:
    shop = Shop()
    shop.change(UPGRADE)
    shop.deliver(ask(DOWNGRADE, "m2"))
    shop.deliver(ask(UPGRADE))
    shop.settle()
    assert shop.row.items == (BASIC,) and shop.agrees()


@pytest.mark.parametrize("body", [*EVERYTHING, *DELAYED], ids=told)
@pytest.mark.parametrize("at", range(12))
def test_who_carries_on_at_the_same_time_does_no_harm(body: dict[str, Any], at: int) -> None:
    """Another task takes the change up ahead of any effect: as the brain does that a webhook has woken."""
    whole = expected(body)
    shop, busy = Shop(), False

    def race(effect: Effect) -> None:
        nonlocal busy
        if not busy and len(shop.effects) == at:
            busy = True
            shop.deliver(DUE)

    shop.before = race
    shop.deliver(ask(body))
    shop.settle()
    assert after(shop) == whole


@pytest.mark.parametrize(("first", "second"), [(UPGRADE, MORE), (MORE, DOWNGRADE), (DOWNGRADE, UPGRADE), (ADD, MORE), (TO_YEARLY, MORE)])
@pytest.mark.parametrize("at", range(12))
def test_of_two_changes_at_once_neither_is_lost(first: dict[str, Any], second: dict[str, Any], at: int) -> None:
    """The second comes ahead of an effect of the first: both are taken up, one after the other, and OPE and Stripe agree in the end."""
    second = {**second, "product": "zone_plan"}
    shop, busy = Shop(), False

    def race(effect: Effect) -> None:
        nonlocal busy
        if not busy and len(shop.effects) == at:
            busy = True
            shop.deliver(ask(second, "m2"))

    shop.before = race
    shop.deliver(ask(first))
    shop.before = lambda effect: None
    shop.settle()
    shop.now_ms += RESUMES_AFTER_MS
    shop.settle()
    assert shop.agrees() and shop.why() == [] and set(shop.row.requests) == ({"m1", "m2"} if busy else {"m1"})


def test_a_lost_race_is_planned_again_from_what_stands_then() -> None:
    shop = Shop()

    def race(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.version == 1:
            shop.before = lambda effect: None
            shop.stores.write("engine", "ope", "ada", "ope_ada", {"requests": ("someone",)}, 0)

    shop.before = race
    shop.change(UPGRADE)
    assert shop.row.items == (BUSINESS,) and shop.row.requests == ("someone", "m1") and shop.charged() == [1500]


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("body", [UPGRADE, {**UPGRADE, **THERE}, BUY, {**BUY, **THERE}, DOWNGRADE, CANCEL], ids=told)
def test_an_error_of_stripes_own_is_nobodys_answer(body: dict[str, Any], committed: bool) -> None:
    """Each request fails once, before Stripe has done it or after; the message comes again."""
    whole, shop, failed = expected(body), Shop(), []
    call = shop._call

    def broken(component: Any, effect: CallStripe) -> Any:
        if effect.idempotency_key in failed or effect.method.endswith(".retrieve"):
            return call(component, effect)
        failed.append(effect.idempotency_key)
        if committed:
            call(component, effect)
        raise StripeError(500, "api_error", "api_error", "An error occurred.")

    shop._call = broken  # type: ignore[method-assign]
    for _ in range(4):
        with suppress(StripeError):
            shop.deliver(ask(body))
    shop.settle()
    assert after(shop) == whole and len(failed) >= (1 if body in (CANCEL, DOWNGRADE) else 2)


def test_what_shrank_follows_without_a_settlement_where_the_period_has_ended_since() -> None:
    shop = Shop()
    shop.crashing(5, ask(DOWNGRADE))
    assert shop.row.items == (BASIC,) and shop.billed() == [("zone_plan", 2000, 1, "month")]
    shop.at_s = RENEWS_S + 7200
    shop.deliver(ask(DOWNGRADE))
    shop.settle()
    assert shop.agrees() and not shop.book.invoice_items


def test_the_brain_sees_to_a_change_that_nobody_finished() -> None:
    shop = Shop()
    shop.crashing(5, ask(CANCEL))
    assert shop.row.status == "canceled" and shop.subscription.status == "active"
    shop.sent.clear()
    shop.deliver(Message("w", "w", "request.recompute", "ada", 0))
    shop.settle()
    assert shop.subscription.status == "canceled" and shop.agrees()


def test_a_change_waits_while_its_account_is_handled_by_hand() -> None:
    shop = Shop()
    shop.change({**DOWNGRADE, **LATER})
    contract(shop)
    shop.at_s = RENEWS_S
    shop.settle()
    assert shop.row.items == (PRO,) and shop.row.scheduled is not None
    shop.stores.write("facade", "subs_account", "ada", None, {"account_type": "self_serve"}, 0)
    shop.deliver(Message("over", "e", "domain.account_type_changed", "ada", 0))
    shop.settle()
    assert shop.row.items == (BASIC,) and shop.agrees()


def test_a_subscription_that_ended_meanwhile_is_not_brought_back() -> None:
    shop = Shop()
    shop.change({**DOWNGRADE, **LATER})
    ended(shop)
    shop.at_s = RENEWS_S
    shop.settle()
    assert shop.row.scheduled is None and shop.subscription.status == "canceled"


# -- what it is made of


def test_it_asks_stripe_and_the_stores_for_no_more_than_it_needs() -> None:
    shop = Shop()
    shop.deliver(ask(UPGRADE))
    assert len(shop.performed(GatherAll)) == 2 and [call.method for call in shop.calls()] == ["prices.create", "subscriptions.update"]


def test_keys_are_made_of_the_request_and_the_step() -> None:
    keys = []
    for name in ("m1", "m1", "m2"):
        shop = Shop()
        shop.deliver(ask(UPGRADE, name))
        keys.append([call.idempotency_key for call in shop.calls()])
    assert keys[0] == keys[1] and keys[0][0] == keys[2][0] and keys[0][1] != keys[2][1]


def test_a_change_is_noted_whole_before_anything_is_done() -> None:
    shop = Shop()
    shop.deliver(ask(UPGRADE))
    first = ope_writes(shop)[0]
    assert first["scheduled"] == OpeChange(
        "m1", (BUSINESS,), grows=True, at_s=shop.at_s, payment_behavior="error_if_incomplete", proration_behavior="always_invoice"
    )
    assert [send.due_ms for send in shop.sent][0] == shop.now_ms + RESUMES_AFTER_MS


def test_ope_is_the_engines_to_write() -> None:
    shop = Shop()
    with pytest.raises(OwnershipError):
        shop.stores.write("facade", "ope", "ada", "ope_ada", {"items": ()}, 0)


def test_what_wakes_it_and_what_it_wakes() -> None:
    wakes = Shop().engine.wakes
    for kind in ("request.change", "request.confirmed", "domain.change_requested", "domain.change_due"):
        assert wakes(ask({}, kind=kind)) == ("subscriptions_api",)
    assert wakes(ask({}, kind="domain.subscription_changed")) == ("dunning_brain",)
