"""Refunds, credit notes and disputes: what goes back, what becomes of charge, invoice and balance, and that it is never more than was taken."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.ids import short
from billsim.stripe.objects import StripeError
from tests.stripe.bench import DAY_S, START_S, Bench, owing

TAG = short("e/test/call")
CHARGE = "ch_ada_1.1"


def paid() -> Bench:
    """Ada has paid `in_ada_1`, 20.00 USD, with `ch_ada_1.1`; the events are cleared."""
    bench = Bench()
    bench.stripe.resume()
    bench.days(2)
    bench.types()
    return bench


def balance(bench: Bench) -> int:
    assert bench.book.customer is not None
    return bench.book.customer.balance


# -- refunds: https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/refunds


def test_a_full_refund() -> None:
    bench = paid()
    refund = bench.call("refunds.create", params={"charge": CHARGE, "reason": "duplicate"})
    assert (refund.id, refund.amount, refund.status, refund.payment_intent) == (f"re_ada_1.1.{TAG}", 2000, "succeeded", "pi_ada_1")
    assert bench.types() == ["refund.created", "charge.refunded"]
    charge = bench.book.charges[CHARGE]
    assert (charge.amount_refunded, charge.refunded, charge.status) == (2000, True, "succeeded")
    assert (bench.invoice().status, bench.invoice().amount_paid, bench.subscription.status) == ("paid", 2000, "active")
    with pytest.raises(StripeError, match="400 .* charge_already_refunded"):
        bench.call("refunds.create", params={"charge": CHARGE})


def test_partial_refunds_up_to_what_was_taken() -> None:
    bench = paid()
    bench.call("refunds.create", params={"payment_intent": "pi_ada_1", "amount": 500})
    assert (bench.book.charges[CHARGE].amount_refunded, bench.book.charges[CHARGE].refunded) == (500, False)
    with pytest.raises(StripeError, match=r"amount_too_large: Refund amount \(\$15.01\) is greater than unrefunded amount on charge \(\$15.00\)"):
        bench.call("refunds.create", params={"charge": CHARGE, "amount": 1501})
    bench.call("refunds.create", params={"charge": CHARGE})
    assert bench.book.charges[CHARGE].refunded
    assert [refund.amount for refund in bench.call("refunds.list", params={"charge": CHARGE}).data] == [500, 1500]


def test_a_refund_that_is_asked_for_twice_is_given_once() -> None:
    bench = paid()
    for _ in range(2):
        bench.call("refunds.create", params={"charge": CHARGE, "amount": 700}, key="k")
    assert bench.book.charges[CHARGE].amount_refunded == 700 and len(bench.book.refunds) == 1


def test_what_was_not_taken_is_not_refunded() -> None:
    bench = owing()
    with pytest.raises(StripeError, match="charge_not_refundable"):
        bench.call("refunds.create", params={"charge": CHARGE})
    with pytest.raises(StripeError, match="payment_intent or charge"):
        bench.call("refunds.create")


def test_only_metadata_of_a_refund_changes() -> None:
    bench = paid()
    refund = bench.call("refunds.create", params={"charge": CHARGE})
    bench.types()
    bench.call("refunds.update", refund.id, {"metadata": {"ticket": "BILL-1"}})
    assert bench.types() == ["refund.updated"] and bench.call("refunds.retrieve", refund.id).metadata == {"ticket": "BILL-1"}


# -- credit notes: https://docs.stripe.com/api/credit_notes/create


def test_a_credit_note_takes_off_what_remains() -> None:
    bench = owing()
    note = bench.call("credit_notes.create", params={"invoice": "in_ada_1", "amount": 800})
    assert (note.type, note.pre_payment_amount, note.post_payment_amount, note.number) == ("pre_payment", 800, 0, "ADA_1-CN-01")
    assert bench.types() == ["credit_note.created", "invoice.updated"]
    invoice = bench.invoice()
    assert (invoice.status, invoice.amount_due, invoice.amount_remaining, invoice.total) == ("open", 1200, 1200, 2000)
    assert bench.book.payment_intents["pi_ada_1"].amount == 1200
    bench.stripe.attempt_now("in_ada_1", "paid", "w/told")
    assert bench.invoice().amount_paid == 1200 and bench.book.charges["ch_ada_1.2"].amount == 1200


def test_a_credit_note_to_zero_makes_it_paid_without_a_charge() -> None:
    bench = owing()
    charges = list(bench.book.charges)
    bench.call("credit_notes.create", params={"invoice": "in_ada_1", "amount": 2000})
    invoice = bench.invoice()
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining, invoice.next_payment_attempt) == ("paid", 0, 0, None)
    assert list(bench.book.charges) == charges and bench.book.payment_intents["pi_ada_1"].status == "canceled"
    assert bench.types() == [
        "credit_note.created",
        "invoice.updated",
        "payment_intent.canceled",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "customer.updated",
    ]
    assert (bench.subscription.status, invoice.payments[-1].status) == ("active", "canceled")
    bench.days(20)
    assert list(bench.book.charges) == charges


def test_a_void_credit_note_is_owed_again() -> None:
    bench = owing()
    note = bench.call("credit_notes.create", params={"invoice": "in_ada_1", "amount": 800})
    bench.types()
    bench.call("credit_notes.void_credit_note", note.id)
    assert bench.types() == ["credit_note.voided", "invoice.updated"]
    assert (bench.invoice().amount_remaining, bench.book.payment_intents["pi_ada_1"].amount) == (2000, 2000)
    with pytest.raises(StripeError, match="already void"):
        bench.call("credit_notes.void_credit_note", note.id)


def test_beyond_what_remained_it_is_refunded_or_credited() -> None:
    bench = paid()
    params = {"invoice": "in_ada_1", "amount": 1000, "refund_amount": 600, "credit_amount": 300, "out_of_band_amount": 100}
    note = bench.call("credit_notes.create", params=params)
    assert (note.type, note.post_payment_amount, note.refunds[0].amount_refunded) == ("post_payment", 1000, 600)
    assert bench.types() == ["refund.created", "charge.refunded", "credit_note.created", "customer.updated"]
    assert (bench.book.charges[CHARGE].amount_refunded, balance(bench), bench.invoice().status) == (600, -300, "paid")
    with pytest.raises(StripeError, match="must not exceed"):
        bench.call("credit_notes.create", params={"invoice": "in_ada_1", "credit_amount": 1001})
    bench.call("credit_notes.create", params={"invoice": "in_ada_1", "credit_amount": 1000}, task="e/again")
    bench.days(33)
    assert bench.invoice("in_ada_2").starting_balance == -1300 and bench.book.charges["ch_ada_2.1"].amount == 700


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"amount": 1000}, "must add up to that, not to 0"),
        ({"amount": 1000, "credit_amount": 999}, "must add up to that, not to 999"),
        ({"amount": 0}, "over 1 or more"),
        ({"credit_amount": 100, "refund_amount": -100, "amount": 1}, "no part of it below 0"),
        ({"refund_amount": 2001}, "must not exceed"),
    ],
)
def test_a_credit_note_that_does_not_add_up_is_refused(params: dict[str, Any], refusal: str) -> None:
    bench = paid()
    bench.outbox.changes.clear()
    with pytest.raises(StripeError, match=refusal):
        bench.call("credit_notes.create", params={"invoice": "in_ada_1", **params})
    assert not bench.outbox.changes


def test_only_open_and_paid_invoices_are_credited() -> None:
    bench = owing()
    bench.call("invoices.void_invoice", "in_ada_1")
    with pytest.raises(StripeError, match="invoice_not_open"):
        bench.call("credit_notes.create", params={"invoice": "in_ada_1", "amount": 1})


# -- disputes: https://docs.stripe.com/disputes/how-disputes-work


def disputed() -> Bench:
    bench = paid()
    bench.stripe.dispute(CHARGE, "w/bank/1", reason="fraudulent")
    return bench


def test_a_dispute_takes_the_money_back_and_leaves_the_invoice_paid() -> None:
    bench = disputed()
    dispute = bench.book.disputes["dp_ada_1.1"]
    assert bench.types() == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert (dispute.amount, dispute.status, dispute.reason, dispute.balance_transactions[0].net) == (2000, "needs_response", "fraudulent", -3500)
    charge = bench.book.charges[CHARGE]
    assert (charge.disputed, charge.status, charge.amount_refunded, bench.invoice().status) == (True, "succeeded", 0, "paid")
    created = bench.outbox.changes[-2]
    assert created[:3] == ("cus_ada", "dispute", "dp_ada_1.1")
    for refused in (lambda: bench.call("refunds.create", params={"charge": CHARGE}), lambda: bench.stripe.dispute(CHARGE, "w/bank/2")):
        with pytest.raises(StripeError, match="charge_disputed"):
            refused()


def test_a_dispute_that_is_won_brings_the_money_back() -> None:
    bench = disputed()
    bench.call("disputes.update", "dp_ada_1.1", {"evidence": {"receipt": "file_1"}})
    assert bench.book.disputes["dp_ada_1.1"].status == "under_review"
    bench.types()
    bench.stripe.decide_dispute("dp_ada_1.1", "w/bank/2", won=True)
    assert bench.types() == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    dispute = bench.book.disputes["dp_ada_1.1"]
    assert (dispute.status, sum(moved.net for moved in dispute.balance_transactions)) == ("won", -1500)
    bench.call("refunds.create", params={"charge": CHARGE})


def test_a_dispute_that_is_lost_stays_lost() -> None:
    bench = disputed()
    bench.types()
    bench.call("disputes.close", "dp_ada_1.1")
    assert bench.types() == ["charge.dispute.closed"] and bench.book.disputes["dp_ada_1.1"].status == "lost"
    with pytest.raises(StripeError, match="lost already"):
        bench.stripe.decide_dispute("dp_ada_1.1", "w/bank/2", won=True)
    with pytest.raises(StripeError, match="charge_disputed"):
        bench.call("refunds.create", params={"charge": CHARGE})


def test_a_dispute_that_nobody_answers_is_lost() -> None:
    bench = disputed()
    due = bench.book.disputes["dp_ada_1.1"].evidence_details.due_by
    assert due == START_S + 23 * DAY_S
    bench.days(22.9)
    assert bench.book.disputes["dp_ada_1.1"].status == "needs_response"
    bench.days(23)
    dispute = bench.book.disputes["dp_ada_1.1"]
    assert (dispute.status, dispute.evidence_details.past_due) == ("lost", True)
    assert bench.outbox.changes[-1][5] == "w/stripe/dp_ada_1.1/lose"


def test_an_answered_dispute_waits_for_the_bank() -> None:
    bench = disputed()
    bench.call("disputes.update", "dp_ada_1.1", {"evidence": {"receipt": "file_1"}})
    bench.days(60)
    assert bench.book.disputes["dp_ada_1.1"].status == "under_review"


def test_what_was_refunded_is_not_disputed_as_well() -> None:
    bench = paid()
    bench.call("refunds.create", params={"charge": CHARGE, "amount": 1500})
    with pytest.raises(StripeError, match="500 of it was not given back"):
        bench.stripe.dispute(CHARGE, "w/bank/1", amount=501)
    assert bench.stripe.dispute(CHARGE, "w/bank/1").amount == 500
