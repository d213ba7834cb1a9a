"""NinjaPanel, support's own page: through the same doors as the Dashboard they clear a flag by hand, credit, refund, and answer disputes."""

from __future__ import annotations

from typing import Any

from billsim.actors.callers import ask, calls
from billsim.actors.stage import Action, Stage, Teller
from billsim.core.time import HOUR_MS
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import NINJAPANEL
from billsim.stripe.objects import Dispute

# How long the bank takes to decide a dispute that is contested. Real ones take weeks (https://docs.stripe.com/disputes/how-disputes-work).
DECIDES_AFTER_MS = HOUR_MS


def _clear_flag(teller: Teller, task: str, row: TimelineRow) -> None:
    flag = row.params["flag"]
    ask(teller.stage, f"{NINJAPANEL}.clear_{flag}", row.params["account"], task)


def _of_invoice(operation: str) -> Action:
    def act(teller: Teller, task: str, row: TimelineRow) -> None:
        told = {"invoice": f"in_{row.params['invoice']}", "amount": row.params["amount"]}
        ask(teller.stage, f"{NINJAPANEL}.{operation}", row.params["account"], task, told)

    return act


def _dispute(teller: Teller, task: str, row: TimelineRow) -> None:
    """The customer disputes what was charged for an invoice, and support answers: gives in, or contests what the bank then decides for us."""
    stage, account = teller.stage, row.params["account"]
    dispute = _opened(stage, account, f"in_{row.params['charge_of']}", f"w/{task}")
    if dispute is None:
        return
    operation = "contest_dispute" if row.params["result"] == "won" else "accept_dispute"
    ask(stage, f"{NINJAPANEL}.{operation}", account, task, {"dispute": dispute})
    if row.params["result"] == "won":
        decided = f"w/{task}/decided"

        def decide(_task: Any) -> None:
            stage.act("bank", decided, lambda: stage.stripe.decide_dispute(dispute, decided, won=True))

        stage.kernel.call_at(stage.kernel.now + DECIDES_AFTER_MS, stage.choices.rank(decided), decide, decided)


def _opened(stage: Stage, account: str, invoice: str, task: str) -> str | None:
    """The dispute of an invoice's last charge, opened now if it was not; None where nothing was charged for it."""
    book = stage.stripe.books.get(stage.customer_of(account))
    billed = book.invoices.get(invoice) if book is not None else None
    intent = book.payment_intents.get(billed.payments[-1].payment_intent) if book is not None and billed is not None and billed.payments else None
    charge = intent.latest_charge if intent is not None else None
    if book is None or charge is None:
        return None
    known = [dispute.id for dispute in book.disputes.values() if dispute.charge == charge]
    if known:
        return known[-1]
    opened: Dispute | None = stage.act("bank", task, lambda: stage.stripe.dispute(charge, task))
    return opened.id if opened is not None else None


def _recompute(teller: Teller, task: str, row: TimelineRow) -> None:
    ask(teller.stage, f"{NINJAPANEL}.recompute", row.params["account"], task)


ACTIONS: dict[str, Action] = {
    "clear_flag": _clear_flag,
    "credit": _of_invoice("credit"),
    "refund": _of_invoice("refund"),
    "dispute": _dispute,
    "recompute": _recompute,
    "call": calls(NINJAPANEL),
}
