"""Payments by request (https://docs.stripe.com/payments/paymentintents/lifecycle)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import PaymentIntent, StripeError
from tests.stripe.bench import DAY_S, HOUR_S, START_S, Bench, owing, whole

CARD = {"amount": 1000, "currency": "usd", "payment_method_types": ["card"]}
MANDATE = {"mandate_data": {"customer_acceptance": {"type": "offline"}}}


def pay(bench: Bench, method: str = "pm_card_visa", **params: Any) -> PaymentIntent:
    given = {**CARD, "payment_method": method, "confirm": True, **params}
    made: PaymentIntent = bench.call("payment_intents.create", "pi_1", given)
    return made


def intent(bench: Bench, id: str = "pi_1") -> PaymentIntent:
    found: PaymentIntent = bench.call("payment_intents.retrieve", id)
    return found


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


def test_a_payment_of_nobody_succeeds_and_its_method_is_used_up() -> None:
    bench = whole()
    paid = pay(bench, description="tea", receipt_email="ada@example.com", shipping={"name": "Ada"}, metadata={"order": "6"})
    assert bench.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    assert (paid.status, paid.amount_received, paid.customer, paid.latest_charge) == ("succeeded", 1000, None, "ch_1.1")
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (charge.amount_captured, charge.captured, charge.paid, charge.metadata) == (1000, True, True, {"order": "6"})
    assert charge.says("description") == "tea" and charge.says("receipt_email") == "ada@example.com" and charge.says("shipping") == {"name": "Ada"}
    assert refused(bench, "payment_intents.create", "", {**CARD, "payment_method": paid.payment_method}).message.startswith("The provided Paym")


def test_it_passes_through_every_status_of_its_making() -> None:
    bench = whole()
    assert bench.call("payment_intents.create", "pi_1", CARD).status == "requires_payment_method"
    told = refused(bench, "payment_intents.confirm", "pi_1")
    assert told.code == "payment_intent_unexpected_state" and "missing a payment method" in told.message
    assert told.payment_intent is not None and told.payment_intent.id == "pi_1"
    assert bench.call("payment_intents.update", "pi_1", {"payment_method": "pm_card_visa", "amount": 1500}).status == "requires_confirmation"
    assert bench.types() == ["payment_intent.created"]
    assert bench.call("payment_intents.confirm", "pi_1").amount_received == 1500
    told = refused(bench, "payment_intents.confirm", "pi_1")
    assert told.message == "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
    told = refused(bench, "payment_intents.update", "pi_1", {"amount": 2000})
    assert (told.code, told.param) == ("payment_intent_unexpected_state", "amount")
    assert bench.call("payment_intents.update", "pi_1", {"metadata": {"a": "b"}}).metadata == {"a": "b"}
    told = refused(bench, "payment_intents.cancel", "pi_1")
    assert "has a status of succeeded" in told.message


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": "1000"}, "parameter_invalid_integer", "amount"),
        ({"currency": "dollars"}, "", "currency"),
        ({"off_session": True}, "", "off_session"),
        ({"return_url": "https://example.com"}, "", "return_url"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({"payment_method": "pm_ada"}, "parameter_missing", "source"),
        ({"payment_method_types": ["klarna"]}, "not_simulated", "payment_method_types"),
        ({"payment_method_types": ["sepa_debit"]}, "", "currency"),
        ({"automatic_payment_methods": {"enabled": True}}, "parameters_exclusive", "payment_method_types"),
        ({"capture_method": "later"}, "parameter_invalid", "capture_method"),
        ({"amout": 1}, "parameter_unknown", "amout"),
    ],
)
def test_a_payment_that_cannot_be_made(changes: dict[str, Any], code: str, param: str) -> None:
    bench = whole()
    told = refused(bench, "payment_intents.create", "pi_1", {**CARD, **changes})
    assert (told.status, told.type, told.code, told.param) == (400, "invalid_request_error", code, param)
    assert bench.types() == [] and refused(bench, "payment_intents.retrieve", "pi_1").status == 404


def test_a_decline_is_recorded_and_another_card_pays() -> None:
    bench = whole()
    with pytest.raises(StripeError) as told:
        pay(bench, "pm_card_visa_chargeDeclinedInsufficientFunds")
    error = told.value
    assert (error.status, error.type, error.code, error.decline_code) == (402, "card_error", "card_declined", "insufficient_funds")
    assert error.message == "Your card has insufficient funds." and error.charge == "ch_1.1"
    assert error.payment_intent == intent(bench) and error.payment_method is not None and error.payment_method.card is not None
    assert bench.types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    failed = intent(bench)
    assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
    assert failed.last_payment_error is not None and failed.last_payment_error.decline_code == "insufficient_funds"
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (charge.status, charge.captured, charge.failure_code) == ("failed", False, "card_declined")
    assert charge.says("outcome")["reason"] == "insufficient_funds" and charge.says("outcome")["type"] == "issuer_declined"
    paid = bench.call("payment_intents.confirm", "pi_1", {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.latest_charge, paid.last_payment_error) == ("succeeded", "ch_1.2", None)


def test_a_card_may_be_kept_and_decline_every_charge() -> None:
    bench = whole()
    method = bench.call("payment_methods.attach", "pm_card_chargeCustomerFail", {"customer": "cus_ada"})
    with pytest.raises(StripeError, match="card_declined"):
        pay(bench, method.id, customer="cus_ada", off_session=True)


def test_a_payment_that_looks_too_risky_is_blocked() -> None:
    bench = whole()
    with pytest.raises(StripeError) as told:
        pay(bench, "pm_card_radarBlock")
    assert (told.value.code, told.value.decline_code) == ("card_declined", "fraudulent")
    outcome = bench.call("charges.retrieve", "ch_1.1").says("outcome")
    assert (outcome["type"], outcome["risk_level"], outcome["network_status"]) == ("blocked", "highest", "not_sent_to_network")


# -- captured by hand


def test_an_authorized_payment_is_captured_in_part() -> None:
    bench = whole()
    held = pay(bench, capture_method="manual")
    assert held.status == "requires_capture" and held.amount_received == 0
    assert bench.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.amount_capturable_updated"]
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (charge.status, charge.captured, charge.amount_captured) == ("succeeded", False, 0)
    assert refused(bench, "refunds.create", "", {"charge": "ch_1.1"}).code == "charge_not_refundable"
    told = refused(bench, "payment_intents.capture", "pi_1", {"amount_to_capture": 1001})
    assert (told.code, told.param) == ("amount_too_large", "")
    for amount, code, param in ((0, "parameter_invalid_integer", "amount"), (-1, "", "amount_to_capture")):
        told = refused(bench, "payment_intents.capture", "pi_1", {"amount_to_capture": amount})
        assert (told.code, told.param, told.payment_intent) == (code, param, held)
    done = bench.call("payment_intents.capture", "pi_1", {"amount_to_capture": 600})
    assert (done.status, done.amount, done.amount_received) == ("succeeded", 1000, 600)
    assert bench.types() == ["charge.captured", "payment_intent.succeeded"]
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (charge.captured, charge.amount_captured, charge.amount_refunded, charge.refunded) == (True, 600, 400, False)
    told = refused(bench, "payment_intents.capture", "pi_1")
    assert told.message.endswith("could not be captured because the remainder of the authorized amount has been released.")
    assert refused(bench, "charges.capture", "ch_1.1").code == "charge_already_captured"
    assert refused(bench, "refunds.create", "", {"charge": "ch_1.1", "amount": 601}).code == "amount_too_large"
    assert bench.call("refunds.create", "", {"charge": "ch_1.1"}).amount == 600


def test_an_authorized_payment_is_captured_by_its_charge_given_up_or_runs_out() -> None:
    bench = whole()
    pay(bench, capture_method="manual")
    assert bench.call("charges.capture", "ch_1.1").amount_captured == 1000 and intent(bench).status == "succeeded"
    bench = whole()
    pay(bench, capture_method="manual")
    bench.types()
    gone = bench.call("payment_intents.cancel", "pi_1", {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.canceled_at, gone.says("cancellation_reason")) == ("canceled", START_S, "abandoned")
    assert bench.types() == ["charge.refunded", "payment_intent.canceled"]
    bench = whole()
    pay(bench, capture_method="manual")
    bench.types()
    bench.at(7 * DAY_S - 1)
    assert intent(bench).status == "requires_capture"
    bench.at(7 * DAY_S)
    assert [each for each in bench.types() if "charge" in each or "intent" in each] == ["charge.expired", "payment_intent.canceled"]
    assert intent(bench).says("cancellation_reason") == "automatic" and bench.call("charges.retrieve", "ch_1.1").refunded


# -- confirmed at the bank


def test_the_customer_confirms_at_the_bank() -> None:
    bench = whole()
    asked = pay(bench, "pm_card_authenticationRequired", return_url="https://example.com/back")
    assert asked.status == "requires_action" and asked.latest_charge is None
    assert asked.next_action is not None and asked.next_action["redirect_to_url"]["return_url"] == "https://example.com/back"
    assert bench.types() == ["payment_intent.created", "payment_intent.requires_action"]
    bench.stripe.confirm("pi_1", "w/ada/confirms")
    assert bench.types() == ["charge.succeeded", "payment_intent.succeeded"]
    assert intent(bench).status == "succeeded" and intent(bench).next_action is None


def test_the_customer_cannot_confirm() -> None:
    bench = whole()
    pay(bench, "pm_card_authenticationRequired")
    bench.types()
    bench.stripe.confirm("pi_1", "w/ada/fails", succeeds=False)
    failed = intent(bench)
    assert bench.types() == ["payment_intent.payment_failed"] and failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None and failed.last_payment_error.code == "payment_intent_authentication_failure"


def test_what_is_confirmed_may_still_be_declined() -> None:
    bench = whole()
    pay(bench, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    bench.stripe.confirm("pi_1", "w/ada/confirms")
    assert intent(bench).status == "requires_payment_method" and bench.call("charges.retrieve", "ch_1.1").status == "failed"


@pytest.mark.parametrize(
    ("token", "on_session", "off_session", "set_up_off_session"),
    [
        ("authenticationRequired", "requires_action", "declined", "declined"),
        ("authenticationRequiredOnSetup", "requires_action", "declined", "succeeded"),
        ("authenticationRequiredSetupForOffSession", "requires_action", "succeeded", "succeeded"),
        ("threeDSecure2Required", "requires_action", "declined", "declined"),
        ("threeDSecureOptional", "succeeded", "succeeded", "succeeded"),
        ("visa", "succeeded", "succeeded", "succeeded"),
    ],
)
def test_when_a_bank_asks(token: str, on_session: str, off_session: str, set_up_off_session: str) -> None:
    def comes_to(bench: Bench, method: str, **params: Any) -> str:
        try:
            return pay(bench, method, customer="cus_ada", **params).status
        except StripeError as error:
            assert (error.code, error.decline_code) == ("authentication_required", "authentication_required")
            return "declined"

    def kept(bench: Bench) -> str:
        return str(bench.call("payment_methods.attach", f"pm_card_{token}", {"customer": "cus_ada"}, task="e/keep").id)

    bench = whole()
    assert comes_to(bench, kept(bench)) == on_session
    bench = whole()
    assert comes_to(bench, kept(bench), off_session=True) == off_session
    bench = whole()
    method = kept(bench)
    setup = {"customer": "cus_ada", "payment_method": method, "payment_method_types": ["card"], "confirm": True}
    bench.call("setup_intents.create", "seti_1", setup)
    bench.stripe.confirm_setup("seti_1", "w/ada/confirms")
    assert bench.call("setup_intents.retrieve", "seti_1").status == "succeeded"
    assert comes_to(bench, method, off_session=True) == set_up_off_session


def test_a_payment_that_must_not_wait_is_declined_instead() -> None:
    bench = whole()
    with pytest.raises(StripeError, match="402 card_error authentication_required"):
        pay(bench, "pm_card_authenticationRequired", error_on_requires_action=True)
    assert intent(bench).status == "requires_payment_method"


def test_what_is_confirmed_by_hand_is_confirmed_once_more() -> None:
    bench = whole()
    pay(bench, "pm_card_authenticationRequired", confirmation_method="manual")
    bench.stripe.confirm("pi_1", "w/ada/confirms")
    assert intent(bench).status == "requires_confirmation"
    assert bench.call("payment_intents.confirm", "pi_1").status == "succeeded"


def test_a_payment_keeps_its_method_for_later() -> None:
    bench = whole()
    paid = pay(bench, customer="cus_ada", setup_future_usage="off_session")
    assert bench.types() == ["payment_intent.created", "payment_method.attached", "charge.succeeded", "payment_intent.succeeded"]
    assert bench.call("payment_methods.retrieve", paid.payment_method or "").customer == "cus_ada"


def test_where_to_return_to_has_to_be_said_unless_nothing_redirects() -> None:
    bench = whole()
    params: dict[str, Any] = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    told = refused(bench, "payment_intents.create", "pi_1", params)
    assert "you must provide a `return_url`" in told.message
    assert bench.call("payment_intents.create", "pi_2", {**params, "return_url": "https://example.com"}, task="e/2").status == "succeeded"
    never = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    assert bench.call("payment_intents.create", "pi_3", {**params, **never}, task="e/3").status == "succeeded"


# -- debits


@pytest.mark.parametrize(
    ("token", "currency", "after_s", "status", "failure"),
    [
        ("pm_sepaDebit_success_de", "eur", 15, "succeeded", None),
        ("pm_sepaDebit_successDelayed_fr", "eur", 180, "succeeded", None),
        ("pm_sepaDebit_failed_at", "eur", 15, "requires_payment_method", "incorrect_account_holder_name"),
        ("pm_sepaDebit_failedDelayed_ie", "eur", 180, "requires_payment_method", "incorrect_account_holder_name"),
        ("pm_sepaDebit_insufficientFunds_be", "eur", 15, "requires_payment_method", "insufficient_funds"),
        ("pm_sepaDebit_exceedsWeeklyVolumeLimit_de", "eur", 15, "requires_payment_method", "charge_exceeds_source_limit"),
        ("pm_usBankAccount_success", "usd", 15, "succeeded", None),
        ("pm_usBankAccount_accountClosed", "usd", 15, "requires_payment_method", "account_closed"),
        ("pm_usBankAccount_debitNotAuthorized", "usd", 15, "requires_payment_method", "debit_not_authorized"),
    ],
)
def test_a_debit_is_processed_first(token: str, currency: str, after_s: int, status: str, failure: str | None) -> None:
    bench = whole()
    kind = "sepa_debit" if "sepa" in token else "us_bank_account"
    begun = pay(bench, token, currency=currency, payment_method_types=[kind], customer="cus_ada", **MANDATE)
    assert begun.status == "processing"
    assert bench.types() == ["payment_intent.created", "mandate.updated", "charge.pending", "payment_intent.processing"]
    assert refused(bench, "payment_intents.cancel", "pi_1").code == "payment_intent_unexpected_state"
    bench.at(after_s - 1)
    assert intent(bench).status == "processing"
    bench.at(after_s)
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (intent(bench).status, charge.status, charge.failure_code) == (status, "failed" if failure else "succeeded", failure)
    assert bench.types() == (["charge.failed", "payment_intent.payment_failed"] if failure else ["charge.succeeded", "payment_intent.succeeded"])


def test_a_debit_needs_leave() -> None:
    bench = whole()
    sepa = {"amount": 1000, "currency": "eur", "customer": "cus_ada", "payment_method_types": ["sepa_debit"], "confirm": True}
    told = refused(bench, "payment_intents.create", "pi_1", {**sepa, "payment_method": "pm_sepaDebit_success_de"})
    assert (told.status, told.code) == (400, "payment_intent_mandate_invalid") and intent(bench).status == "requires_confirmation"
    setup = {"customer": "cus_ada", "payment_method": "pm_sepaDebit_success_de", "payment_method_types": ["sepa_debit"], "confirm": True, **MANDATE}
    done = bench.call("setup_intents.create", "seti_1", setup, task="e/setup")
    mandate = bench.call("mandates.retrieve", done.mandate)
    assert (mandate.status, mandate.type, mandate.says("customer_acceptance")) == ("active", "multi_use", {"type": "offline"})
    later = {**sepa, "payment_method": done.payment_method, "off_session": True}
    assert bench.call("payment_intents.create", "pi_2", later, task="e/pay").status == "processing"


def test_a_debit_that_is_never_answered_can_be_given_up() -> None:
    bench = whole()
    pay(bench, "pm_usBankAccount_processing", payment_method_types=["us_bank_account"], customer="cus_ada", **MANDATE)
    bench.days(60)
    assert intent(bench).status == "processing"
    assert bench.call("payment_intents.cancel", "pi_1").status == "canceled"


def test_an_invoice_by_a_debit_that_fails_later() -> None:
    bench = whole()
    method = bench.call("payment_methods.attach", "pm_sepaDebit_failedDelayed_de", {"customer": "cus_ada"}).id
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": method}})
    bench.stripe.resume()
    bench.at(DAY_S + HOUR_S + 179)
    assert bench.subscription.status == "active" and intent(bench, "pi_ada_1").status == "processing"
    bench.types()
    bench.at(DAY_S + HOUR_S + 180)
    assert bench.types()[:3] == ["charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"]
    assert bench.subscription.status == "past_due" and bench.invoice().status == "open"


# -- of invoices


def test_the_payment_of_an_invoice_is_confirmed_with_a_new_card_that_is_kept() -> None:
    bench = owing()
    told = refused(bench, "payment_intents.confirm", "pi_ada_1", {"payment_method": "pm_card_visa_chargeDeclined"})
    assert (told.status, told.decline_code) == (402, "generic_decline")
    assert told.payment_intent is not None and told.payment_intent.id == "pi_ada_1" and list(bench.book.payment_methods) == ["pm_ada"]
    bench.types()
    assert bench.call("payment_intents.confirm", "pi_ada_1", {"payment_method": "pm_card_visa"}, task="e/again").status == "succeeded"
    assert bench.invoice().status == "paid" and len(bench.book.payment_methods) == 2
    assert refused(bench, "payment_intents.cancel", "pi_ada_1").code == "payment_intent_unexpected_state"


def test_a_renewal_that_the_bank_asks_about_off_session() -> None:
    bench = whole()
    method = bench.call("payment_methods.attach", "pm_card_authenticationRequiredOnSetup", {"customer": "cus_ada"}).id
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": method}})
    bench.stripe.resume()
    bench.at(DAY_S + HOUR_S)
    assert intent(bench, "pi_ada_1").status == "requires_action"
    bench.stripe.confirm("pi_ada_1", "w/ada/confirms")
    assert bench.invoice().status == "paid"
    # Once confirmed for later, the next renewal goes through by itself.
    bench.days(33)
    assert [each.status for each in bench.book.invoices.values()] == ["paid", "paid"]


def test_payment_intents_are_listed_newest_first() -> None:
    bench = whole()
    for ordinal in range(3):
        bench.call("payment_intents.create", f"pi_{ordinal}", {**CARD, **({"customer": "cus_ada"} if ordinal else {})}, task=f"e/{ordinal}")
    assert [each.id for each in bench.call("payment_intents.list").data] == ["pi_2", "pi_1", "pi_0"]
    assert [each.id for each in bench.call("payment_intents.list", "", {"customer": "cus_ada"}).data] == ["pi_2", "pi_1"]
    page = bench.call("payment_intents.list", "", {"ending_before": "pi_0", "limit": 1})
    assert [each.id for each in page.data] == ["pi_1"] and page.has_more
    page = bench.call("payment_intents.list", "", {"ending_before": "pi_0"})
    assert [each.id for each in page.data] == ["pi_2", "pi_1"] and not page.has_more
    assert bench.call("payment_intents.list", "", {"created": {"gt": START_S}}).data == ()
    assert len(bench.call("payment_intents.list", "", {"created": {"gte": START_S, "lt": START_S + 1}}).data) == 3
    assert len(bench.call("payment_intents.list", "", {"created": START_S}).data) == 3
    told = refused(bench, "payment_intents.list", "", {"created": {"since": 1}})
    assert (told.code, told.param) == ("parameter_unknown", "created[since]")
    told = refused(bench, "payment_intents.list", "", {"starting_after": "pi_0", "ending_before": "pi_1"})
    assert told.param == "ending_before"
    assert refused(bench, "payment_intents.list", "", {"limit": 0}).param == "limit"
    assert refused(bench, "payment_intents.list", "", {"starting_after": "pi_9"}).param == "starting_after"


DECLINES = {
    "avsFail": False, "chargeCustomerFail": True, "chargeDeclined": True, "chargeDeclinedExpiredCard": True, "chargeDeclinedFraudulent": True,
    "chargeDeclinedIncorrectCvc": True, "chargeDeclinedInsufficientFunds": True, "chargeDeclinedProcessingError": True, "cvcCheckFail": True,
    "radarBlock": True, "riskLevelElevated": False, "riskLevelHighest": True, "threeDSecureOptionalProcessingError": False,
    "threeDSecureRequiredProcessingError": True, "createDispute": False, "pendingRefund": False, "refundFail": False, "bypassPending": False,
}  # fmt: skip


@pytest.mark.parametrize("name", DECLINES)
def test_which_tokens_decline(name: str) -> None:
    bench = whole()
    if DECLINES[name]:
        with pytest.raises(StripeError, match="402 card_error"):
            pay(bench, f"pm_card_{name}")
    else:
        assert pay(bench, f"pm_card_{name}").status == "succeeded"
