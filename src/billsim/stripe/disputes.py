"""Disputes (https://docs.stripe.com/disputes/how-disputes-work): a customer's bank takes a charge back, and decides later whose the money is.

The bank opens and decides them; a platform may answer with evidence, or give in. The charge stays a success, and its invoice paid.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_S
from billsim.stripe import charges
from billsim.stripe.backend import Act, Backend
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import stem
from billsim.stripe.objects import BalanceTransaction, Charge, Dispute, DisputeStatus, EvidenceDetails
from billsim.stripe.params import Types, merged_metadata, refusal
from billsim.stripe.timers import TELLING

# A platform has 7 to 21 days to answer, by card network; the fee is of a US account (https://docs.stripe.com/disputes/how-disputes-work).
ANSWER_WITHIN_S = 21 * DAY_S
FEE = 1500
_OPEN: dict[str, DisputeStatus] = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
_INQUIRY = ("warning_needs_response", "warning_under_review")
_DECIDED = ("won", "lost", "warning_closed", "prevented")
UPDATE: Types = {"evidence": dict, "submit": bool, "metadata": dict}
LIST: Types = {"charge": str, "payment_intent": str}


def open_dispute(act: Act, charge: Charge, amount: int | None, reason: str, *, is_inquiry: bool = False) -> Dispute:
    """The bank takes `amount`, or all that was not refunded, of a charge back; of an inquiry, it only asks. Raises StripeError where it cannot be."""
    left = charges.left_of(act.backend, charge)
    if charge.status != "succeeded" or charge.disputed:
        raise refusal("charge_disputed", f"Charge {charge.id} is {'disputed already' if charge.disputed else charge.status}.")
    taken = left if amount is None else amount
    if not 1 <= taken <= left:
        raise refusal("amount_too_large", f"{taken} of {charge.id} cannot be disputed: {left} of it was not given back.")
    dispute = Dispute(
        id=f"dp_{stem(charge.id)}",
        created=act.now_s,
        livemode=charge.livemode,
        amount=taken,
        charge=charge.id,
        currency=charge.currency,
        payment_intent=charge.payment_intent,
        reason=reason,
        status="warning_needs_response" if is_inquiry else "needs_response",
        is_charge_refundable=is_inquiry,
        evidence_details=EvidenceDetails(act.now_s + ANSWER_WITHIN_S),
    )
    if not is_inquiry:
        dispute = _withdrawn(act, dispute)
    act.put(dispute)
    act.put(replace(charge, disputed=True))
    act.emit("charge.dispute.created", dispute)
    if not is_inquiry:
        act.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _withdrawn(act: Act, dispute: Dispute) -> Dispute:
    moved = _moved(act, f"txn_{stem(dispute.id)}.withdrawn", -dispute.amount, FEE, dispute.currency)
    return replace(dispute, balance_transactions=(*dispute.balance_transactions, moved))


def arise(backend: Backend, id: str) -> None:
    """A charge of a test number that its customer disputes."""
    charge = backend.charge(id)
    behaviour = backend.cards.number(charge.payment_method)
    if charge.disputed or charge.refunded:
        return
    with Act(backend, backend.own_task(id, "disputed"), "bank", "disputed", "disputed") as act:
        open_dispute(act, charge, None, behaviour.disputed, is_inquiry=behaviour.is_inquiry)


def _moved(act: Act, id: str, amount: int, fee: int, currency: str) -> BalanceTransaction:
    return BalanceTransaction(id=id, amount=amount, fee=fee, net=amount - fee, created=act.now_s, currency=currency)


def decide(act: Act, dispute: Dispute, *, won: bool) -> Dispute:
    """The bank has decided. Won: the money comes back, the fee does not; an inquiry is closed. Raises StripeError where it is decided already."""
    if dispute.status in _DECIDED:
        raise refusal("parameter_invalid", f"Dispute {dispute.id} is {dispute.status} already.")
    if dispute.status in _INQUIRY:
        quiet: Dispute = act.put(replace(dispute, status="warning_closed"))
        act.emit("charge.dispute.closed", quiet)
        return quiet
    status: DisputeStatus = "won" if won else "lost"
    back = (_moved(act, f"txn_{stem(dispute.id)}.reinstated", dispute.amount, 0, dispute.currency),) if won else ()
    closed: Dispute = act.put(
        replace(dispute, status=status, balance_transactions=(*dispute.balance_transactions, *back), is_charge_refundable=won)
    )
    act.emit("charge.dispute.closed", closed)
    if won:
        act.emit("charge.dispute.funds_reinstated", closed)
    return closed


def lose(backend: Backend, id: str) -> None:
    """Nobody answered in time."""
    with Act(backend, backend.own_task(id, "lose"), "bank", "unanswered", "unanswered") as act:
        dispute: Dispute = backend.found("dispute", id)
        overdue = replace(dispute, evidence_details=replace(dispute.evidence_details, past_due=True))
        decide(act, overdue, won=False)


def judge(backend: Backend, id: str) -> None:
    """The bank decides as the evidence asks it to (https://docs.stripe.com/testing#evidence)."""
    dispute: Dispute = backend.found("dispute", id)
    asked = dispute.evidence.get(TELLING)
    with Act(backend, backend.own_task(id, "judge"), "bank", "judged", "judged") as act:
        if asked == "escalate_inquiry_evidence":
            # The customer's bank goes on with it: a dispute like any other from now on.
            details = EvidenceDetails(act.now_s + ANSWER_WITHIN_S)
            changes = {"status": "needs_response", "is_charge_refundable": False, "evidence": {}, "evidence_details": details}
            escalated = _withdrawn(act, replace(dispute, **changes))
            act.put(escalated)
            act.emit("charge.dispute.updated", escalated, {"status": dispute.status})
            act.emit("charge.dispute.funds_withdrawn", escalated)
        else:
            decide(act, dispute, won=asked == "winning_evidence")


# -- by request


def update(act: Act, id: str, params: dict[str, Any]) -> Dispute:
    """Answer a dispute with evidence, which goes to the bank unless `submit` is False. Raises StripeError."""
    old: Dispute = act.backend.found("dispute", id)
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "evidence" in params:
        if old.status not in _OPEN:
            raise refusal("parameter_invalid", f"Dispute {id} is {old.status}: it takes no evidence any more.", param="evidence")
        fields["evidence"] = {**old.evidence, **params["evidence"]}
        submits, details = params.get("submit", True), old.evidence_details
        fields["evidence_details"] = replace(details, has_evidence=True, submission_count=details.submission_count + submits)
        if submits:
            fields["status"] = _OPEN[old.status]
    updated: Dispute = act.update("charge.dispute.updated", old, **fields)
    return updated


def close(act: Act, id: str, params: dict[str, Any]) -> Dispute:
    """Give in: it is lost. Raises StripeError."""
    dispute: Dispute = act.backend.found("dispute", id)
    if act.backend.is_whole and dispute.status in (*_DECIDED, "under_review", "warning_under_review"):
        raise refusal("parameter_invalid", "This dispute is already closed.")
    return decide(act, dispute, won=False)


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("dispute", id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Disputes of a charge or a payment intent, newest first."""
    return page(act.backend, "dispute", params, tuple(LIST), "/v1/disputes")
