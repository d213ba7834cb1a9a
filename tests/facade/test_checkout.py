"""Checkout: one flow into the mutation pipeline, and beside it the pages of before, which leave what they leave."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.ports import CallStripe, Effect, Send, Start, Write
from billsim.scenario.plan import GivenAccount
from billsim.stores.base import OwnershipError
from billsim.stores.ope import OpeSubscription
from billsim.stripe.api import CardBehaviour
from tests.driver import CrashError
from tests.facade.counter import Counter

IMAGES = {"product": "images", "plan": "images_monthly", "price": 500}
ORDER = {"turnstile": "passed", **IMAGES}
FACADES = {"subs_account", "subs_customer", "cf_prod", "facade_cache"}


def bought(counter: Counter) -> list[OpeSubscription]:
    return [row for row in counter.shard.all("ope").values() if any(item.product == "images" for item in row.items)]


def test_one_flow_buys_through_the_pipeline() -> None:
    counter = Counter()
    assert counter.ask("checkout", **ORDER) == {"outcome": "bought"}
    assert [(row.status, row.items[0].price) for row in bought(counter)] == [("active", 500)]
    assert counter.row("subs_customer").checkout_plan == "images_monthly"
    starts = [effect for effect in counter.performed(Start) if effect.component == "subscriptions_api"]
    assert [(effect.kind, effect.body["op"], effect.body["via"], effect.body["on_session"]) for effect in starts] == [
        ("request.change", "create", "dashboard", True)
    ]


def test_a_new_account_gets_a_customer_a_card_and_what_it_buys() -> None:
    counter = Counter()
    counter.shard = counter.stores.shard("eve")
    counter.ask("create_profile", name="Eve", email="eve@example.com")
    assert counter.ask("checkout", method=counter.browser_makes("pm_eve"), **ORDER) == {"outcome": "bought"}
    assert counter.default == "pm_eve" and counter.row("subs_customer").stripe_customer == "cus_eve"
    assert [row.status for row in bought(counter)] == ["active"]


@pytest.mark.parametrize("turnstile", ["failed", "", None, True])
def test_turnstile_refuses_and_nothing_is_touched(turnstile: Any) -> None:
    counter = Counter(GivenAccount(account="ada", stripe_customer=False))
    assert counter.ask("checkout", method="pm_new", **{**ORDER, "turnstile": turnstile}) == {"outcome": "turnstile_refused"}
    assert not counter.performed(CallStripe, Start) and counter.row("subs_customer").version == 1


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"product": ""}, "invalid_product"),
        ({"plan": 5}, "invalid_plan"),
        ({"price": None}, "invalid_price"),
        ({"price": -1}, "invalid_price"),
        ({"price": 5.0}, "invalid_price"),
        ({"quantity": 0}, "invalid_quantity"),
        ({"quantity": True}, "invalid_quantity"),
        ({"interval": "week"}, "invalid_interval"),
        ({"method": "pm_nobody"}, "no_such_method"),
    ],
    ids=str,
)
def test_refuses(changed: dict[str, Any], outcome: str) -> None:
    counter = Counter()
    assert counter.ask("checkout", **{**ORDER, **changed}) == {"outcome": outcome}
    assert counter.requested() == [] and not bought(counter)


def test_without_a_way_to_pay_nothing_is_ordered_unless_it_is_free() -> None:
    counter = Counter(GivenAccount(account="ada", stripe_customer=False))
    assert counter.ask("checkout", **ORDER) == {"outcome": "no_payment_method"}
    assert not counter.performed(Start)
    assert counter.ask("checkout", "r2", **{**ORDER, "price": 0}) == {"outcome": "bought"}


def test_a_card_that_the_bank_will_not_have_ends_the_checkout() -> None:
    counter = Counter()
    counter.stripe.behave(counter.browser_makes("pm_new"), CardBehaviour("lost"))
    assert counter.ask("checkout", method="pm_new", **ORDER) == {"outcome": "declined"}
    assert counter.default == "pm_ada" and not counter.performed(Start)


def test_a_payment_that_fails_buys_nothing() -> None:
    counter = Counter()
    counter.stripe.behave("pm_ada", CardBehaviour("insufficient_funds"))
    assert counter.ask("checkout", **ORDER)["outcome"] in ("not_bought", "waits_for_payment")
    assert "active" not in [row.status for row in bought(counter)]


def test_two_clicks_buy_once() -> None:
    counter = Counter()
    counter.ask("checkout", "r1", **ORDER)
    counter.ask("checkout", "r1", **ORDER)
    assert counter.ask("checkout", "r2", **ORDER) == {"outcome": "bought"}
    assert [row.status for row in bought(counter)] == ["active"]
    book = counter.booked()
    assert book is not None and len([each for each in book.charges.values() if each.amount == 500]) == 1


@pytest.mark.parametrize("crash_after", range(0, 48, 3))
def test_crashed_anywhere_and_sent_again_buys_once(crash_after: int) -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new")
    counter.crash_after = crash_after
    with pytest.raises(CrashError):
        counter.ask("checkout", method=new, **ORDER)
    counter.crash_after = None
    assert counter.ask("checkout", method=new, **ORDER) == {"outcome": "bought"}
    book = counter.booked()
    assert book is not None and len([each for each in book.charges.values() if each.amount == 500]) == 1
    assert [row.status for row in bought(counter)] == ["active"] and counter.default == "pm_new"


# -- the pages of before ---------------------------------------------------------------------------------------------------------------


def test_a_page_of_before_asks_nobody_and_unlocks_before_it_is_paid() -> None:
    counter = Counter(engine="legacy")
    assert counter.ask("checkout", **IMAGES) == {"outcome": "ordered"}
    assert counter.shard.all("cf_prod")["images"].plan == "images_monthly" and not bought(counter)
    sent = [(effect.kind, effect.body["op"], effect.body["product"]) for effect in counter.performed(Send)]
    assert sent == [("change_requested", "create", "images")]


def test_it_vaults_paypal_through_the_wrong_token_without_a_mandate() -> None:
    counter = Counter(engine="legacy")
    counter.ask("checkout", method=counter.browser_makes("pm_paypal", "paypal"), **IMAGES)
    book = counter.booked()
    assert book is not None and counter.row("subs_customer").vault == "braintree"
    assert counter.default == "pm_paypal" and not book.mandates and not book.setup_intents


def test_it_keeps_what_was_typed_to_itself_and_takes_a_bit_back_that_was_set_meanwhile() -> None:
    counter = Counter(engine="legacy")

    def flagged_meanwhile(effect: Effect) -> None:
        if isinstance(effect, Write) and effect.store == "subs_account":
            counter.stores.write("engine", "subs_account", "ada", None, {"flags": 1 << 15}, 0)

    counter.before = flagged_meanwhile
    counter.ask("checkout", email="typed@example.com", **IMAGES)
    book = counter.booked()
    assert book is not None and book.customer is not None
    assert counter.row("subs_account").email == "typed@example.com" != book.customer.email
    assert not counter.row("subs_account").flags & 1 << 15


# -- who writes what -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
def test_the_facade_writes_its_three_stores_and_no_other(engine: str) -> None:
    counter = Counter(engine=engine)
    stores = counter.stores.schemas
    assert {name for name, schema in stores.items() if "facade" in schema.writers} == FACADES
    for store in set(stores) - FACADES:
        with pytest.raises(OwnershipError):
            counter.stores.write("facade", store, "ada", "x", {}, 0)
    names = ("accounts_svc", "payment_methods", "pm_view", "invoice_lists", "checkout", "identity", "product_pages", "pay_bad_debt")
    assert {counter.engine.components[name].writer for name in names if name in counter.engine.components} == {"facade"}
