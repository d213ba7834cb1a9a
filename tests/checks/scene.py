"""One account under a judge, step by step: it starts in agreement with truth, and the test says who writes what, and when."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.checks.codes import charge_entry, invoice_entry
from billsim.checks.judge import Judge, Report
from billsim.checks.truth import Expected, truth
from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, DriftRecord, Trace, WriteRecord
from billsim.ports import Component, Message
from billsim.stores import empty
from billsim.stores.billing_prod import LedgerRow, entry_key
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.subs_dunning import DunningRow
from tests.truth_table import ROWS, action_of

_ROWS = {row.id: row for row in ROWS}
_BOOKS = {
    "subscription": "subscriptions",
    "invoice": "invoices",
    "charge": "charges",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
}


class Worker:
    """A task as the judge questions it."""

    def __init__(self, name: str, message: Message) -> None:
        self.name = name
        self.message = message
        self.component = Component("handler", "engine", lambda _message: iter(()))  # type: ignore[arg-type, return-value]
        self.seen: list[tuple[Any, Any, Any]] = []

    def known_version(self, store: str, account: str, key: str) -> int:
        """It looked at nothing."""
        return -1


class Scene:
    """An account made from a row of the truth table, with every derived store as truth has it; `now` is in milliseconds and starts at the row's."""

    def __init__(self, row: str) -> None:
        told = _ROWS[row]
        self.policy: DunningPolicy = told.policy
        self.now = told.now_ms
        self.stores = empty()
        self.shard = self.stores.shards["ada"] = told.shard()
        self.stores.by_customer["cus_ada"] = ("ada", *told.shared_with)
        self.trace = Trace()
        self.drift: list[DriftRecord] = []
        self.trace.sinks.append(lambda batch: self.drift.extend(r for r in batch if r[0] == "drift"))
        self.messages: dict[str, Message] = {}
        self.judge = Judge(self.stores, self.policy, self.trace)
        self.judge.blame.line_of = self._line_of
        if self.expected().applies:
            settle(self.shard, self.expected(), self.policy)

    def _line_of(self, task: str) -> list[Worker]:
        """The task that the test has told of, as one that was shown nothing but its message."""
        return [Worker(task, self.messages[task])] if task in self.messages else []

    def expected(self) -> Expected:
        """Truth at this instant, asked beside the judge."""
        return truth(self.shard, self.policy, self.now, len(self.stores.by_customer["cus_ada"]) > 1)

    def begin(self) -> Scene:
        """Open the judge's books."""
        self.judge.begin(self.now)
        return self

    def after(self, ms: int) -> Scene:
        """Let time pass; the clock's boundaries are judged on the way."""
        self.now += ms
        if self.judge.next_clock_ms <= self.now:
            self.judge.tick(self.now)
        return self

    def write(
        self,
        store: str,
        key: str | None = None,
        *,
        by: str = "dunning_brain",
        writer: str = "engine",
        task: str = "e/task",
        cause: str = "stripe.invoice.paid w/evt",
        read_version: int | None = None,
        **fields: Any,
    ) -> Scene:
        """A component writes a row in the running step; `read_version` None: it had read the row as it is."""
        written = self.stores.write(writer, store, "ada", key, fields, self.now)
        assert written is not None, "the write changes nothing"
        version = getattr(written.old, "version", 0) if read_version is None else read_version
        at_key = key or "ada"
        self.shard.fresh.append(WriteRecord("writes", self.now, by, task, cause, store, "ada", at_key, version, written.old, written.new))
        if store in ("ope", "subs_customer", "subs_account"):
            self.shard.authority += 1
        return self

    def stripe(
        self, kind: str, id: str, *, by: str = "stripe", task: str = "w/stripe", cause: str = "", gone: bool = False, **changes: Any
    ) -> Scene:
        """An object at Stripe changes in the running step, or is deleted (`gone`)."""
        book = self.shard.stripe
        old = book.customer if kind == "customer" else getattr(book, _BOOKS[kind]).get(id)
        new = None if gone else msgspec.structs.replace(old, **changes)
        if kind == "customer":
            book.customer = new
        else:
            getattr(book, _BOOKS[kind])[id] = new
        return self.record(kind, id, old, new, by=by, task=task, cause=cause)

    def record(self, kind: str, id: str, old: Any, new: Any, *, by: str = "stripe", task: str = "w/stripe", cause: str = "") -> Scene:
        """Note a change at Stripe that was made by hand."""
        self.shard.authority += 1
        self.shard.fresh.append(WriteRecord("writes", self.now, by, task, cause, f"stripe.{kind}", "ada", id, -1, old, new))
        return self

    def pay(self, id: str = "in_ada_1") -> Scene:
        """The customer pays an invoice, and the ledger follows at once."""
        book = self.shard.stripe
        old = book.invoices[id]
        moments = msgspec.structs.replace(old.status_transitions, paid_at=self.now // 1000)
        self.stripe(
            "invoice", id, status="paid", amount_paid=old.total, amount_remaining=0, next_payment_attempt=None, status_transitions=moments
        )
        return self.post_ledger()

    def post_ledger(self) -> Scene:
        """Invoicing appends what the ledger lacks, without a record."""
        post_ledger(self.shard)
        return self

    def act(self, kind: str, debt: str, step: str, *, by: str = "consequences", task: str = "e/task", executed: bool = True) -> Scene:
        """A consequence is executed in the running step."""
        if executed:
            name = f"{kind}|{debt}|{step}"
            self.shard.actions[name] = self.shard.actions.get(name, 0) + 1
        self.shard.authority += executed
        self.shard.fresh.append(ActionRecord("actions", self.now, kind, "ada", debt, step, f"{debt}/{step}", by, task, executed))
        return self

    def look(self) -> Scene:
        """The step ends."""
        self.judge.look(self.shard, self.now)
        return self

    def finish(self) -> Report:
        """Close the books; `drift` then holds the records of the trace."""
        report = self.judge.finish(self.now)
        self.trace.flush()
        return report

    def codes(self) -> set[str]:
        """The codes that stand open."""
        return set(self.shard.judged.open)


def settle(shard: Any, expected: Expected, policy: DunningPolicy) -> None:
    """Write every derived store as truth has it, the consequences that it calls for included."""
    flags = policy.bad_debt_flag * expected.bad_debt | policy.no_success_flag * expected.no_successful_payment
    shard.rows["subs_dunning"] = DunningRow(shard.account, expected.status, expected.retry_count, expected.escalation_level, version=1)
    shard.rows["subs_account"] = msgspec.structs.replace(shard.rows["subs_account"], flags=flags)
    shard.many["cf_prod"] = {product: EntitlementRow(shard.account, product, plan, version=1) for product, plan in expected.entitlements.items()}
    book = shard.stripe
    book.customer = msgspec.structs.replace(book.customer, metadata=dict(expected.metadata))
    for id, keys in expected.invoice_metadata.items():
        book.invoices[id] = msgspec.structs.replace(book.invoices[id], metadata=dict(keys))
    for due in expected.consequences:
        shard.actions[action_of(due.key)] = 1
        if due.kind == "cancel":
            row = shard.many["ope"][due.subscription] = msgspec.structs.replace(shard.many["ope"][due.subscription], status="canceled")
            ended = book.subscriptions[row.stripe_subscription]
            book.subscriptions[ended.id] = msgspec.structs.replace(ended, status="canceled", canceled_at=ended.created)
    post_ledger(shard)


def post_ledger(shard: Any) -> None:
    """Append an entry for each invoice and charge whose state the ledger does not say."""
    rows = shard.many.setdefault("billing_prod", {})
    book = shard.stripe
    entries = [(invoice.id, invoice.currency, invoice_entry(invoice)) for invoice in book.invoices.values() if invoice.status != "draft"]
    entries += [(charge.id, charge.currency, charge_entry(charge)) for charge in book.charges.values() if charge.status != "pending"]
    for id, currency, (kind, status, due, paid, remaining) in entries:
        key = entry_key(id, status, paid, remaining)
        if key not in rows:
            rows[key] = LedgerRow(shard.account, key, kind, id, status, currency, due, paid, remaining, len(rows) + 1, version=1)
