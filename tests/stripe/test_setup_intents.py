"""Payment methods that are set up for later, mandates, and how many requests Stripe takes (https://docs.stripe.com/api/setup_intents)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import SetupIntent, StripeError
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, LOST, Bench, whole


def vaulting(kind: str = "card") -> Bench:
    """Ada has a new payment method `pm_new` at hand, of nobody's yet."""
    bench = Bench()
    bench.call("payment_methods.create", "pm_new", {"type": kind})
    return bench


def set_up(bench: Bench, **params: object) -> SetupIntent:
    given = {"customer": "cus_ada", "payment_method": "pm_new", "confirm": True, **params}
    made: SetupIntent = bench.call("setup_intents.create", "seti_1", given)
    return made


def test_a_card_is_set_up_and_attached() -> None:
    bench = vaulting()
    intent = set_up(bench)
    assert bench.types() == ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]
    assert (intent.status, intent.mandate, intent.usage) == ("succeeded", None, "off_session")
    assert bench.book.payment_methods["pm_new"].customer == "cus_ada" and not bench.book.charges


@pytest.mark.parametrize("kind", ["sepa_debit", "paypal"])
def test_a_debit_comes_with_a_mandate(kind: str) -> None:
    bench = vaulting(kind)
    intent = set_up(bench)
    mandate = bench.call("mandates.retrieve", intent.mandate or "")
    assert (mandate.id, mandate.status, mandate.payment_method) == ("mandate_new", "active", "pm_new")
    assert list(bench.book.mandates) == ["mandate_new"]


def test_it_may_be_confirmed_later_and_cancelled() -> None:
    bench = vaulting()
    assert set_up(bench, confirm=False).status == "requires_confirmation"
    assert bench.call("setup_intents.confirm", "seti_1").status == "succeeded"
    with pytest.raises(StripeError, match="setup_intent_unexpected_state"):
        bench.call("setup_intents.cancel", "seti_1")
    assert bench.call("setup_intents.create", "seti_2", {"customer": "cus_ada"}).status == "requires_payment_method"
    assert bench.call("setup_intents.cancel", "seti_2").status == "canceled"
    with pytest.raises(StripeError, match="because it has been canceled"):
        bench.call("setup_intents.confirm", "seti_2")


def test_each_try_has_a_name_where_anybody_reads_it() -> None:
    bench = whole()
    assert bench.call("setup_intents.create", "seti_1", {"payment_method_types": ["card"]}).says("latest_attempt") is None
    with pytest.raises(StripeError, match="card_declined") as declined:
        bench.call("setup_intents.confirm", "seti_1", {"payment_method": "pm_card_chargeDeclined"})
    assert declined.value.setup_intent is not None and declined.value.setup_intent.says("latest_attempt") == "setatt_1.1"
    asked = bench.call("setup_intents.confirm", "seti_1", {"payment_method": "pm_card_authenticationRequired"}, task="e/again")
    assert (asked.status, asked.says("latest_attempt")) == ("requires_action", "setatt_1.2")
    assert bench.event("setup_intent.requires_action").data.object.says("latest_attempt") == "setatt_1.2"
    assert set_up(vaulting()).says("latest_attempt") is None


def test_the_bank_may_ask_first() -> None:
    bench = vaulting()
    bench.stripe.challenge("cus_ada")
    assert set_up(bench).status == "requires_action"
    assert bench.types() == ["setup_intent.created", "setup_intent.requires_action"]
    bench.stripe.confirm_setup("seti_1", "w/ada/confirms")
    assert bench.types() == ["payment_method.attached", "setup_intent.succeeded"]
    bench.stripe.confirm_setup("seti_1", "w/ada/confirms-again")
    assert bench.types() == []


def test_a_card_that_is_no_good_is_declined_and_one_without_funds_is_not() -> None:
    bench = vaulting()
    bench.stripe.behave("pm_new", LOST)
    with pytest.raises(StripeError, match="402 card_error card_declined"):
        set_up(bench)
    assert bench.types() == ["setup_intent.created", "setup_intent.setup_failed"]
    intent = bench.book.setup_intents["seti_1"]
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_setup_error is not None and intent.last_setup_error.decline_code == "lost_card"
    bench.call("payment_methods.create", "pm_broke", {"type": "card"})
    bench.stripe.behave("pm_broke", BROKE)
    assert bench.call("setup_intents.confirm", "seti_1", {"payment_method": "pm_broke"}).status == "succeeded"


def test_a_payment_method_of_somebody_else_is_refused() -> None:
    bench = vaulting()
    bench.call("customers.create", "cus_bob")
    with pytest.raises(StripeError, match="400 .* The PaymentMethod pm_ada does not belong to the Customer you supplied cus_bob"):
        bench.call("setup_intents.create", "seti_b", {"customer": "cus_bob", "payment_method": "pm_ada"})


def test_a_mandate_that_is_taken_back_ends_the_debits() -> None:
    bench = vaulting("sepa_debit")
    set_up(bench)
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_new"}})
    bench.types()
    bench.stripe.revoke_mandate("mandate_new", "w/ada/revokes")
    assert bench.types() == ["mandate.updated"] and bench.book.mandates["mandate_new"].status == "inactive"
    emitted = bench.outbox.changes[-1]
    assert emitted[:3] == ("cus_ada", "mandate", "mandate_new")
    bench.stripe.revoke_mandate("mandate_new", "w/ada/revokes-again")
    assert bench.types() == []
    bench.stripe.resume()
    bench.at(DAY_S + HOUR_S)
    assert bench.invoice().status == "open" and bench.invoice().attempt_count == 1


# -- https://docs.stripe.com/rate-limits


def test_requests_beyond_the_limit_are_refused_and_not_kept() -> None:
    bench = Bench(StripeSettings(requests_per_second=3))
    for _ in range(3):
        bench.call("customers.retrieve", "cus_ada")
    with pytest.raises(StripeError, match="429 invalid_request_error rate_limit: .*3 requests a second"):
        bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k")
    assert not bench.outbox.changes
    bench.at(1)
    assert bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k").name == "Ada"


def test_an_endpoint_has_its_own_limit() -> None:
    bench = Bench(StripeSettings(endpoint_requests_per_second=1))
    bench.call("customers.retrieve", "cus_ada")
    with pytest.raises(StripeError, match="1 requests of customers.retrieve a second"):
        bench.call("customers.retrieve", "cus_ada")
    bench.call("subscriptions.retrieve", "sub_ada")


def test_without_limits_as_many_as_come_are_taken() -> None:
    bench = Bench()
    for _ in range(500):
        bench.call("customers.retrieve", "cus_ada")


# -- as strict as the API


def strict(**params: Any) -> tuple[Bench, dict[str, Any]]:
    return whole(), {"customer": "cus_ada", "payment_method_types": ["card"], "confirm": True, **params}


def test_a_test_number_is_set_up_kept_or_declined() -> None:
    bench, params = strict(payment_method="pm_card_visa", description="for later", return_url="https://example.com")
    done = bench.call("setup_intents.create", "seti_1", params)
    assert (done.status, done.says("description"), done.last_setup_error) == ("succeeded", "for later", None)
    assert bench.call("payment_methods.retrieve", done.payment_method).customer == "cus_ada"
    with pytest.raises(StripeError) as told:
        bench.call("setup_intents.create", "seti_2", {**params, "payment_method": "pm_card_chargeDeclinedExpiredCard"}, task="e/2")
    assert (told.value.status, told.value.code, told.value.decline_code) == (402, "expired_card", "expired_card")
    assert told.value.setup_intent == bench.call("setup_intents.retrieve", "seti_2")
    # It attaches, and declines only when it is charged.
    kept = bench.call("setup_intents.create", "seti_3", {**params, "payment_method": "pm_card_chargeCustomerFail"}, task="e/3")
    assert kept.status == "succeeded"


def test_the_customer_confirms_a_set_up_or_cannot() -> None:
    bench, params = strict(payment_method="pm_card_authenticationRequired", return_url="https://example.com/back")
    asked = bench.call("setup_intents.create", "seti_1", params)
    assert asked.status == "requires_action" and asked.next_action["redirect_to_url"]["return_url"] == "https://example.com/back"
    bench.types()
    bench.stripe.confirm_setup("seti_1", "w/ada/fails", succeeds=False)
    failed = bench.call("setup_intents.retrieve", "seti_1")
    assert (failed.status, failed.payment_method, failed.last_setup_error.code) == (
        "requires_payment_method", None, "setup_intent_authentication_failure",
    )  # fmt: skip
    assert bench.types() == ["setup_intent.setup_failed"]


def test_a_set_up_is_changed_listed_and_given_up() -> None:
    bench, params = strict()
    del params["confirm"]
    assert bench.call("setup_intents.create", "seti_1", params).status == "requires_payment_method"
    changed = bench.call("setup_intents.update", "seti_1", {"payment_method": "pm_card_visa", "description": "x", "metadata": {"a": "b"}})
    assert (changed.status, changed.says("description"), changed.metadata) == ("requires_confirmation", "x", {"a": "b"})
    assert [each.id for each in bench.call("setup_intents.list", "", {"customer": "cus_ada"}).data] == ["seti_1"]
    assert bench.call("setup_intents.list", "", {"payment_method": "pm_ada"}).data == ()
    assert bench.call("setup_intents.cancel", "seti_1", {"cancellation_reason": "abandoned"}).cancellation_reason == "abandoned"
    with pytest.raises(StripeError, match="because it has been canceled") as told:
        bench.call("setup_intents.confirm", "seti_1")
    assert told.value.setup_intent is not None
    with pytest.raises(StripeError, match="cannot update"):
        bench.call("setup_intents.update", "seti_1", {"payment_method": "pm_card_visa"})


def test_where_to_return_to_has_to_be_said_for_a_set_up_too() -> None:
    bench, params = strict(payment_method="pm_card_visa")
    del params["payment_method_types"]
    with pytest.raises(StripeError, match="This SetupIntent .* you must provide a `return_url`"):
        bench.call("setup_intents.create", "seti_1", params)
    with pytest.raises(StripeError, match="unless `confirm` is set to true"):
        bench.call("setup_intents.create", "seti_2", {"return_url": "https://example.com"})
