"""Customers of a population: what they do when Stripe tells them that a payment has failed.

What a customer means to do, and when, is asked of the failed attempt. It does not depend on the engine; whether there is still something to pay does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from billsim.actors.stage import Stage, new_card
from billsim.core.choices import Options, Quantiles
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS
from billsim.scenario.plan import Population
from billsim.stripe.objects import Emitted

NOTHING, UPDATES_CARD, PAYS_HOSTED, PAYS_DASHBOARD = range(4)
# How long after the failed payment a customer acts. Assumed.
ANSWERS_AFTER = Quantiles("answers_after", (10 * MINUTE_MS, 40 * MINUTE_MS, 2 * HOUR_MS, 6 * HOUR_MS, 14 * HOUR_MS, DAY_MS, 2 * DAY_MS, 5 * DAY_MS))


class Intent(NamedTuple):
    """What a customer will do about a failed attempt."""

    does: int
    account: str
    invoice: str
    name: str


class Customers:
    """Everyone in a population. `stopped`: nobody acts any more."""

    def __init__(self, stage: Stage, population: Population) -> None:
        self._stage = stage
        acting = {UPDATES_CARD: population.updates_card, PAYS_HOSTED: population.pays_hosted, PAYS_DASHBOARD: population.pays_dashboard}
        self._does = Options("customer_does", {**acting, NOTHING: 1000 - sum(acting.values())})
        self.stopped = False

    def hear(self, emitted: Emitted, account: str) -> None:
        """Stripe mails the customer when the first try of an invoice has failed. Who does nothing then, does nothing."""
        invoice = emitted.event.data.object
        if emitted.event.type != "invoice.payment_failed" or emitted.origin != "w" or invoice.attempt_count != 1 or self.stopped:
            return
        label = f"w/customer/{emitted.name}"
        does = self._stage.choices.ask(f"{label}/does", self._does)
        if does == NOTHING:
            return
        after = f"{label}/after"
        delay, rank = self._stage.choices.when(after, ANSWERS_AFTER)
        intent = Intent(does, account, invoice.id, emitted.name)
        self._stage.kernel.call_at(self._stage.kernel.now + delay, rank, self._act, intent, label=after, open_ms=delay)

    def _act(self, intent: Any) -> None:
        stage = self._stage
        book = stage.stripe.books[stage.customer_of(intent.account)]
        if self.stopped or book.invoices[intent.invoice].status not in ("open", "uncollectible"):
            return
        task = f"w/customer/{intent.name}"
        card = new_card(stage, "customer", intent.account, task, "good")
        if intent.does == PAYS_DASHBOARD:
            stage.request("request.pay", intent.account, f"{intent.name}.pay", {"invoice": intent.invoice})
        elif intent.does == PAYS_HOSTED:
            params = {"payment_method": card, "off_session": False}
            stage.act("customer", task, lambda: stage.stripe.call("invoices.pay", intent.invoice, params, key=None, task=f"{task}/pay"))
