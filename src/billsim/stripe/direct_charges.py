"""Charges by request, of no payment intent (https://docs.stripe.com/api/charges/create): of a token, or of a customer's card or source of the older
kind. Nobody can be asked for a confirmation: a bank that wants one declines.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import charges, paying, payment_methods
from billsim.stripe.backend import Act, Backend
from billsim.stripe.cards import AUTHENTICATION_REQUIRED, Outcome
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Charge, LegacyCard, Source, StripeError
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

CREATE: Types = {
    "amount": int, "currency": str, "customer": str, "source": str, "capture": bool, "description": str, "metadata": dict, "receipt_email": str,
    "shipping": dict, "statement_descriptor": str, "statement_descriptor_suffix": str, "transfer_group": str,
}  # fmt: skip
_KEPT = ("description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")


def create(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """Charge a source, a customer's default one where none is named. Raises StripeError: 402 where it is declined, with the failed charge kept."""
    currency = paying.currency_of(params["currency"])
    paying.check_amount(params["amount"], currency)
    source = _source(act, params)
    if isinstance(source, Source) and source.type == "sepa_debit" and currency != "eur":
        raise refusal("", f"The currency provided ({currency}) is invalid for a source of type `{source.type}`.", param="currency")
    charge = Charge(
        id=new_id(act.backend, "ch", id, act.task),
        created=act.now_s,
        amount=params["amount"],
        currency=currency,
        customer=source.customer,
        payment_method=source.id,
        captured=params.get("capture") is not False,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=kept_of(params, _KEPT),
    )
    return _tried(act, charge, source)


def _source(act: Act, params: dict[str, Any]) -> LegacyCard | Source:
    given: str = params.get("source") or ""
    if params.get("customer"):
        return _customers_own(act, params["customer"], given)
    if not given:
        raise refusal("parameter_missing", "Must provide source or customer.")
    if given.startswith("src_"):
        return _unattached(act.backend.found("source", given))
    card, behaviour = payment_methods.card_by_token(act, given, "source")
    made: LegacyCard = act.put(LegacyCard(id=new_id(act.backend, "card", "", f"{act.task}/source"), created=act.now_s, card=card))
    act.backend.cards.made_with(made.id, behaviour)
    return made


def _customers_own(act: Act, customer: str, given: str) -> LegacyCard | Source:
    owner = act.backend.customer(customer)
    if not given and owner.default_source is None:
        raise StripeError(402, "card_error", "missing", "Cannot charge a customer that has no active card", param="card")
    source = act.backend.source(given or owner.default_source or "")
    if source is None or source.customer != customer:
        raise refusal("missing", f"Customer {customer} does not have a linked source with ID {given}.", 404, param="source")
    return source


def _unattached(source: Source) -> Source:
    if source.customer is not None:
        message = f"The source {source.id} belongs to the Customer {source.customer}. Please include the Customer in the `customer` parameter."
        raise refusal("", message, param="source")
    if source.status != "chargeable":
        raise refusal("", "The source you provided is not in a chargeable state.", param="source")
    return source


def _tried(act: Act, charge: Charge, source: LegacyCard | Source) -> Charge:
    backend = act.backend
    outcome = backend.cards.pay(source.id, act.at_ms)
    if outcome.status == "requires_action":
        outcome = Outcome("failed", AUTHENTICATION_REQUIRED)
    if outcome.decline is not None:
        failed, decline = charges.record_alone(act, charge, "failed", outcome.decline), outcome.decline
        raise StripeError(402, "card_error", decline.code, decline.message, decline_code=decline.decline_code, charge=failed.id)
    if source.customer is None:
        # What is nobody's is charged once (https://docs.stripe.com/sources#single-use-or-reusable).
        backend.cards.spend(source.id)
        if isinstance(source, Source):
            act.put(replace(source, status="consumed"))
    if outcome.status == "processing":
        settles_s = backend.cards.number(source.id).settles_s
        if settles_s is not None:
            backend.later(charge.id, (act.now_s + settles_s) * 1000, "answer_charge")
        return charges.record_alone(act, charge, "pending")
    if not charge.captured:
        backend.later(charge.id, (act.now_s + paying.AUTHORIZED_FOR_S) * 1000, "expire_charge")
    return charges.record_alone(act, charge, "succeeded")


def capture(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """Take an authorized charge, whole or in part, by its payment intent where it has one. Raises StripeError."""
    charge = act.backend.charge(id)
    if charge.payment_intent is not None:
        return paying.capture_charge(act, id, params)
    paying.require_capturable(charge)
    amount = charge.amount if params.get("amount") in (None, "") else params["amount"]
    paying.check_capture(amount, charge.amount, "amount")
    return charges.capture(act, charge, amount, **{name: params[name] for name in _KEPT if name in params})


# -- what the bank does


def answer(backend: Backend, id: str) -> None:
    """The bank answers for a debit that it has been processing."""
    charge = backend.charge(id)
    if charge.status != "pending":
        return
    decline = backend.cards.answer(charge.payment_method, backend.kernel.now).decline
    with Act(backend, backend.own_task(id, "answer"), "bank", f"{id}.answer", f"{id}.answer") as act:
        charges.record_alone(act, charge, "succeeded" if decline is None else "failed", decline)


def expire(backend: Backend, id: str) -> None:
    """Nobody captured an authorized charge in time."""
    charge = backend.charge(id)
    if charge.captured or charge.refunded:
        return
    with Act(backend, backend.own_task(id, "expire"), "authorization expired", f"{id}.expired", f"{id}.expired") as act:
        charges.release(act, charge, "charge.expired")
