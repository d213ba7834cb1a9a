"""Disputes (https://docs.stripe.com/disputes/how-disputes-work): a customer's bank takes a charge back, and decides later whose the money is.

The bank opens and decides them; a platform may answer with evidence, or give in. The charge stays a success, and its invoice paid.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_S
from billsim.stripe.backend import Act, Backend
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import stem
from billsim.stripe.objects import BalanceTransaction, Charge, Dispute, DisputeStatus, EvidenceDetails
from billsim.stripe.params import Types, merged_metadata, refusal

# A platform has 7 to 21 days to answer, by card network; the fee is of a US account (https://docs.stripe.com/disputes/how-disputes-work).
ANSWER_WITHIN_S = 21 * DAY_S
FEE = 1500
UPDATE: Types = {"evidence": dict, "submit": bool, "metadata": dict}
LIST: Types = {"charge": str, "payment_intent": str}


def open_dispute(act: Act, charge: Charge, amount: int | None, reason: str) -> Dispute:
    """The bank takes `amount`, or all that was not refunded, of a charge back. Raises StripeError where that cannot be."""
    left = charge.amount - charge.amount_refunded
    if charge.status != "succeeded" or charge.disputed:
        raise refusal("charge_disputed", f"Charge {charge.id} is {'disputed already' if charge.disputed else charge.status}.")
    taken = left if amount is None else amount
    if not 1 <= taken <= left:
        raise refusal("amount_too_large", f"{taken} of {charge.id} cannot be disputed: {left} of it was not given back.")
    id = f"dp_{stem(charge.id)}"
    dispute = Dispute(
        id=id,
        created=act.now_s,
        livemode=charge.livemode,
        amount=taken,
        charge=charge.id,
        currency=charge.currency,
        payment_intent=charge.payment_intent,
        reason=reason,
        balance_transactions=(_moved(act, f"txn_{stem(id)}.withdrawn", -taken, FEE, charge.currency),),
        evidence_details=EvidenceDetails(act.now_s + ANSWER_WITHIN_S),
    )
    act.put(dispute)
    act.put(replace(charge, disputed=True))
    act.emit("charge.dispute.created", dispute)
    act.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _moved(act: Act, id: str, amount: int, fee: int, currency: str) -> BalanceTransaction:
    return BalanceTransaction(id=id, amount=amount, fee=fee, net=amount - fee, created=act.now_s, currency=currency)


def decide(act: Act, dispute: Dispute, *, won: bool) -> Dispute:
    """The bank has decided. Won: the money comes back, the fee does not. Raises StripeError where it is decided already."""
    if dispute.status in ("won", "lost"):
        raise refusal("parameter_invalid", f"Dispute {dispute.id} is {dispute.status} already.")
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


# -- by request


def update(act: Act, id: str, params: dict[str, Any]) -> Dispute:
    """Answer a dispute with evidence, which goes to the bank unless `submit` is False. Raises StripeError."""
    old: Dispute = act.backend.found("dispute", id)
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "evidence" in params:
        if old.status != "needs_response":
            raise refusal("parameter_invalid", f"Dispute {id} is {old.status}: it takes no evidence any more.")
        fields["evidence"] = {**old.evidence, **params["evidence"]}
        submits, details = params.get("submit", True), old.evidence_details
        fields["evidence_details"] = replace(details, has_evidence=True, submission_count=details.submission_count + submits)
        if submits:
            fields["status"] = "under_review"
    updated: Dispute = act.update("charge.dispute.updated", old, **fields)
    return updated


def close(act: Act, id: str, params: dict[str, Any]) -> Dispute:
    """Give in: it is lost. Raises StripeError."""
    return decide(act, act.backend.found("dispute", id), won=False)


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("dispute", id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Disputes of a charge or a payment intent, newest first."""
    return page(act.backend, "dispute", params, tuple(LIST), "/v1/disputes")
