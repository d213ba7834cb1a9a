"""Which status may follow which, one table an object.

A change outside its table is a bug of the simulation and raises; a *request* for one is refused before it gets here.

Sources: https://docs.stripe.com/invoicing/integration/workflow-transitions, https://docs.stripe.com/billing/subscriptions/overview,
https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/payments/setupintents/lifecycle, https://docs.stripe.com/disputes
"""

from __future__ import annotations

from collections.abc import Mapping

INVOICE: Mapping[str, frozenset[str]] = {
    "draft": frozenset({"open"}),
    "open": frozenset({"paid", "void", "uncollectible"}),
    "uncollectible": frozenset({"paid", "void"}),
    "paid": frozenset(),
    "void": frozenset(),
}
SUBSCRIPTION: Mapping[str, frozenset[str]] = {
    "incomplete": frozenset({"active", "incomplete_expired", "canceled"}),
    "incomplete_expired": frozenset(),
    "trialing": frozenset({"active", "past_due", "canceled", "paused"}),
    "active": frozenset({"past_due", "unpaid", "canceled", "paused", "trialing"}),
    "past_due": frozenset({"active", "unpaid", "canceled", "trialing"}),
    "unpaid": frozenset({"active", "past_due", "canceled"}),
    "paused": frozenset({"active", "canceled"}),
    "canceled": frozenset(),
}
_UNPAID_INTENT = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "succeeded", "canceled"}
)
PAYMENT_INTENT: Mapping[str, frozenset[str]] = {
    "requires_payment_method": _UNPAID_INTENT,
    "requires_confirmation": _UNPAID_INTENT,
    "requires_action": _UNPAID_INTENT,
    "processing": frozenset({"succeeded", "requires_payment_method", "canceled"}),
    "requires_capture": frozenset({"succeeded", "canceled"}),
    "succeeded": frozenset(),
    "canceled": frozenset(),
}
CHARGE: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"succeeded", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
}
SETUP_INTENT: Mapping[str, frozenset[str]] = {
    "requires_payment_method": frozenset({"requires_confirmation", "requires_action", "processing", "succeeded", "canceled"}),
    "requires_confirmation": frozenset({"requires_payment_method", "requires_action", "processing", "succeeded", "canceled"}),
    "requires_action": frozenset({"requires_payment_method", "processing", "succeeded", "canceled"}),
    "processing": frozenset({"requires_payment_method", "succeeded", "canceled"}),
    "canceled": frozenset(),
    "succeeded": frozenset(),
}
DISPUTE: Mapping[str, frozenset[str]] = {
    "needs_response": frozenset({"under_review", "won", "lost"}),
    "under_review": frozenset({"won", "lost"}),
    "won": frozenset(),
    "lost": frozenset(),
    # An inquiry: nothing was taken back yet.
    "warning_needs_response": frozenset({"warning_under_review", "warning_closed", "needs_response"}),
    "warning_under_review": frozenset({"warning_closed", "needs_response"}),
    "warning_closed": frozenset(),
    "prevented": frozenset(),
}
REFUND: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"requires_action", "succeeded", "failed", "canceled"}),
    "requires_action": frozenset({"pending", "succeeded", "failed", "canceled"}),
    # A bank may send back what it was sent.
    "succeeded": frozenset({"failed"}),
    "failed": frozenset(),
    "canceled": frozenset(),
}
MANDATE: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"active", "inactive"}),
    "active": frozenset({"inactive"}),
    "inactive": frozenset(),
}
SOURCE: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"chargeable", "failed", "canceled"}),
    "chargeable": frozenset({"consumed", "canceled", "failed"}),
    "consumed": frozenset(),
    "failed": frozenset(),
    "canceled": frozenset(),
}
TABLES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "invoice": INVOICE,
    "subscription": SUBSCRIPTION,
    "payment_intent": PAYMENT_INTENT,
    "charge": CHARGE,
    "setup_intent": SETUP_INTENT,
    "dispute": DISPUTE,
    "refund": REFUND,
    "mandate": MANDATE,
    "source": SOURCE,
}


class IllegalTransitionError(RuntimeError):
    """An object was about to take a status that its present one does not lead to."""

    def __init__(self, kind: str, id: str, old: str, new: str) -> None:
        super().__init__(kind, id, old, new)

    def __str__(self) -> str:
        kind, id, old, new = self.args
        return f"{kind} {id} cannot go from {old} to {new}"


def check(kind: str, id: str, old: str, new: str) -> None:
    """Raise IllegalTransitionError unless `new` may follow `old`."""
    if new not in TABLES[kind][old]:
        raise IllegalTransitionError(kind, id, old, new)
