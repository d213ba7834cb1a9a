"""How requests are paid, and which price they name."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine import payments
from billsim.engine.payments import CONTROLS, GROWTH, PURCHASE, REST, instrument_of, is_waiting, payment_behavior, stands
from billsim.engine.subscriptions_api import SubscriptionsApi
from billsim.ports import CallStripe, Component
from billsim.stores.ope import OpeItem
from billsim.stripe.objects import Price
from tests.engine.shop import ADD, BUY, DOWNGRADE, MORE, PICTURES, PRO, THERE, UPGRADE, Shop, ask


@pytest.mark.parametrize(
    ("what", "on_session", "instrument", "behavior"),
    [
        # https://docs.stripe.com/billing/subscriptions/overview#payment-behavior
        (PURCHASE, True, "card", "default_incomplete"),
        (PURCHASE, False, "card", "error_if_incomplete"),
        # https://docs.stripe.com/billing/subscriptions/pending-updates: cards and PayPal are among what they go with, direct debits are not.
        (GROWTH, True, "card", "pending_if_incomplete"),
        (GROWTH, True, "paypal", "pending_if_incomplete"),
        (GROWTH, True, "sepa_debit", "allow_incomplete"),
        (GROWTH, False, "card", "error_if_incomplete"),
        (GROWTH, False, "us_bank_account", "allow_incomplete"),
        (REST, True, "card", "allow_incomplete"),
    ],
)
def test_behaviour(what: str, on_session: bool, instrument: str, behavior: str) -> None:
    assert payment_behavior(what, on_session, instrument) == behavior


def test_the_controls_are_the_platforms_to_set() -> None:
    shop = Shop()
    mine = SubscriptionsApi(DunningPolicy(), {**CONTROLS, (GROWTH, False): "pending_if_incomplete"})
    shop.engine.components = {**shop.engine.components, "subscriptions_api": Component("subscriptions_api", "engine", mine.handle)}
    shop.card("insufficient_funds")
    shop.change(UPGRADE)
    assert shop.subscription.pending_update is not None and shop.row.items == (PRO,)


def test_a_price_of_the_plans_name_is_used_where_it_is_the_same() -> None:
    shop = Shop()
    shop.bench.stripe.seed(Price(id="price_business_monthly", created=0, product="zone_plan", unit_amount=5000))
    shop.change(UPGRADE)
    assert [call.method for call in shop.calls()] == ["subscriptions.update"] and shop.agrees()


@pytest.mark.parametrize("other", [{"unit_amount": 4000}, {"product": "dns"}, {"currency": "eur"}])
def test_a_price_of_the_plans_name_that_is_another_is_left_alone(other: dict[str, object]) -> None:
    shop = Shop()
    theirs = replace(Price(id="price_business_monthly", created=0, product="zone_plan", unit_amount=5000), **other)
    shop.bench.stripe.seed(theirs)
    shop.change(UPGRADE)
    assert shop.agrees() and shop.charged() == [1500]
    assert shop.subscription.items.data[0].price.id.startswith("price_business_monthly.")
    assert shop.bench.call("prices.retrieve", "price_business_monthly") == theirs


def test_a_price_that_somebody_makes_at_the_same_time_is_shared() -> None:
    shop = Shop()

    def race(effect: object) -> None:
        if isinstance(effect, CallStripe) and effect.method == "prices.create":
            shop.bench.stripe.seed(Price(id="price_business_monthly", created=0, product="zone_plan", unit_amount=5000))

    shop.before = race
    shop.change(UPGRADE)
    assert shop.subscription.items.data[0].price.id == "price_business_monthly" and shop.charged() == [1500]


def test_another_quantity_keeps_the_price_and_names_the_item() -> None:
    shop = Shop()
    shop.change(MORE)
    assert [call.params["items"] for call in shop.calls()] == [[{"id": "si_ada", "quantity": 3}]]


def test_another_price_keeps_the_quantity() -> None:
    shop = Shop(quantity=4)
    shop.change(DOWNGRADE)
    assert shop.calls()[-1].params["items"] == [{"id": "si_ada", "price": "price_basic_monthly", "quantity": 4}]


def test_a_further_product_names_no_item_and_one_that_goes_is_deleted() -> None:
    shop = Shop()
    shop.change(ADD)
    assert shop.calls()[-1].params["items"] == [{"price": "price_images_monthly", "quantity": 1}]
    shop.deliver(ask({"op": "cancel", "subscription": "ope_ada", "product": "zone_plan"}, "m2"))
    assert shop.calls()[-1].params["items"] == [{"id": "si_ada", "deleted": True}] and shop.row.items == (PICTURES,)


def test_what_is_paid_with() -> None:
    shop = Shop(method="sepa_debit")
    assert instrument_of(shop.gathered(), shop.subscription) == instrument_of(shop.gathered(), None) == "sepa_debit"
    shop.bench.call("payment_methods.create", "pm_card", {"type": "card"})
    shop.bench.call("payment_methods.attach", "pm_card", {"customer": "cus_ada"})
    shop.bench.call("subscriptions.update", "sub_ada", {"default_payment_method": "pm_card"})
    assert instrument_of(shop.gathered(), shop.subscription) == "card"
    shop.bench.call("subscriptions.update", "sub_ada", {"default_payment_method": ""})
    shop.bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": ""}})
    assert instrument_of(shop.gathered(), shop.subscription) is None


def test_what_stands_at_stripe() -> None:
    shop = Shop()
    assert stands(shop.subscription, (PRO,), "month") and not stands(None, (PRO,), "month")
    for items, interval in (((), "month"), ((PRO, PICTURES), "month"), ((PRO,), "year"), ((OpeItem("zone_plan", "pro_monthly", 2000, 2),), "month")):
        assert not stands(shop.subscription, items, interval)
    assert not stands(replace(shop.subscription, status="incomplete"), (PRO,), "month")
    assert is_waiting(replace(shop.subscription, status="incomplete")) and not is_waiting(shop.subscription) and not is_waiting(None)


def test_a_purchase_is_confirmed_once_whoever_repeats_it() -> None:
    shop = Shop()
    shop.card("insufficient_funds")
    shop.deliver(ask({**BUY, **THERE}))
    row = shop.rows["ope_ada-2"]
    assert row.scheduled is not None
    steps = payments.confirm(shop.gathered(), shop.book.subscriptions["sub_ada-2"], row.scheduled)
    again = next(steps)
    assert isinstance(again, CallStripe) and again.idempotency_key == shop.calls()[-1].idempotency_key and len(shop.book.charges) == 1
