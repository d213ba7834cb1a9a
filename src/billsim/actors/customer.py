"""Customers of a population: what they do when Stripe tells them that a payment has failed, for the first time or for the last.

What a customer means to do, and when, is asked of the failed attempt. It does not depend on the engine; whether there is still something to pay does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from billsim.actors.aftermath import Epilogue
from billsim.actors.callers import ask
from billsim.actors.stage import Stage, new_card
from billsim.core.choices import Options, Quantiles
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.scenario.plan import Population
from billsim.scenario.touchpoints import NINJAPANEL
from billsim.stripe.objects import Emitted

NOTHING, UPDATES_CARD, PAYS_HOSTED, PAYS_DASHBOARD = range(4)
# How long after the failed payment a customer acts. Assumed.
ANSWERS_AFTER = Quantiles("answers_after", (10 * MINUTE_MS, 40 * MINUTE_MS, 2 * HOUR_MS, 6 * HOUR_MS, 14 * HOUR_MS, DAY_MS, 2 * DAY_MS, 5 * DAY_MS))
# How long a customer is away at a bank that asks to confirm. Assumed: most come back to the page late, for the bank has shown them its own.
RETURNS_AFTER = Quantiles("returns_after_bank", (10 * SECOND_MS, 20 * SECOND_MS, 40 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS))


class Intent(NamedTuple):
    """What a customer will do about a failed attempt."""

    does: int
    account: str
    invoice: str
    name: str


class Customers:
    """Everyone in a population."""

    def __init__(self, stage: Stage, population: Population) -> None:
        self._stage = stage
        acting = {UPDATES_CARD: population.updates_card, PAYS_HOSTED: population.pays_hosted, PAYS_DASHBOARD: population.pays_dashboard}
        self._does = Options("customer_does", {**acting, NOTHING: 1000 - sum(acting.values())})
        newcomers, aftermath = population.newcomers, population.aftermath
        paying = newcomers.pays_dashboard if newcomers is not None else 0
        self._newcomer_does = Options("newcomer_does", {PAYS_DASHBOARD: paying, NOTHING: 1000 - paying}) if newcomers is not None else None
        cleared = newcomers.cleared if newcomers is not None else 0
        self._cleared = Options("cleared", {1: cleared, 0: 1000 - cleared}) if cleared else None
        self._challenged = Options("challenged", {1: population.challenged, 0: 1000 - population.challenged}) if population.challenged else None
        self._epilogue = Epilogue(stage, aftermath, self._pay_late) if aftermath is not None else None
        self._stopped = False

    def stop(self) -> None:
        """Nobody acts any more."""
        self._stopped = True
        if self._epilogue is not None:
            self._epilogue.stopped = True

    def hear(self, emitted: Emitted, account: str) -> None:
        """Stripe mails the customer when the first try of an invoice has failed. Who does nothing then, does nothing until the last."""
        invoice = emitted.event.data.object
        if emitted.event.type != "invoice.payment_failed" or emitted.origin != "w" or self._stopped:
            return
        if invoice.attempt_count != 1:
            if self._epilogue is not None and invoice.next_payment_attempt is None:
                self._epilogue.hear(emitted, account)
            return
        label = f"w/customer/{emitted.name}"
        answers = self._answers_of(account)
        does = self._stage.choices.ask(f"{label}/does", answers)
        if does == NOTHING:
            return
        after = f"{label}/after"
        delay, rank = self._stage.choices.when(after, ANSWERS_AFTER)
        intent = Intent(does, account, invoice.id, emitted.name)
        self._stage.kernel.call_at(self._stage.kernel.now + delay, rank, self._act, intent, label=after, open_ms=delay)
        if answers is self._newcomer_does and self._cleared is not None and self._stage.choices.ask(f"{label}/cleared", self._cleared):
            self._stage.kernel.call_at(self._stage.kernel.now + delay // 2, rank, self._clear, intent)

    def _clear(self, intent: Any) -> None:
        """The newcomer has written to support before it pays."""
        if not self._stopped and self._stage.customer_of(intent.account):
            ask(self._stage, f"{NINJAPANEL}.clear_no_successful_payment", intent.account, f"support/{intent.name}")

    def _answers_of(self, account: str) -> Options:
        """What may be done: whoever has never paid for anything wants to begin."""
        if self._newcomer_does is None:
            return self._does
        charges = self._stage.stripe.books[self._stage.customer_of(account)].charges.values()
        return self._does if any(charge.status == "succeeded" and charge.amount for charge in charges) else self._newcomer_does

    def _act(self, intent: Any) -> None:
        stage = self._stage
        book = stage.stripe.books.get(stage.customer_of(intent.account))
        invoice = book.invoices.get(intent.invoice) if book is not None else None
        if self._stopped or invoice is None or invoice.status not in ("open", "uncollectible"):
            return
        task = f"w/customer/{intent.name}"
        card = new_card(stage, "customer", intent.account, task, "good")
        if intent.does == PAYS_DASHBOARD:
            self._pay_on_dashboard(intent.account, intent.invoice, intent.name)
        elif intent.does == PAYS_HOSTED:
            params = {"payment_method": card, "off_session": False}
            stage.act("customer", task, lambda: stage.stripe.call("invoices.pay", intent.invoice, params, key=None, task=f"{task}/pay"))

    def _pay_late(self, account: str, invoice: str, name: str) -> None:
        new_card(self._stage, "customer", account, f"w/customer/{name}", "good")
        self._pay_on_dashboard(account, invoice, name)

    def _pay_on_dashboard(self, account: str, invoice: str, name: str) -> None:
        """Press "retry failed payment"; a bank may ask the customer to confirm, and to come back."""
        stage = self._stage
        body: dict[str, Any] = {"invoice": invoice}
        if self._challenged is not None and stage.choices.ask(f"w/customer/{name}/challenged", self._challenged):
            stage.stripe.challenge(stage.customer_of(account))
            body["returns_after_ms"] = stage.choices.ask(f"w/customer/{name}/returns", RETURNS_AFTER)
        ask(stage, "dashboard.retry", account, f"customer/{name}", body, named=f"{name}.pay")
