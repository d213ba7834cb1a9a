"""Refunds (https://docs.stripe.com/api/refunds): a charge given back, whole or in part, never more than was taken."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import Charge, Refund, StripeError
from billsim.stripe.params import Types, merged_metadata, refusal

CREATE: Types = {
    "charge": str, "payment_intent": str, "amount": int, "reason": ("duplicate", "fraudulent", "requested_by_customer"), "metadata": dict,
}  # fmt: skip
UPDATE: Types = {"metadata": dict}
LIST: Types = {"charge": str, "payment_intent": str}


def create(act: Act, id: str, params: dict[str, Any]) -> Refund:
    """Give back `amount`, or all that is left, of a charge or of a payment intent's. The invoice stays paid. Raises StripeError."""
    charge = _charge_of(act, params)
    amount = params.get("amount") or charge.amount - charge.amount_refunded
    return give_back(act, charge, amount, id, params.get("reason") or None, merged_metadata({}, params.get("metadata")))


def give_back(act: Act, charge: Charge, amount: int, id: str, reason: str | None, metadata: dict[str, str]) -> Refund:
    """Refund so much of a charge. Raises StripeError."""
    _require_refundable(act, charge, amount)
    refund = Refund(
        id=new_id(act.backend, "re", id or act.backend.free(f"re_{stem(charge.id)}.{short(act.task)}"), act.task),
        created=act.now_s,
        livemode=charge.livemode,
        amount=amount,
        charge=charge.id,
        currency=charge.currency,
        customer=charge.customer,
        payment_intent=charge.payment_intent,
        reason=reason,
        metadata=metadata,
    )
    act.put(refund)
    refunded = charge.amount_refunded + amount
    given: Charge = act.put(replace(charge, amount_refunded=refunded, refunded=refunded >= charge.amount))
    act.emit("refund.created", refund)
    act.emit("charge.refunded", given)
    return refund


def _charge_of(act: Act, params: dict[str, Any]) -> Charge:
    if params.get("charge"):
        return act.backend.charge(params["charge"])
    if not params.get("payment_intent"):
        raise refusal("parameter_missing", "One of the following params should be provided for this request: payment_intent or charge.")
    intent = act.backend.payment_intent(params["payment_intent"])
    if intent.latest_charge is None:
        raise refusal("resource_missing", f"{intent.id} has no charge to refund.")
    return act.backend.charge(intent.latest_charge)


def _require_refundable(act: Act, charge: Charge, amount: int) -> None:
    if charge.status != "succeeded":
        raise refusal("charge_not_refundable", f"Charge {charge.id} is {charge.status}: there is nothing to give back.")
    if charge.refunded:
        raise refusal("charge_already_refunded", f"Charge {charge.id} has already been refunded.")
    if any([dispute.charge == charge.id and not dispute.is_charge_refundable for dispute in act.backend.every("dispute", charge.customer)]):
        raise refusal("charge_disputed", f"Charge {charge.id} has been charged back; cannot issue a refund.")
    if amount < 1:
        raise refusal("parameter_invalid_integer", "Invalid positive integer: amount.")
    if amount > charge.amount - charge.amount_refunded:
        left = charge.amount - charge.amount_refunded
        raise StripeError(400, "invalid_request_error", "amount_too_large", f"Refund amount ({amount}) is greater than unrefunded amount ({left}).")


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("refund", id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Refunds of a charge or a payment intent, newest first."""
    return page(act.backend, "refund", params, tuple(LIST), "/v1/refunds")


def update(act: Act, id: str, params: dict[str, Any]) -> Refund:
    """Only metadata can be set. Raises StripeError (404)."""
    old: Refund = act.backend.found("refund", id)
    updated: Refund = act.update("refund.updated", old, metadata=merged_metadata(old.metadata, params.get("metadata")))
    return updated
