"""Payments of their own that count for an invoice (https://docs.stripe.com/invoicing/partial-payments)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Invoice, StripeError
from tests.stripe.bench import Bench, whole

PARTS = {"currency": "usd", "customer": "cus_ada", "payment_method_types": ["card"]}


def owing() -> Bench:
    """Ada owes 10.00 by `in_1`, which is sent to her."""
    bench = whole()
    due = {"customer": "cus_ada", "collection_method": "send_invoice", "days_until_due": 30}
    bench.call("invoices.create", "in_1", {**due, "pending_invoice_items_behavior": "exclude"}, task="e/1")
    bench.call("invoice_items.create", "ii_1", {"customer": "cus_ada", "invoice": "in_1", "amount": 1000, "currency": "usd"}, task="e/2")
    bench.call("invoices.finalize_invoice", "in_1", {}, task="e/3")
    bench.types()
    return bench


def pays(bench: Bench, amount: int, id: str, **params: Any) -> None:
    given = {**PARTS, "amount": amount, "payment_method": "pm_ada", "confirm": True, **params}
    bench.call("payment_intents.create", id, given, task=f"e/make/{id}")


def attach(bench: Bench, id: str) -> Invoice:
    found: Invoice = bench.call("invoices.attach_payment", "in_1", {"payment_intent": id}, task=f"e/attach/{id}")
    return found


def payments(bench: Bench) -> list[tuple[str, bool, str, int, int | None]]:
    found = bench.call("invoice_payments.list", "", {"invoice": "in_1"}).data
    return sorted((each.payment_intent, each.is_default, each.status, each.amount_requested, each.amount_paid) for each in found)


def refused(bench: Bench, id: str, **params: Any) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call("invoices.attach_payment", "in_1", {"payment_intent": id, **params})
    return told.value


def test_what_has_succeeded_counts_at_once_and_the_rest_remains() -> None:
    bench = owing()
    pays(bench, 400, "pi_a")
    bench.types()
    partly = attach(bench, "pi_a")
    assert (partly.status, partly.amount_due, partly.amount_paid, partly.amount_remaining) == ("open", 1000, 400, 600)
    assert bench.types() == ["invoice.updated", "invoice_payment.paid"]
    assert payments(bench) == [("pi_1", True, "open", 600, None), ("pi_a", False, "paid", 400, 400)]


def test_the_last_part_pays_the_invoice_and_its_own_intent_ends() -> None:
    bench = owing()
    for amount, id in ((400, "pi_a"), (600, "pi_b")):
        pays(bench, amount, id)
        bench.types()
        invoice = attach(bench, id)
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 1000, 0)
    told = ["invoice.updated", "invoice_payment.paid", "payment_intent.canceled", "invoice.updated", "invoice.paid", "invoice.payment_succeeded"]
    assert bench.types() == told
    assert [status for _, _, status, _, _ in payments(bench)] == ["canceled", "paid", "paid"]


def test_what_is_attached_first_counts_once_it_succeeds() -> None:
    bench = owing()
    bench.call("payment_intents.create", "pi_a", {**PARTS, "amount": 400}, task="e/make")
    assert attach(bench, "pi_a").amount_paid == 0
    assert payments(bench)[1] == ("pi_a", False, "open", 400, None)
    bench.types()
    bench.call("payment_intents.confirm", "pi_a", {"payment_method": "pm_ada"}, task="e/confirm")
    assert (bench.invoice("in_1").amount_paid, bench.invoice("in_1").amount_remaining) == (400, 600)
    assert bench.types() == ["charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice_payment.paid"]


def test_the_rest_is_paid_as_always() -> None:
    bench = owing()
    pays(bench, 400, "pi_a")
    attach(bench, "pi_a")
    paid = bench.call("invoices.pay", "in_1", {}, task="e/pay")
    assert (paid.status, paid.amount_paid) == ("paid", 1000)
    assert sorted(charge.amount for charge in bench.book.charges.values()) == [400, 600]


def test_of_a_captured_payment_what_was_captured_counts() -> None:
    bench = owing()
    pays(bench, 400, "pi_a", capture_method="manual")
    assert attach(bench, "pi_a").amount_paid == 0
    bench.call("payment_intents.capture", "pi_a", {"amount_to_capture": 300}, task="e/capture")
    assert bench.invoice("in_1").amount_remaining == 700


def test_a_debit_counts_once_the_bank_has_answered() -> None:
    bench = owing()
    leave = {"customer_acceptance": {"type": "offline"}}
    pays(bench, 1000, "pi_a", payment_method_types=["us_bank_account"], payment_method="pm_usBankAccount_success", mandate_data=leave)
    assert attach(bench, "pi_a").status == "open"
    bench.days(14)
    assert bench.invoice("in_1").status == "paid"
    assert len({each.event.id for each in bench.outbox.events}) == len(bench.outbox.events)


def test_once_the_invoice_is_paid_nothing_else_counts() -> None:
    bench = owing()
    bench.call("payment_intents.create", "pi_a", {**PARTS, "amount": 400}, task="e/make")
    attach(bench, "pi_a")
    bench.call("invoices.pay", "in_1", {}, task="e/pay")
    bench.call("payment_intents.confirm", "pi_a", {"payment_method": "pm_ada"}, task="e/confirm")
    assert (bench.invoice("in_1").amount_paid, payments(bench)[1][:3]) == (1000, ("pi_a", False, "canceled"))


def test_what_was_partly_paid_cannot_be_voided() -> None:
    bench = owing()
    pays(bench, 400, "pi_a")
    attach(bench, "pi_a")
    with pytest.raises(StripeError, match="cannot be voided"):
        bench.call("invoices.void_invoice", "in_1")


def test_what_cannot_be_attached() -> None:
    bench = owing()
    pays(bench, 1001, "pi_much")
    pays(bench, 500, "pi_euro", currency="eur")
    bench.call("payment_intents.create", "pi_nobodys", {"amount": 500, "currency": "usd"}, task="e/nobodys")
    bench.call("payment_intents.create", "pi_gone", {**PARTS, "amount": 500}, task="e/gone")
    bench.call("payment_intents.cancel", "pi_gone", {}, task="e/cancel")
    assert refused(bench, "pi_much").code == "not_simulated"
    for id, says in (("pi_euro", "currency"), ("pi_nobodys", "customer"), ("pi_gone", "canceled"), ("pi_1", "already"), ("pi_none", "No such")):
        told = refused(bench, id)
        assert (told.status, told.param) == (400, "payment_intent") and says in told.message
    assert refused(bench, "", payment_record="pr_1").code == "not_simulated"
    assert refused(bench, "").code == "parameter_missing"
    pays(bench, 600, "pi_a")
    attach(bench, "pi_a")
    assert "already" in refused(bench, "pi_a").message
    pays(bench, 600, "pi_b")
    assert refused(bench, "pi_b").code == "not_simulated"
    bench.call("invoices.pay", "in_1", {}, task="e/pay")
    assert refused(bench, "pi_b").code == "invoice_already_paid"


def test_a_credit_note_refunds_what_was_attached() -> None:
    bench = owing()
    pays(bench, 1000, "pi_a")
    assert attach(bench, "pi_a").status == "paid"
    note = bench.call("credit_notes.create", "", {"invoice": "in_1", "amount": 300, "refund_amount": 300}, task="e/note")
    assert [each.amount_refunded for each in note.refunds] == [300]
    assert bench.call("charges.list", "", {"payment_intent": "pi_a"}).data[0].amount_refunded == 300
