"""What test numbers do after a payment: refunds that take their time or fail, disputes and inquiries (https://docs.stripe.com/testing)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Dispute, Refund, StripeError
from tests.stripe.bench import DAY_S, Bench, whole

CARD = {"amount": 1000, "currency": "usd", "payment_method_types": ["card"], "confirm": True}


def paid(token: str, **params: Any) -> Bench:
    bench = whole()
    assert bench.call("payment_intents.create", "pi_1", {**CARD, "payment_method": token, **params}).status in ("succeeded", "processing")
    return bench


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


# -- refunds


def test_a_refund_that_is_pending_succeeds_later() -> None:
    bench = paid("pm_card_pendingRefund")
    bench.types()
    refund = bench.call("refunds.create", "re_1", {"payment_intent": "pi_1", "amount": 300})
    assert refund.status == "pending" and bench.call("charges.retrieve", "ch_1.1").amount_refunded == 0
    assert bench.types() == ["refund.created"]
    bench.at(60)
    assert bench.call("refunds.retrieve", "re_1").status == "succeeded"
    assert bench.call("charges.retrieve", "ch_1.1").amount_refunded == 300
    assert bench.types() == ["refund.updated", "charge.refund.updated", "charge.refunded"]
    assert len({each.event.id for each in bench.outbox.events}) == len(bench.outbox.events)


def test_a_refund_that_seemed_to_succeed_fails_later() -> None:
    bench = paid("pm_card_refundFail")
    bench.types()
    assert bench.call("refunds.create", "re_1", {"charge": "ch_1.1"}).status == "succeeded"
    assert bench.call("charges.retrieve", "ch_1.1").refunded
    bench.types()
    bench.at(60)
    failed: Refund = bench.call("refunds.retrieve", "re_1")
    assert (failed.status, failed.says("failure_reason")) == ("failed", "unknown")
    assert sorted({each.event.id for each in bench.outbox.events}) == sorted([each.event.id for each in bench.outbox.events])
    assert bench.types() == ["refund.updated", "charge.refund.updated", "refund.failed"]
    charge = bench.call("charges.retrieve", "ch_1.1")
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert bench.call("refunds.create", "re_2", {"charge": "ch_1.1"}, task="e/again").amount == 1000


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"charge": "ch_1.1", "amount": 0}, "parameter_invalid_integer", "amount"),
        ({"charge": "ch_1.1", "amount": 1001}, "amount_too_large", "amount"),
        ({"payment_intent": "pi_none"}, "resource_missing", "payment_intent"),
        ({}, "", ""),
        ({"charge": "ch_1.1", "reason": "regret"}, "parameter_invalid", "reason"),
    ],
)
def test_a_refund_that_cannot_be(params: dict[str, Any], code: str, param: str) -> None:
    told = refused(paid("pm_card_visa"), "refunds.create", "", params)
    assert (told.status, told.code, told.param) == (400, code, param)


def test_a_charge_that_is_not_there_is_missed_as_in_a_path() -> None:
    told = refused(whole(), "refunds.create", "", {"charge": "ch_none"})
    assert (told.status, told.code, told.param, told.message) == (404, "resource_missing", "id", "No such charge: 'ch_none'")


def test_more_than_was_taken_is_told_as_people_write_it() -> None:
    told = refused(paid("pm_card_visa"), "refunds.create", "", {"charge": "ch_1.1", "amount": 1001})
    assert told.message == "Refund amount ($10.01) is greater than charge amount ($10.00)"
    bench = paid("pm_card_visa", currency="jpy")
    bench.call("refunds.create", "re_1", {"charge": "ch_1.1", "amount": 400})
    told = refused(bench, "refunds.create", "", {"charge": "ch_1.1", "amount": 700})
    assert told.message == "Refund amount (¥700) is greater than unrefunded amount on charge (¥600)"


def test_a_refund_that_waits_is_taken_back_and_leaves_the_charge_whole() -> None:
    bench = paid("pm_card_pendingRefund")
    bench.call("refunds.create", "re_1", {"charge": "ch_1.1", "amount": 600})
    told = refused(bench, "refunds.create", "", {"charge": "ch_1.1", "amount": 401})
    assert told.message == "Refund amount ($4.01) is greater than unrefunded amount on charge ($4.00)"
    bench.call("refunds.create", "re_2", {"charge": "ch_1.1"})
    assert bench.call("refunds.retrieve", "re_2").amount == 400
    assert refused(bench, "refunds.create", "", {"charge": "ch_1.1"}).code == "charge_already_refunded"
    bench.types()
    gone: Refund = bench.call("refunds.cancel", "re_1")
    assert (gone.status, gone.says("failure_reason")) == ("canceled", "merchant_request")
    assert bench.types() == ["refund.updated", "charge.refund.updated"]
    assert bench.call("charges.retrieve", "ch_1.1").amount_refunded == 0
    bench.at(60)
    assert [bench.call("refunds.retrieve", each).status for each in ("re_1", "re_2")] == ["canceled", "succeeded"]
    assert bench.call("charges.retrieve", "ch_1.1").amount_refunded == 400
    assert refused(bench, "refunds.cancel", "re_1").message == refused(bench, "refunds.cancel", "re_2").message
    assert bench.call("refunds.create", "re_3", {"charge": "ch_1.1"}).amount == 600


def test_a_refund_of_a_card_cannot_be_canceled() -> None:
    bench = paid("pm_card_visa")
    refund = bench.call("refunds.create", "re_1", {"charge": "ch_1.1"})
    assert refused(bench, "refunds.cancel", refund.id).message == "Canceling this refund is unsupported."
    assert refused(bench, "refunds.create", "", {"charge": "ch_1.1"}).code == "charge_already_refunded"
    bench = whole()
    bench.call("payment_intents.create", "pi_1", {**CARD, "payment_method": "pm_card_visa"})
    charge = bench.call("charges.retrieve", "ch_1.1")
    bench.stripe.seed(Refund(id="re_w", created=1, amount=10, charge=charge.id, status="requires_action"))
    assert bench.call("refunds.cancel", "re_w").status == "canceled"


def test_a_debit_is_given_back_in_the_banks_time() -> None:
    leave = {"mandate_data": {"customer_acceptance": {"type": "offline"}}}
    sepa = {"currency": "eur", "payment_method_types": ["sepa_debit"], "customer": "cus_ada", **leave}
    bench = paid("pm_sepaDebit_success_de", **sepa)
    bench.at(15)
    assert bench.call("refunds.create", "re_1", {"charge": "ch_1.1"}).status == "pending"
    bench.at(75)
    assert bench.call("refunds.retrieve", "re_1").status == "succeeded"


# -- disputes


def disputed(token: str = "pm_card_createDispute") -> Bench:
    bench = paid(token)
    bench.types()
    bench.at(0)
    return bench


@pytest.mark.parametrize(
    ("token", "reason"), [("pm_card_createDispute", "fraudulent"), ("pm_card_createDisputeProductNotReceived", "product_not_received")]
)
def test_a_payment_is_disputed_at_once(token: str, reason: str) -> None:
    bench = disputed(token)
    assert bench.types() == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    dispute: Dispute = bench.call("disputes.list", "", {"charge": "ch_1.1"}).data[0]
    assert (dispute.id, dispute.status, dispute.reason, dispute.amount) == ("dp_1.1", "needs_response", reason, 1000)
    assert [(each.amount, each.fee, each.net) for each in dispute.balance_transactions] == [(-1000, 1500, -2500)]
    assert bench.call("charges.retrieve", "ch_1.1").disputed
    assert refused(bench, "refunds.create", "", {"charge": "ch_1.1"}).code == "charge_disputed"


@pytest.mark.parametrize(
    ("evidence", "status", "events"),
    [
        ("winning_evidence", "won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
        ("losing_evidence", "lost", ["charge.dispute.closed"]),
    ],
)
def test_evidence_decides(evidence: str, status: str, events: list[str]) -> None:
    bench = disputed()
    bench.types()
    staged = bench.call("disputes.update", "dp_1.1", {"evidence": {"uncategorized_text": evidence}, "submit": False})
    assert (staged.status, staged.evidence_details.has_evidence, staged.evidence_details.submission_count) == ("needs_response", True, 0)
    bench.at(1)
    assert bench.types() == ["charge.dispute.updated"]
    sent = bench.call("disputes.update", "dp_1.1", {"evidence": {"customer_name": "Ada"}, "submit": True}, task="e/send")
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    bench.at(2)
    assert bench.call("disputes.retrieve", "dp_1.1").status == status
    assert bench.types() == ["charge.dispute.updated", *events]
    assert refused(bench, "disputes.update", "dp_1.1", {"evidence": {"customer_name": "Ada"}}).param == "evidence"
    assert "already closed" in refused(bench, "disputes.close", "dp_1.1").message


def test_an_inquiry_takes_no_money_until_it_is_escalated() -> None:
    bench = disputed("pm_card_createDisputeInquiry")
    assert bench.types() == ["charge.dispute.created"]
    inquiry = bench.call("disputes.retrieve", "dp_1.1")
    assert (inquiry.status, inquiry.balance_transactions, inquiry.is_charge_refundable) == ("warning_needs_response", (), True)
    bench.call("disputes.update", "dp_1.1", {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    assert bench.call("disputes.retrieve", "dp_1.1").status == "warning_under_review"
    bench.at(1)
    escalated = bench.call("disputes.retrieve", "dp_1.1")
    assert (escalated.status, len(escalated.balance_transactions), escalated.is_charge_refundable) == ("needs_response", 1, False)
    assert bench.types() == ["charge.dispute.updated", "charge.dispute.updated", "charge.dispute.funds_withdrawn"]
    bench.days(22)
    assert bench.call("disputes.retrieve", "dp_1.1").status == "lost"


def test_an_inquiry_that_nobody_answers_is_closed() -> None:
    bench = disputed("pm_card_createDisputeInquiry")
    bench.types()
    bench.at(21 * DAY_S)
    assert bench.call("disputes.retrieve", "dp_1.1").status == "warning_closed" and "charge.dispute.closed" in bench.types()


def test_an_inquiry_ends_with_a_refund_or_by_giving_in() -> None:
    bench = disputed("pm_card_createDisputeInquiry")
    assert bench.call("refunds.create", "re_1", {"charge": "ch_1.1"}).status == "succeeded"
    assert bench.call("disputes.close", "dp_1.1").status == "warning_closed"


def test_charges_are_annotated() -> None:
    bench = paid("pm_card_visa")
    bench.types()
    changed = bench.call("charges.update", "ch_1.1", {"description": "tea", "metadata": {"a": "b"}, "fraud_details": {"user_report": "safe"}})
    assert changed.says("description") == "tea" and changed.metadata == {"a": "b"}
    assert bench.event("charge.updated").data.previous_attributes == {"description": None, "fraud_details": None, "metadata": {"a": None}}
    elevated = paid("pm_card_riskLevelElevated").call("charges.retrieve", "ch_1.1")
    assert elevated.says("outcome")["risk_level"] == "elevated"
