"""Payment methods, test numbers, and what came before them (https://docs.stripe.com/testing, https://docs.stripe.com/api/cards)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe import card_numbers
from billsim.stripe.objects import Deleted, LegacyCard, Source, StripeError
from tests.stripe.bench import DAY_S, Bench, whole


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


def test_every_test_number_is_a_number() -> None:
    assert [number for number in {*card_numbers.CARDS, *card_numbers.NAMES.values()} if not card_numbers.is_valid(number)] == []
    assert [iban for iban in {*card_numbers.IBANS, *card_numbers.REFUSED_IBANS} if not card_numbers.is_iban(iban)] == []
    assert not card_numbers.is_valid("4242424242424241") and not card_numbers.is_iban("DE89370400440532013001")
    assert set(card_numbers.US_NAMES.values()) == set(card_numbers.US_ACCOUNTS)


@pytest.mark.parametrize(
    ("token", "brand", "last4", "country", "funding"),
    [
        ("pm_card_visa", "visa", "4242", "US", "credit"),
        ("pm_card_amex", "amex", "0005", "US", "credit"),
        ("pm_card_mastercard_prepaid", "mastercard", "5100", "US", "prepaid"),
        ("pm_card_visa_debit", "visa", "5556", "US", "debit"),
        ("pm_card_discover", "discover", "1117", "US", "credit"),
        ("pm_card_diners", "diners", "0004", "US", "credit"),
        ("pm_card_jcb", "jcb", "0505", "US", "credit"),
        ("pm_card_unionpay", "unionpay", "0005", "US", "credit"),
        ("pm_card_de", "visa", "0016", "DE", "credit"),
    ],
)
def test_a_token_is_a_new_payment_method_each_time(token: str, brand: str, last4: str, country: str, funding: str) -> None:
    bench = whole()
    one = bench.call("payment_methods.attach", token, {"customer": "cus_ada"}, task="e/one")
    two = bench.call("payment_methods.attach", token, {"customer": "cus_ada"}, task="e/two")
    assert one.id != two.id and one.customer == "cus_ada" and one.card.brand == brand and one.card.last4 == last4
    assert (one.card.details["country"], one.card.details["funding"]) == (country, funding)
    assert bench.types() == ["payment_method.attached", "payment_method.attached"]


@pytest.mark.parametrize(
    ("token", "code", "decline_code"),
    [
        ("visa_chargeDeclined", "card_declined", "generic_decline"),
        ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ],
)
def test_a_card_that_is_declined_cannot_be_kept(token: str, code: str, decline_code: str) -> None:
    bench = whole()
    told = refused(bench, "payment_methods.attach", f"pm_card_{token}", {"customer": "cus_ada"})
    assert (told.status, told.type, told.code, told.decline_code) == (402, "card_error", code, decline_code)
    told = refused(bench, "customers.create", "cus_bob", {"source": f"tok_{token}"})
    assert (told.code, told.decline_code) == (code, decline_code) and "cus_bob" not in bench.stripe.books
    told = refused(bench, "customers.create", "cus_bob", {"payment_method": f"pm_card_{token}"})
    assert (told.code, told.decline_code) == (code, decline_code) and "cus_bob" not in bench.stripe.books
    assert list(bench.book.payment_methods) == ["pm_ada"] and bench.types() == []


@pytest.mark.parametrize(
    ("card", "code", "param"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", "number"),
        ({"number": "4242"}, "incorrect_number", "number"),
        ({"number": "4242424242424242", "exp_month": 13}, "invalid_expiry_month", "exp_month"),
        ({"number": "4242424242424242", "exp_year": 2025}, "invalid_expiry_year", "exp_year"),
        ({"number": "4242424242424242", "exp_year": 2077}, "invalid_expiry_year", "exp_year"),
        ({"number": "4242424242424242", "cvc": "99"}, "invalid_cvc", "cvc"),
    ],
)
def test_a_card_that_cannot_be(card: dict[str, Any], code: str, param: str) -> None:
    told = refused(whole(), "payment_methods.create", "", {"type": "card", "card": card})
    assert (told.status, told.type, told.code, told.param) == (402, "card_error", code, param)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"type": "klarna"}, "not_simulated", "type"),
        ({"type": "card", "sepa_debit": {"iban": "x"}}, "parameter_unknown", "sepa_debit"),
        ({"type": "card", "card": {"token": "tok_none"}}, "resource_missing", "card[token]"),
        ({"type": "card", "card": {"nmber": "4242424242424242"}}, "parameter_unknown", "card[nmber]"),
        ({"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013001"}}, "invalid_bank_account_iban", "sepa_debit[iban]"),
        ({"type": "sepa_debit", "sepa_debit": {"iban": "DE91370400440000055555"}}, "sepa_debit_bank_not_supported", "sepa_debit[iban]"),
        ({"type": "sepa_debit", "sepa_debit": {"iban": "DE18370400440000066666"}}, "sepa_debit_debits_not_supported", "sepa_debit[iban]"),
        ({"type": "us_bank_account", "us_bank_account": {"account_number": "12"}}, "account_number_invalid", "us_bank_account[account_number]"),
        ({}, "parameter_missing", "type"),
    ],
)
def test_a_payment_method_that_cannot_be_made(params: dict[str, Any], code: str, param: str) -> None:
    told = refused(whole(), "payment_methods.create", "", params)
    assert (told.status, told.type, told.code, told.param) == (400, "invalid_request_error", code, param)


def test_accounts_say_of_themselves_what_they_were_made_with() -> None:
    bench = whole()
    iban = {"type": "sepa_debit", "sepa_debit": {"iban": "DE89 3704 0044 0532 0130 00"}, "billing_details": {"name": "Ada"}}
    debit = bench.call("payment_methods.create", "pm_iban", iban)
    assert debit.says("sepa_debit") == {"bank_code": "37040044", "branch_code": "", "country": "DE", "last4": "3000"}
    assert debit.says("billing_details") == {"name": "Ada"}
    account = {"account_number": "000123456789", "routing_number": "110000000", "account_holder_type": "company"}
    bank = bench.call("payment_methods.create", "pm_bank", {"type": "us_bank_account", "us_bank_account": account})
    assert bank.says("us_bank_account")["last4"] == "6789" and bank.says("us_bank_account")["account_holder_type"] == "company"


def test_a_payment_method_is_changed_only_while_it_is_somebodys() -> None:
    bench = whole()
    bench.call("payment_methods.create", "pm_new", {"type": "card", "card": {"token": "tok_visa"}})
    assert "save this PaymentMethod to a customer" in refused(bench, "payment_methods.update", "pm_new", {"metadata": {"a": "b"}}).message
    bench.call("payment_methods.attach", "pm_new", {"customer": "cus_ada"})
    bench.types()
    changes = {"card": {"exp_month": 1, "exp_year": 2040}, "billing_details": {"email": "ada@example.com"}, "allow_redisplay": "always"}
    changed = bench.call("payment_methods.update", "pm_new", changes)
    assert (changed.card.exp_month, changed.card.exp_year, changed.says("allow_redisplay")) == (1, 2040, "always")
    told = bench.event("payment_method.updated").data.previous_attributes
    assert told == {"card": {"exp_month": 12, "exp_year": 2034}, "billing_details": None, "allow_redisplay": None}
    assert refused(bench, "payment_methods.update", "pm_new", {"card": {"exp_month": 0}}).code == "invalid_expiry_month"


def test_what_is_detached_is_never_used_again() -> None:
    bench = whole()
    bench.call("payment_methods.detach", "pm_ada")
    for method, id, params in (
        ("payment_methods.attach", "pm_ada", {"customer": "cus_ada"}),
        ("payment_intents.create", "", {"amount": 500, "currency": "usd", "customer": "cus_ada", "payment_method": "pm_ada"}),
    ):
        told = refused(bench, method, id, params)
        assert (told.status, told.code) == (400, "") and "may not be used again" in told.message
    assert "detachment is impossible" in refused(bench, "payment_methods.detach", "pm_ada").message


def test_payment_methods_are_listed_by_kind() -> None:
    bench = whole()
    made = bench.call("payment_methods.attach", "pm_sepaDebit_success_de", {"customer": "cus_ada"}, task="e/a")
    listed = bench.call("payment_methods.list", "", {"customer": "cus_ada"})
    assert [each.id for each in listed.data] == [made.id, "pm_ada"]
    assert [each.id for each in bench.call("payment_methods.list", "", {"customer": "cus_ada", "type": "card"}).data] == ["pm_ada"]
    assert bench.call("payment_methods.list", "", {"type": "card"}).data == ()
    told = refused(bench, "payment_methods.list", "", {"customer": "cus_none"})
    assert (told.status, told.code, told.param) == (400, "resource_missing", "customer")
    assert bench.call("customers.payment_methods.retrieve", "pm_ada", {"customer": "cus_ada"}).id == "pm_ada"
    bench.call("customers.create", "cus_bob")
    assert refused(bench, "customers.payment_methods.retrieve", "pm_ada", {"customer": "cus_bob"}).status == 404


# -- before payment methods


def test_a_customer_with_a_card_of_the_older_kind() -> None:
    bench = whole()
    customer = bench.call("customers.create", "cus_bob", {"source": "tok_mastercard"})
    card = bench.call("customers.payment_sources.retrieve", customer.default_source, {"customer": "cus_bob"})
    assert isinstance(card, LegacyCard) and (card.card.brand, card.card.last4, card.customer) == ("mastercard", "4444", "cus_bob")
    assert bench.types() == ["customer.created", "customer.source.created", "customer.updated"]
    # It pays as a payment method of its id.
    as_method = bench.call("payment_methods.retrieve", card.id)
    assert (as_method.object, as_method.card.last4, as_method.customer) == ("payment_method", "4444", "cus_bob")
    paid = bench.call("payment_intents.create", "", {
        "amount": 700, "currency": "usd", "customer": "cus_bob", "payment_method": card.id, "payment_method_types": ["card"], "confirm": True,
    })  # fmt: skip
    assert paid.status == "succeeded" and paid.payment_method == card.id


def test_one_more_card_becomes_the_default_only_where_there_is_none() -> None:
    bench = whole()
    first = bench.call("customers.payment_sources.create", "", {"customer": "cus_ada", "source": "tok_visa"}, task="e/1")
    second = bench.call("customers.payment_sources.create", "", {"customer": "cus_ada", "source": "tok_amex"}, task="e/2")
    assert bench.book.customer is not None and bench.book.customer.default_source == first.id
    assert [each.id for each in bench.call("customers.payment_sources.list", "", {"customer": "cus_ada"}).data] == [second.id, first.id]
    changed = bench.call("customers.payment_sources.update", second.id, {"customer": "cus_ada", "exp_year": "2041", "name": "Ada"})
    assert changed.card.exp_year == 2041 and changed.says("name") == "Ada"
    bench.types()
    gone = bench.call("customers.payment_sources.delete", first.id, {"customer": "cus_ada"})
    assert gone == Deleted(first.id, "card") and bench.types() == ["customer.source.deleted", "customer.updated"]
    assert bench.book.customer.default_source == second.id
    assert refused(bench, "customers.payment_sources.retrieve", first.id, {"customer": "cus_ada"}).status == 404


def test_a_new_source_takes_the_place_of_the_default() -> None:
    bench = whole()
    old = bench.call("customers.update", "cus_ada", {"source": "tok_visa"}, task="e/1").default_source
    new = bench.call("customers.update", "cus_ada", {"source": "tok_amex"}, task="e/2").default_source
    assert list(bench.book.sources) == [new] and new != old
    told = refused(bench, "customers.update", "cus_ada", {"default_source": old})
    assert (told.status, told.code, told.param) == (400, "resource_missing", "default_source")


def test_a_source_is_attached_and_detached() -> None:
    bench = whole()
    source = bench.call("sources.create", "", {"type": "card", "token": "tok_visa", "owner": {"email": "ada@example.com"}})
    assert isinstance(source, Source) and (source.status, source.customer, source.says("owner")) == ("chargeable", None, {"email": "ada@example.com"})
    bench.call("customers.payment_sources.create", "", {"customer": "cus_ada", "source": source.id})
    assert bench.call("sources.retrieve", source.id).customer == "cus_ada"
    assert bench.call("sources.update", source.id, {"metadata": {"a": "b"}}).metadata == {"a": "b"}
    gone = bench.call("sources.detach", source.id, {"customer": "cus_ada"})
    assert (gone.status, gone.customer) == ("consumed", None)


def test_an_invoice_is_collected_by_a_card_of_the_older_kind() -> None:
    bench = whole()
    bench.call("customers.update", "cus_ada", {"source": "tok_visa", "invoice_settings": {"default_payment_method": ""}})
    assert bench.book.customer is not None
    card = bench.book.customer.default_source
    bench.stripe.resume()
    bench.at(2 * DAY_S)
    charge = next(iter(bench.book.charges.values()))
    assert (bench.invoice().status, charge.payment_method) == ("paid", card)
