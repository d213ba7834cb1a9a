"""Charges: one each time a payment method is debited (https://docs.stripe.com/api/charges)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from billsim.stripe.backend import Act, Backend
from billsim.stripe.card_numbers import Behaviour
from billsim.stripe.cards import Decline
from billsim.stripe.lists import PAGE_PARAMS, Page, page
from billsim.stripe.objects import Charge, ChargeStatus, Invoice, PaymentIntent
from billsim.stripe.params import Types, kept_of, merged_metadata

_NEVER_S = 1 << 52
# Refunds of which their charge does not tell yet.
_WAITING = ("pending", "requires_action")
UPDATE: Types = {
    "metadata": dict, "description": str, "receipt_email": str, "shipping": dict, "fraud_details": dict, "customer": str, "transfer_group": str,
}  # fmt: skip
LIST: Types = {**PAGE_PARAMS, "payment_intent": str, "transfer_group": str}
_KEPT = ("description", "receipt_email", "shipping", "fraud_details", "transfer_group")
# What a charge has of the payment intent that it was made for.
_OF_INTENT = ("description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")


def record(act: Act, id: str, invoice: Invoice, intent: str, method: str | None, status: ChargeStatus, decline: Decline | None = None) -> Charge:
    """A charge for what remains of an invoice, or the end of the one of this id that the bank has been processing."""
    fields = _outcome(status, invoice.amount_remaining, decline)
    pending = act.backend.books[invoice.customer].charges.get(id)
    if pending is not None:
        return _told(act, replace(pending, **fields))
    if status == "pending" and (settles_s := act.backend.cards.number(method).settles_s) != 0:
        act.backend.settles[intent] = act.now_s + settles_s if settles_s is not None else _NEVER_S
    charge = Charge(
        id=id,
        created=act.now_s,
        livemode=invoice.livemode,
        amount=invoice.amount_remaining,
        currency=invoice.currency,
        customer=invoice.customer,
        payment_intent=intent,
        payment_method=method,
        kept=_tells(act, method, decline, UNSET),
    )
    # In two steps: beyond 15 named arguments Python gathers them anew, which takes longer than all the rest.
    return _told(act, replace(charge, **fields))


def record_for(act: Act, id: str, intent: PaymentIntent, method: str, status: ChargeStatus, decline: Decline | None = None) -> Charge:
    """A charge for a payment intent of no invoice, not yet captured where that is done by hand; or the end of the one of this id."""
    fields = _outcome(status, intent.amount, decline)
    if status == "succeeded" and intent.says("capture_method") == "manual":
        fields |= {"captured": False, "amount_captured": 0}
    if act.backend.home(id) is not None:
        return _told(act, replace(act.backend.charge(id), **fields))
    told = {} if intent.kept is UNSET else intent.kept
    charge = Charge(
        id=id,
        created=act.now_s,
        livemode=intent.livemode,
        amount=intent.amount,
        currency=intent.currency,
        customer=intent.customer,
        payment_intent=intent.id,
        payment_method=method,
        metadata=intent.metadata,
        kept=_tells(act, method, decline, kept_of({name: told[name] for name in _OF_INTENT if name in told}, _OF_INTENT)),
        **fields,
    )
    return _told(act, charge)


def record_alone(act: Act, charge: Charge, status: ChargeStatus, decline: Decline | None = None) -> Charge:
    """A charge of no payment intent as it is made, or as the bank has answered for it. One that is to be captured later is told to be uncaptured."""
    fields = _outcome(status, charge.amount, decline)
    if status != "failed" and not charge.captured:
        fields |= {"captured": False, "amount_captured": 0}
    return _told(act, replace(charge, kept=_tells(act, charge.payment_method, decline, charge.kept), **fields))


def _outcome(status: ChargeStatus, amount: int, decline: Decline | None) -> dict[str, Any]:
    succeeded = status == "succeeded"
    return {
        "amount_captured": amount if succeeded else 0,
        "status": status,
        "paid": succeeded,
        "captured": status != "failed",
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
    }


def _told(act: Act, charge: Charge) -> Charge:
    act.put(charge)
    act.emit(f"charge.{charge.status}", charge)
    if charge.status == "succeeded" and act.backend.cards.number(charge.payment_method).disputed:
        act.backend.later(charge.id, act.at_ms, "disputed")
    return charge


def _tells(act: Act, method: str | None, decline: Decline | None, kept: dict[str, Any] | UnsetType) -> dict[str, Any] | UnsetType:
    """What is kept of a charge, with its outcome where that is not the usual one and anybody reads it."""
    if not act.backend.is_whole:
        return kept
    behaviour = act.backend.cards.number(method)
    if decline is None and behaviour.risk == "normal":
        return kept
    return kept_of({"outcome": outcome(decline, behaviour)}, ("outcome",), kept)


def outcome(decline: Decline | None, behaviour: Behaviour) -> dict[str, Any]:
    """How a charge went, and how risky it looked: https://docs.stripe.com/api/charges/object#charge_object-outcome"""
    told = {"advice_code": None, "network_advice_code": None, "network_decline_code": None}
    risk = {"risk_level": behaviour.risk, "risk_score": {"normal": 20, "elevated": 70, "highest": 90}[behaviour.risk]}
    if decline is None:
        done = {"network_status": "approved_by_network", "reason": None, "seller_message": "Payment complete.", "type": "authorized"}
        if behaviour.risk == "elevated":
            done |= {"reason": "elevated_risk_level", "type": "manual_review"}
        return {**told, **risk, **done}
    if behaviour.risk == "highest":
        message = "Stripe blocked this payment as too risky."
        return {**told, **risk, "network_status": "not_sent_to_network", "reason": "highest_risk_level", "seller_message": message, "type": "blocked"}
    reason = decline.decline_code or decline.code
    message = f"The bank returned the decline code `{reason}`."
    return {**told, **risk, "network_status": "declined_by_network", "reason": reason, "seller_message": message, "type": "issuer_declined"}


def left_of(backend: Backend, charge: Charge) -> int:
    """How much of a charge can still be given back: what was not, and is not about to be."""
    waiting: list[int] = [each.amount for each in backend.every("refund", charge.customer) if each.charge == charge.id and each.status in _WAITING]
    return charge.amount - charge.amount_refunded - sum(waiting)


def refund(act: Act, charge: Charge, amount: int) -> Charge:
    """So much more of a charge is given back (below zero: a refund came to nothing)."""
    refunded = charge.amount_refunded + amount
    given: Charge = act.put(replace(charge, amount_refunded=refunded, refunded=refunded >= charge.amount))
    return given


def capture(act: Act, charge: Charge, amount: int, **kept: Any) -> Charge:
    """Take `amount` of an authorized charge; the rest is let go."""
    left = charge.amount - amount
    told = kept_of(kept, kept, charge.kept)
    captured: Charge = act.put(replace(charge, captured=True, amount_captured=amount, amount_refunded=charge.amount_refunded + left, kept=told))
    act.emit("charge.captured", captured)
    return captured


def release(act: Act, charge: Charge, event: str) -> Charge:
    """An authorized charge is let go whole; `event` tells of it."""
    released: Charge = act.put(replace(charge, amount_refunded=charge.amount, refunded=True))
    act.emit(event, released)
    return released


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """Raises StripeError (404)."""
    return act.backend.charge(id)


def update(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """Set what is given. Raises StripeError (404)."""
    old = act.backend.charge(id)
    fields: dict[str, Any] = {"kept": kept_of(params, _KEPT, old.kept), "metadata": merged_metadata(old.metadata, params.get("metadata"))}
    updated: Charge = act.update("charge.updated", old, **fields)
    return updated


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Charges of a customer or a payment intent, newest first."""
    return page(act.backend, "charge", params, ("payment_intent",), "/v1/charges")
