"""Refunds (https://docs.stripe.com/api/refunds): a charge given back, whole or in part, never more than was taken."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.money import symbolic
from billsim.stripe import charges
from billsim.stripe.backend import Act, Backend
from billsim.stripe.card_numbers import REFUND_S
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import Charge, Refund, StripeError, with_kept
from billsim.stripe.params import Types, found_as_in_path, merged_metadata, refusal

CREATE: Types = {
    "charge": str, "payment_intent": str, "amount": int, "reason": ("", "duplicate", "fraudulent", "requested_by_customer"), "metadata": dict,
    "instructions_email": str,
}  # fmt: skip
UPDATE: Types = {"metadata": dict}
LIST: Types = {"charge": str, "payment_intent": str}


def create(act: Act, id: str, params: dict[str, Any]) -> Refund:
    """Give back `amount`, or all that is left, of a charge or of a payment intent's. The invoice stays paid. Raises StripeError."""
    charge = _charge_of(act, params)
    amount = charges.left_of(act.backend, charge) if params.get("amount") in (None, "") else params["amount"]
    refund = give_back(act, charge, amount, id, params.get("reason") or None, merged_metadata({}, params.get("metadata")))
    if not params.get("instructions_email"):
        return refund
    told: Refund = act.put(replace(refund, kept=with_kept(refund.kept, {"instructions_email": params["instructions_email"]})))
    return told


def give_back(act: Act, charge: Charge, amount: int, id: str, reason: str | None, metadata: dict[str, str]) -> Refund:
    """Refund so much of a charge, of which the charge tells once the refund has succeeded. Raises StripeError."""
    _require_refundable(act, charge, amount)
    behaviour = act.backend.cards.number(charge.payment_method)
    # What a bank was debited of it is sent back in its own time.
    waits = charge.captured and (behaviour.refunds == "pending" or behaviour.settles_s != 0)
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
        status="pending" if waits else "succeeded",
        metadata=metadata,
        kept=UNSET if charge.captured else {"balance_transaction": None},
    )
    act.put(refund)
    if not charge.captured:
        # No money has moved: the bank lets go of it.
        act.emit("refund.created", refund)
        charges.release(act, charge, "charge.refunded")
        return refund
    given = None if waits else charges.refund(act, charge, amount)
    if waits or behaviour.refunds:
        act.backend.later(refund.id, (act.now_s + REFUND_S) * 1000, "refund")
    act.emit("refund.created", refund)
    if given is not None:
        act.emit("charge.refunded", given)
    return refund


def settle(backend: Backend, id: str) -> None:
    """The bank has taken back what was sent to it, or sends it on."""
    refund: Refund = backend.found("refund", id)
    if refund.status not in ("pending", "succeeded"):
        return
    with Act(backend, backend.own_task(id, "settle"), "bank", "settled", "settled") as act:
        if refund.status == "pending":
            given = charges.refund(act, backend.charge(refund.charge), refund.amount)
            _becomes(act, refund, status="succeeded")
            act.emit("charge.refunded", given)
        else:
            came_to_nothing(act, refund, "unknown")


def came_to_nothing(act: Act, refund: Refund, why: str) -> Refund:
    """The bank could not give the money back: it is the platform's again (https://docs.stripe.com/refunds#failed-refunds)."""
    failed = _becomes(act, refund, status="failed", kept=with_kept(refund.kept, {"failure_reason": why}))
    act.emit("refund.failed", failed)
    if refund.status == "succeeded":
        charges.refund(act, act.backend.charge(refund.charge), -refund.amount)
    return failed


def _becomes(act: Act, refund: Refund, **fields: Any) -> Refund:
    changed: Refund = act.update("refund.updated", refund, **fields)
    act.emit("charge.refund.updated", changed, tag=f"{act.far}.charge")
    return changed


def cancel(act: Act, id: str, params: dict[str, Any]) -> Refund:
    """A refund can be canceled that waits for the customer, and one of a card for a while
    (https://support.stripe.com/questions/canceling-a-refund): as long as it is pending. Raises StripeError.
    """
    refund: Refund = act.backend.found("refund", id)
    behaviour = act.backend.cards.number(act.backend.charge(refund.charge).payment_method)
    if refund.status != "requires_action" and not (refund.status == "pending" and behaviour.refunds == "pending"):
        raise refusal("", "Canceling this refund is unsupported.")
    return _becomes(act, refund, status="canceled", kept=with_kept(refund.kept, {"failure_reason": "merchant_request"}))


def _charge_of(act: Act, params: dict[str, Any]) -> Charge:
    if params.get("charge"):
        return found_as_in_path(act.backend.charge, params["charge"], "id")
    if not params.get("payment_intent"):
        raise refusal("", "One of the following params should be provided for this request: payment_intent or charge.")
    intent = act.backend.payment_intent(params["payment_intent"])
    if intent.latest_charge is None:
        raise _nothing_to_refund(intent.id)
    return act.backend.charge(intent.latest_charge)


def _nothing_to_refund(intent: str) -> StripeError:
    return refusal("charge_not_refundable", f"This PaymentIntent ({intent}) does not have a successful charge to refund.")


def _require_refundable(act: Act, charge: Charge, amount: int) -> None:
    if charge.status != "succeeded":
        raise _nothing_to_refund(charge.payment_intent or charge.id)
    if not charge.captured and not charge.refunded and charge.payment_intent is None:
        if amount != charge.amount:
            raise refusal("charge_not_refundable", f"Charge {charge.id} is uncaptured: it can only be refunded whole.", param="amount")
    elif not charge.captured and not charge.refunded:
        message = (
            f"This uncaptured Charge was created by a PaymentIntent ({charge.payment_intent}). You must cancel the PaymentIntent to reverse the "
            "authorization instead of refunding the Charge directly. For more information, see "
            "https://stripe.com/docs/payments/place-a-hold-on-a-payment-method"
        )
        raise refusal("charge_not_refundable", message)
    left = charges.left_of(act.backend, charge)
    if left < 1:
        raise refusal("charge_already_refunded", f"Charge {charge.id} has already been refunded.")
    if any([dispute.charge == charge.id and not dispute.is_charge_refundable for dispute in act.backend.every("dispute", charge.customer)]):
        raise refusal("charge_disputed", f"Charge {charge.id} has been charged back; cannot issue a refund.", param="charge")
    if amount < 1:
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 1.", param="amount")
    if amount > left:
        of = "charge amount" if left == charge.amount else "unrefunded amount on charge"
        too_much = f"Refund amount ({symbolic(amount, charge.currency)}) is greater than {of} ({symbolic(left, charge.currency)})"
        raise refusal("amount_too_large", too_much, param="amount")


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
