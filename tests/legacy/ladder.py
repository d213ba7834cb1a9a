"""One invoice climbing the ladder under `legacy`, event by event, without races; and how far what it left is from what is right."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine.decide import decide
from billsim.engine.diff import diff
from billsim.engine.invoicing import missing
from billsim.legacy.engine import LegacyEngine
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis, seconds

POLICY = DunningPolicy()
DAYS = (0, 1, 3, 5, 7, 9, 11, 14)


class Ladder(Driver):
    """`ada` with `in_ada_1` open; `fail`, `night` and `paid` are what happens to her."""

    def __init__(self, *, marks_uncollectible: bool = False, **facts: Any) -> None:
        facts = {"invoices": [{"id": "in_ada_1", "created": 0}], **facts}
        super().__init__(LegacyEngine(POLICY, marks_uncollectible=marks_uncollectible), shard_of(**facts), millis(0))
        self.stores.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "pro_monthly"}, 0)
        assert self.book.customer is not None
        self.book.customer = replace(self.book.customer, metadata={"account_type": self.shard.one("subs_account").account_type})
        for thing in (*self.book.invoices.values(), *self.book.charges.values()):
            self.tell("charge.succeeded" if thing.id.startswith("ch_") else "invoice.finalized", thing)

    def tell(self, type: str, thing: Any, **more: Any) -> None:
        """Deliver an event about a thing as it stands, now."""
        self.deliver(message(f"stripe.{type}", thing=thing, at_ms=self.now_ms, **more))

    def fail(self, attempt: int, *, charged: bool = True, **more: Any) -> None:
        """The schedule's `attempt`-th try fails, and its events arrive in order."""
        self.now_ms = millis(DAYS[attempt - 1])
        invoice = self.book.invoices["in_ada_1"]
        following = seconds(DAYS[attempt]) if attempt < len(DAYS) else None
        self.book.invoices["in_ada_1"] = replace(invoice, attempt_count=attempt, attempted=True, next_payment_attempt=following)
        if charged:
            self._failed_charge(attempt)
        self.tell("invoice.payment_failed", self.book.invoices["in_ada_1"], **more)

    def _failed_charge(self, attempt: int) -> None:
        template = shard_of(invoices=[{"id": "in_ada_1", "failed": [0]}]).stripe.charges["ch_ada_1.1"]
        charge = replace(template, id=f"ch_ada_1.{attempt}", created=self.now_ms // 1000)
        self.book.charges[charge.id] = charge
        self.book.payment_intents["pi_ada_1"] = replace(self.book.payment_intents["pi_ada_1"], latest_charge=charge.id)
        self.tell("charge.failed", charge)

    def exhaust(self) -> None:
        """All eight tries fail."""
        for attempt in range(1, 9):
            self.fail(attempt)

    def night(self, day: float) -> None:
        """The nightly job runs."""
        self.now_ms = millis(day)
        self.deliver(message("cron.nightly", account="", at_ms=self.now_ms))

    def paid(self, day: float) -> None:
        """The customer pays, and the events arrive."""
        self.now_ms = millis(day)
        self.pay("in_ada_1")
        self.tell("charge.succeeded", self.book.charges["ch_in_ada_1"])
        self.tell("invoice.paid", self.book.invoices["in_ada_1"])

    def wrong(self) -> list[str]:
        """What an apply of the right decision would still have to do, and what the ledger lacks."""
        state = self.gathered()
        plan = diff(state, decide(state, self.now_ms, POLICY), POLICY, self.now_ms)
        return [*plan.dunning, *plan.steps, *(notice.key for notice in plan.notices), *(entry.key for entry in missing(state))]
