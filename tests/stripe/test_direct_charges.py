"""Charges that are asked for by themselves, of no payment intent (https://docs.stripe.com/api/charges/create)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Charge, StripeError
from tests.stripe.bench import DAY_S, Bench, whole

TEN = {"amount": 1000, "currency": "usd"}


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


def with_card(token: str = "tok_visa") -> tuple[Bench, str]:
    """Ada has a card of the older kind, her default source."""
    bench = whole()
    card = bench.call("customers.payment_sources.create", "", {"customer": "cus_ada", "source": token})
    bench.types()
    return bench, card.id


def test_a_token_is_charged_once() -> None:
    bench = whole()
    told = {"description": "one book", "statement_descriptor_suffix": "BOOK", "metadata": {"order": "1"}}
    charge: Charge = bench.call("charges.create", "ch_1", {**TEN, "source": "tok_visa", **told})
    assert (charge.status, charge.paid, charge.captured, charge.amount_captured) == ("succeeded", True, True, 1000)
    assert (charge.customer, charge.payment_intent, charge.metadata, charge.says("description")) == (None, None, {"order": "1"}, "one book")
    assert charge.payment_method is not None and charge.payment_method.startswith("card_")
    assert bench.types() == ["charge.succeeded"]
    assert bench.call("refunds.create", "re_1", {"charge": "ch_1"}).status == "succeeded"
    assert bench.call("charges.retrieve", "ch_1").refunded


def test_a_customer_is_charged_with_its_default_source_or_another_of_its_own() -> None:
    bench, card = with_card()
    other = bench.call("customers.payment_sources.create", "", {"customer": "cus_ada", "source": "tok_amex"}, task="e/other").id
    assert bench.call("charges.create", "ch_1", {**TEN, "customer": "cus_ada"}).payment_method == card
    charge = bench.call("charges.create", "ch_2", {**TEN, "customer": "cus_ada", "source": other})
    assert (charge.payment_method, charge.customer) == (other, "cus_ada")
    assert {"ch_1", "ch_2"} <= set(bench.book.charges)


def test_a_declined_charge_is_kept() -> None:
    bench, _ = with_card("tok_chargeCustomerFail")
    told = refused(bench, "charges.create", "ch_1", {**TEN, "customer": "cus_ada"})
    assert (told.status, told.type, told.code, told.decline_code, told.charge) == (402, "card_error", "card_declined", "generic_decline", "ch_1")
    charge = bench.call("charges.retrieve", "ch_1")
    assert (charge.status, charge.paid, charge.failure_code, charge.amount_captured) == ("failed", False, "card_declined", 0)
    assert bench.types() == ["charge.failed"]


def test_a_bank_that_wants_a_confirmation_declines() -> None:
    told = refused(whole(), "charges.create", "ch_1", {**TEN, "source": "tok_threeDSecure2Required"})
    assert (told.status, told.decline_code, told.charge) == (402, "authentication_required", "ch_1")


@pytest.mark.parametrize(
    ("params", "status", "code", "param"),
    [
        ({}, 400, "parameter_missing", ""),
        ({"customer": "cus_ada"}, 402, "missing", "card"),
        ({"customer": "cus_ada", "source": "tok_visa"}, 404, "missing", "source"),
        ({"customer": "cus_none"}, 400, "resource_missing", "customer"),
        ({"source": "tok_none"}, 400, "resource_missing", "source"),
        ({"source": "src_none"}, 400, "resource_missing", "source"),
        ({"source": "tok_visa", "amount": 49}, 400, "amount_too_small", "amount"),
        ({"source": "tok_visa", "currency": "dollars"}, 400, "", "currency"),
    ],
)
def test_a_charge_that_cannot_be(params: dict[str, Any], status: int, code: str, param: str) -> None:
    bench = whole()
    told = refused(bench, "charges.create", "", {**TEN, **params})
    assert (told.status, told.code, told.param) == (status, code, param)
    assert bench.types() == []


def test_a_source_of_nobodys_is_used_up_by_a_charge() -> None:
    bench = whole()
    source = bench.call("sources.create", "src_1", {"type": "card", "token": "tok_visa"}).id
    assert bench.call("charges.create", "ch_1", {**TEN, "source": source}).status == "succeeded"
    assert bench.call("sources.retrieve", source).status == "consumed"
    assert refused(bench, "charges.create", "ch_2", {**TEN, "source": source}).param == "source"


def test_an_authorized_charge_is_captured_in_part() -> None:
    bench, _ = with_card()
    held = bench.call("charges.create", "ch_1", {**TEN, "customer": "cus_ada", "capture": False})
    assert (held.status, held.captured, held.amount_captured) == ("succeeded", False, 0)
    assert refused(bench, "charges.capture", "ch_1", {"amount": 1001}).code == "amount_too_large"
    taken = bench.call("charges.capture", "ch_1", {"amount": 400})
    assert (taken.captured, taken.amount_captured, taken.amount_refunded) == (True, 400, 600)
    assert bench.types() == ["charge.succeeded", "charge.captured"]
    assert refused(bench, "charges.capture", "ch_1").code == "charge_already_captured"
    bench.days(8)
    assert bench.call("charges.retrieve", "ch_1") == taken


def test_what_nobody_captures_is_let_go_after_seven_days() -> None:
    bench, _ = with_card()
    bench.call("charges.create", "ch_1", {**TEN, "customer": "cus_ada", "capture": False})
    bench.types()
    bench.at(7 * DAY_S - 1)
    assert not bench.call("charges.retrieve", "ch_1").refunded
    bench.at(7 * DAY_S)
    assert bench.call("charges.retrieve", "ch_1").refunded
    assert bench.types() == ["charge.expired"]


def test_an_authorized_charge_is_released_by_a_refund_of_all_of_it() -> None:
    bench, _ = with_card()
    bench.call("charges.create", "ch_1", {**TEN, "customer": "cus_ada", "capture": False})
    bench.types()
    assert refused(bench, "refunds.create", "re_1", {"charge": "ch_1", "amount": 400}).code == "charge_not_refundable"
    refund = bench.call("refunds.create", "re_2", {"charge": "ch_1"})
    assert (refund.status, refund.amount, bench.types()) == ("succeeded", 1000, ["refund.created", "charge.refunded"])
    charge = bench.call("charges.retrieve", "ch_1")
    assert (charge.refunded, charge.captured, charge.amount_refunded) == (True, False, 1000)


@pytest.mark.parametrize(
    ("iban", "status", "event"), [("AT611904300234573201", "succeeded", "charge.succeeded"), ("AT861904300235473202", "failed", "charge.failed")]
)
def test_a_debit_takes_its_time(iban: str, status: str, event: str) -> None:
    bench = whole()
    source = bench.call("sources.create", "src_1", {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "owner": {"name": "Ada"}}).id
    assert refused(bench, "charges.create", "ch_1", {**TEN, "source": source}).param == "currency"
    assert bench.call("charges.create", "ch_1", {"amount": 1000, "currency": "eur", "source": source}).status == "pending"
    bench.types()
    bench.days(14)
    assert bench.call("charges.retrieve", "ch_1").status == status
    assert bench.types() == [event]


def test_a_customer_may_dispute_it() -> None:
    bench, _ = with_card("tok_createDispute")
    bench.call("charges.create", "ch_1", {**TEN, "customer": "cus_ada"})
    bench.at(60)
    assert bench.call("charges.retrieve", "ch_1").disputed
