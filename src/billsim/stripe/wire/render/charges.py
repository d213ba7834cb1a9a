"""Charges, what takes them back, and what they make of the account's balance."""

from __future__ import annotations

from typing import Any

from billsim.stripe.objects import BalanceTransaction, Card, Charge, Dispute, LegacyCard, PaymentMethod, Refund, Source
from billsim.stripe.wire.render import methods
from billsim.stripe.wire.render.balance import moved_by, mover
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import billing_details, book_of, letters, method_of, shipping, sublist

DESCRIPTOR = "BILLSIM"
_EVIDENCE: Rendered = dict.fromkeys(
    (
        "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure", "cancellation_rebuttal",
        "customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
        "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    )
)  # fmt: skip
_MORE_EVIDENCE: Rendered = dict.fromkeys(
    (
        "product_description", "receipt", "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date",
        "service_documentation", "shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
        "uncategorized_file", "uncategorized_text",
    )
)  # fmt: skip
# The code of the card network that stands for each of Stripe's reasons (https://docs.stripe.com/disputes/categories).
_NETWORK_REASONS = {
    "credit_not_processed": "13.6",
    "duplicate": "12.6.1",
    "fraudulent": "10.4",
    "product_not_received": "13.1",
    "product_unacceptable": "13.3",
    "subscription_canceled": "13.2",
    "unrecognized": "10.4",
}


def charge(thing: Charge, view: View) -> Rendered:
    """https://docs.stripe.com/api/charges/object"""
    says, method = thing.says, method_of(view, thing.customer, thing.payment_method)
    failed, moved = thing.status == "failed", moved_by(thing)
    return {
        "id": thing.id,
        "object": "charge",
        "amount": thing.amount,
        "amount_captured": thing.amount_captured,
        "amount_refunded": thing.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "authorization_code": None,
        "balance_transaction": moved.id if moved else None,
        "billing_details": billing_details(method.says("billing_details") if method else None),
        "calculated_statement_descriptor": None if failed else says("statement_descriptor") or DESCRIPTOR,
        "captured": thing.captured,
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "description": says("description"),
        "disputed": thing.disputed,
        "failure_balance_transaction": None,
        "failure_code": thing.failure_code,
        "failure_message": thing.failure_message,
        "fraud_details": says("fraud_details") or {},
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "on_behalf_of": None,
        "outcome": says("outcome") or outcome(thing, view),
        "paid": thing.paid,
        "payment_intent": thing.payment_intent,
        "payment_method": thing.payment_method,
        "payment_method_details": payment_method_details(thing, method),
        "radar_options": {},
        "receipt_email": says("receipt_email"),
        "receipt_number": None,
        "receipt_url": None if failed else f"https://pay.stripe.com/receipts/payment/{letters(thing.id, 60)}",
        "refunded": thing.refunded,
        "review": None,
        "shipping": shipping(says("shipping")),
        "source": _source(thing, view) if thing.payment_intent is None else None,
        "source_transfer": None,
        "statement_descriptor": says("statement_descriptor"),
        "statement_descriptor_suffix": says("statement_descriptor_suffix"),
        "status": thing.status,
        "transfer_data": None,
        "transfer_group": says("transfer_group"),
    }


def _source(thing: Charge, view: View) -> Rendered | None:
    """What was charged without a payment intent, as long as it is there."""
    found = view.find(thing.payment_method or "")
    if isinstance(found, LegacyCard):
        return methods.legacy_card(found, view)
    return methods.source(found, view) if isinstance(found, Source) else None


def outcome(thing: Charge, view: View) -> Rendered:
    """What bank and network made of a charge that keeps no such thing, from what it does keep."""
    rendered: Rendered = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if thing.status != "failed":
        return rendered
    reason = _decline_code(thing, view)
    message = f"The bank returned the decline code `{reason}`."
    return {**rendered, "network_status": "declined_by_network", "reason": reason, "seller_message": message, "type": "issuer_declined"}


def _decline_code(thing: Charge, view: View) -> str:
    """Why the bank declined; only the intent's latest charge is told with that."""
    intent = book_of(view, thing.customer).payment_intents.get(thing.payment_intent or "")
    error = intent.last_payment_error if intent is not None and intent.latest_charge == thing.id else None
    return (error.decline_code if error is not None else None) or "generic_decline"


def payment_method_details(thing: Charge, method: PaymentMethod | None) -> Rendered:
    """What was charged, as it stood then."""
    kind = method.type if method is not None else "card"
    if kind == "card":
        return {"card": _card(thing, method.card if method is not None and method.card is not None else Card()), "type": kind}
    details = {} if method is None else methods.type_details(method)
    for field in ("financial_connections_account", "generated_from", "networks", "status_details", "email", "persistent_token"):
        details.pop(field, None)
    if kind == "sepa_debit":
        details["mandate"] = None
    if kind == "paypal":
        details |= {"payer_name": None, "seller_protection": None, "transaction_id": letters(thing.id, 17).upper()}
    if kind == "us_bank_account":
        details["payment_reference"] = None
    return {kind: details, "type": kind}


def _card(thing: Charge, card: Card) -> Rendered:
    said = methods.card_details(card)
    authorized = thing.status != "failed"
    return {
        "amount_authorized": thing.amount if authorized else None,
        "authorization_code": letters(f"{thing.id}/auth", 6).upper() if authorized else None,
        "brand": card.brand,
        "checks": said["checks"],
        "country": said["country"],
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": said["fingerprint"],
        "funding": said["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card.last4,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": letters(f"{thing.id}/network", 15).upper(),
        "overcapture": {"maximum_amount_capturable": thing.amount, "status": "unavailable"},
        "regulated_status": said["regulated_status"],
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }


def refunds(thing: Charge, view: View) -> Any:
    """What was given back of a charge, newest first."""
    known = [each for each in book_of(view, thing.customer).refunds.values() if each.charge == thing.id]
    newest = sorted(known, key=lambda each: each.created, reverse=True)
    return sublist([refund(each, view) for each in newest[:10]], f"/v1/charges/{thing.id}/refunds", has_more=len(newest) > 10)


def refund(thing: Refund, view: View) -> Rendered:
    """https://docs.stripe.com/api/refunds/object. What does not apply to it is not there."""
    charged = book_of(view, thing.customer).charges.get(thing.charge)
    method = charged.payment_method if charged is not None else None
    moved = moved_by(thing)
    rendered: Rendered = {
        "id": thing.id,
        "object": "refund",
        "amount": thing.amount,
        "balance_transaction": moved.id if moved else None,
        "charge": thing.charge,
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "destination_details": _destination(thing, view, method),
        "metadata": thing.metadata,
        "payment_intent": thing.payment_intent,
        "payment_method": method,
        "pending_reason": "processing" if thing.status == "pending" else None,
        "reason": thing.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": thing.status,
        "transfer_reversal": None,
    }
    if rendered["pending_reason"] is None:
        del rendered["pending_reason"]
    for field in ("description", "failure_reason", "failure_balance_transaction", "instructions_email"):
        if thing.says(field):
            rendered[field] = thing.says(field)
    return rendered


def _destination(thing: Refund, view: View, method: str | None) -> Rendered:
    paid_with = method_of(view, thing.customer, method)
    if paid_with is not None and paid_with.type != "card":
        kind = {"sepa_debit": "eu_bank_transfer", "us_bank_account": "us_bank_transfer"}.get(paid_with.type, paid_with.type)
        return {kind: {"reference": None, "reference_status": "pending"} if kind.endswith("transfer") else {}, "type": kind}
    return {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"}


def dispute(thing: Dispute, view: View) -> Rendered:
    """https://docs.stripe.com/api/disputes/object"""
    code, details = _NETWORK_REASONS.get(thing.reason, "10.4"), thing.evidence_details
    charged = view.find(thing.charge)
    method = method_of(view, charged.customer, charged.payment_method) if isinstance(charged, Charge) else None
    brand = method.card.brand if method is not None and method.card is not None else "visa"
    case = "inquiry" if thing.status.startswith("warning_") else "chargeback"
    submitted = "manual" if details.submission_count else "not_submitted"
    return {
        "id": thing.id,
        "object": "dispute",
        "amount": thing.amount,
        "balance_transactions": [balance_transaction(each, view, source=thing.id) for each in thing.balance_transactions],
        "charge": thing.charge,
        "created": thing.created,
        "currency": thing.currency,
        "enhanced_eligibility_types": [],
        "evidence": {**_EVIDENCE, "enhanced_evidence": {}, **_MORE_EVIDENCE, **thing.evidence},
        "evidence_details": {
            "due_by": details.due_by,
            "enhanced_eligibility": {},
            "has_evidence": details.has_evidence,
            "past_due": details.past_due,
            "submission_count": details.submission_count,
            "submission_method": submitted,
        },
        "intended_submission_method": None,
        "is_charge_refundable": thing.is_charge_refundable,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "network_reason_code": code,
        "payment_intent": thing.payment_intent,
        "payment_method_details": {
            "card": {"brand": brand, "case_type": case, "network": brand, "network_reason_code": code},
            "type": "card",
        },
        "reason": thing.reason,
        "status": thing.status,
    }


def balance_transaction(thing: BalanceTransaction, view: View, source: str | None = None) -> Rendered:
    """https://docs.stripe.com/api/balance_transactions/object. `source` is what moved the money, looked for where it is not given."""
    if source is None and (moved := mover(thing.id, view)) is not None:
        source = moved.id
    fees = [{"amount": thing.fee, "application": None, "currency": thing.currency, "description": _fee_for(thing), "type": "stripe_fee"}]
    return {
        "id": thing.id,
        "object": "balance_transaction",
        "amount": thing.amount,
        "available_on": thing.created,
        "balance_type": "payments",
        "created": thing.created,
        "currency": thing.currency,
        "description": None,
        "exchange_rate": None,
        "fee": thing.fee,
        "fee_details": fees if thing.fee else [],
        "net": thing.net,
        "reporting_category": _CATEGORIES.get(thing.type, thing.type),
        "source": source,
        "status": "available",
        "type": thing.type,
    }


_CATEGORIES = {"adjustment": "dispute"}


def _fee_for(thing: BalanceTransaction) -> str:
    return "Dispute fee" if thing.type == "adjustment" else "Stripe processing fees"
