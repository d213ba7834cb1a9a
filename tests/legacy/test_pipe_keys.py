"""Path 8: the pipe marks invoices as bad debt, as events show them."""

from __future__ import annotations

from msgspec.structs import replace

from billsim.engines import load_engine
from billsim.legacy.pipe_keys import NAME
from billsim.stores import stripe_metadata
from tests.legacy.ladder import Ladder
from tests.truth_table import millis, seconds

KEYS = {"bad_debt": "true", "bad_debt_amount": "2000"}


def _written_off(ada: Ladder) -> None:
    invoice = ada.book.invoices["in_ada_1"]
    at = replace(invoice.status_transitions, marked_uncollectible_at=seconds(14))
    ada.book.invoices["in_ada_1"] = replace(invoice, status="uncollectible", status_transitions=at)


def test_the_pipe_may_write_metadata_and_nothing_else() -> None:
    assert load_engine("legacy").components[NAME].writer == "pipe" and "pipe" in stripe_metadata.WRITERS


def test_a_written_off_invoice_is_marked() -> None:
    ada = Ladder()
    ada.exhaust()
    _written_off(ada)
    ada.tell("invoice.marked_uncollectible", ada.book.invoices["in_ada_1"])
    assert ada.book.invoices["in_ada_1"].metadata == KEYS


def test_also_once_it_has_been_paid() -> None:
    ada = Ladder()
    ada.exhaust()
    _written_off(ada)
    late = ada.book.invoices["in_ada_1"]
    ada.paid(15)
    ada.tell("invoice.marked_uncollectible", late)
    assert ada.book.invoices["in_ada_1"].metadata == KEYS and "invoice/in_ada_1" in ada.wrong()


def test_a_written_off_invoice_that_is_paid_is_not_marked_any_more() -> None:
    ada = Ladder()
    ada.exhaust()
    _written_off(ada)
    ada.tell("invoice.marked_uncollectible", ada.book.invoices["in_ada_1"])
    ada.paid(15)
    assert ada.book.invoices["in_ada_1"].metadata == {}


def test_a_failed_payment_of_bad_debt_brings_back_what_was_owed_when_it_failed() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.night(21.5)
    assert ada.book.invoices["in_ada_1"].metadata == KEYS and ada.wrong() == []
    failed = ada.book.invoices["in_ada_1"]
    ada.now_ms = millis(22)
    ada.book.invoices["in_ada_1"] = replace(failed, amount_remaining=500, metadata={**KEYS, "bad_debt_amount": "500"})
    ada.tell("invoice.payment_failed", failed, by_call=True)
    assert ada.book.invoices["in_ada_1"].metadata == KEYS


def test_an_invoice_that_is_retried_is_not_marked() -> None:
    ada = Ladder()
    ada.exhaust()
    assert ada.book.invoices["in_ada_1"].metadata == {}


def test_contract_accounts_are_left_alone() -> None:
    ada = Ladder(account_type="ibm")
    _written_off(ada)
    ada.tell("invoice.marked_uncollectible", ada.book.invoices["in_ada_1"])
    assert ada.book.invoices["in_ada_1"].metadata == {}
