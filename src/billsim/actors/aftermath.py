"""What becomes of debts that Stripe has given up: the customer comes with a new card after all, or writes to support, which waives the debt, or is
promised something. Weeks later; and some whose debt was waived buy again.

What happens, and when, is asked of the last failed attempt. It does not depend on the engine; whether there is still something to pay does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from billsim.actors.callers import ask
from billsim.actors.purchase import buy
from billsim.actors.stage import Stage
from billsim.core.choices import Options, Quantiles
from billsim.core.time import DAY_MS, HOUR_MS
from billsim.scenario.plan import Aftermath
from billsim.scenario.touchpoints import NINJAPANEL
from billsim.stripe.objects import Emitted

NOTHING, PAYS, WAIVED, WAIVED_CLEARED, CLEARED = range(5)
OWED = ("open", "uncollectible")
# How long after the last try, and after the waiver. Assumed: the customer notices once the grace is over and the plan is gone.
COMES_AFTER = Quantiles("comes_after", tuple(days * DAY_MS for days in (8, 8, 9, 9, 10, 11, 14)))
RETURNS_AFTER = Quantiles("returns_after", (HOUR_MS, 2 * DAY_MS, 8 * DAY_MS, 20 * DAY_MS, 40 * DAY_MS, 60 * DAY_MS))
# What is bought again: the smallest plan, as a subscription of this number.
PLAN, PRICE, AGAIN = "pro_monthly", 2000, 9


class Given(NamedTuple):
    """A debt that Stripe has given up, and what comes of it."""

    comes: int
    account: str
    invoice: str
    name: str


class Epilogue:
    """The aftermath of a population's debts. `pay`: how an account pays an invoice on the Dashboard, under a name. `stopped`: nobody acts any
    more.
    """

    def __init__(self, stage: Stage, aftermath: Aftermath, pay: Callable[[str, str, str], None]) -> None:
        self._stage = stage
        self._pay = pay
        shares = {PAYS: aftermath.pays, WAIVED: aftermath.waived, WAIVED_CLEARED: aftermath.waived_cleared, CLEARED: aftermath.cleared}
        self._comes = Options("aftermath", {**shares, NOTHING: 1000 - sum(shares.values())})
        self._returns = Options("returns", {1: aftermath.returns, 0: 1000 - aftermath.returns})
        self.stopped = False

    def hear(self, emitted: Emitted, account: str) -> None:
        """The last try of an invoice has failed."""
        label = f"w/aftermath/{emitted.name}"
        comes = self._stage.choices.ask(f"{label}/comes", self._comes)
        if comes == NOTHING:
            return
        delay, rank = self._stage.choices.when(f"{label}/after", COMES_AFTER)
        given = Given(comes, account, emitted.event.data.object.id, emitted.name)
        self._stage.kernel.call_at(self._stage.kernel.now + delay, rank, self._act, given, label=f"{label}/after", open_ms=delay)

    def _act(self, given: Any) -> None:
        book = self._stage.stripe.books.get(self._stage.customer_of(given.account))
        if self.stopped or book is None or book.invoices[given.invoice].status not in OWED:
            return
        if given.comes == PAYS:
            self._pay(given.account, given.invoice, f"{given.name}.late")
            return
        if given.comes in (WAIVED, WAIVED_CLEARED):
            self._waive(given)
        if given.comes in (WAIVED_CLEARED, CLEARED):
            self._clear(given)

    def _waive(self, given: Given) -> None:
        """Support voids the invoice at Stripe; the customer may come back."""
        stage, task = self._stage, f"e/support/{given.name}/waive"
        stage.act("support", task, lambda: stage.stripe.call("invoices.void_invoice", given.invoice, {}, key=None, task=task))
        label = f"w/aftermath/{given.name}/returns"
        if stage.choices.ask(label, self._returns):
            delay, rank = stage.choices.when(f"{label}/after", RETURNS_AFTER)
            stage.kernel.call_at(stage.kernel.now + delay, rank, self._return, given, label=f"{label}/after", open_ms=delay)

    def _clear(self, given: Given) -> None:
        """Support takes the bad-debt flag off the profile, and nothing else."""
        ask(self._stage, f"{NINJAPANEL}.clear_bad_debt", given.account, f"support/{given.name}")

    def _return(self, given: Any) -> None:
        """The customer buys again, with a card that works: a new subscription, for a canceled one never comes back. Once."""
        stage, suffix = self._stage, f"{given.account}-{AGAIN}"
        book = stage.stripe.books.get(stage.customer_of(given.account))
        if not self.stopped and book is not None and f"sub_{suffix}" not in book.subscriptions:
            buy(stage, given.account, suffix, PLAN, PRICE, f"e/catalog/{given.name}/again")
