"""The ledger has one entry for each state of an invoice and each outcome of a charge, and its order is Stripe's, not the deliveries'."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.engine.invoicing import entry_of
from billsim.engine.recompute import Recompute
from billsim.ports import Effect, GatherAll, Read, Transact
from billsim.stores.billing_prod import LedgerRow
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis, seconds

WAKE = message("stripe.invoice.paid")


def world(**facts: object) -> Driver:
    return Driver(Recompute(DunningPolicy()), shard_of(**facts), millis(2))


def last(driver: Driver, id: str) -> LedgerRow:
    return max((row for row in driver.shard.all("billing_prod").values() if row.object_id == id), key=lambda row: row.sequence)


def test_enters_what_is_missing_and_only_that() -> None:
    driver = world(invoices=[{"id": "in_ada_1", "failed": [0, 1], "next": 3}])
    driver.run("invoicing", WAKE)
    ledger = driver.shard.all("billing_prod")
    charges = ["ch_ada_0.1:succeeded:2000:0", "ch_ada_1.1:failed:0:0", "ch_ada_1.2:failed:0:0"]
    invoices = ["in_ada_0:paid:2000:0", "in_ada_1:open:0:2000"]
    assert sorted(ledger) == [*charges, *invoices]
    row = ledger["in_ada_1:open:0:2000"]
    assert (row.kind, row.status, row.amount_due, row.amount_paid, row.amount_remaining) == ("invoice", "open", 2000, 0, 2000)
    failed = ledger["ch_ada_1.1:failed:0:0"]
    assert (failed.kind, failed.amount_due, failed.amount_paid, failed.amount_remaining) == ("charge", 2000, 0, 0)
    driver.effects.clear()
    driver.run("invoicing", WAKE)
    assert driver.changing() == []


def test_drafts_and_pending_charges_are_not_entered() -> None:
    driver = world(paid_before=False, invoices=[{"id": "in_ada_1", "status": "draft"}, {"id": "in_ada_2", "pending": [1], "pi": "processing"}])
    driver.run("invoicing", WAKE)
    assert sorted(driver.shard.all("billing_prod")) == ["in_ada_2:open:0:2000"]


def test_an_event_whose_entry_is_there_costs_one_read() -> None:
    driver = world()
    driver.run("invoicing", WAKE)
    driver.effects.clear()
    driver.run("invoicing", message("stripe.invoice.paid", thing=driver.book.invoices["in_ada_0"]))
    assert driver.effects == [Read("billing_prod", "ada", "in_ada_0:paid:2000:0")]


def test_someone_else_was_first() -> None:
    driver = world()

    def twin(effect: Effect) -> None:
        if isinstance(effect, Transact):
            driver.before = lambda effect: None
            driver.stores.transact("engine", effect.store, effect.changes[:1], 0)

    driver.before = twin
    driver.run("invoicing", WAKE)
    assert len(driver.shard.all("billing_prod")) == 2 and len(driver.performed(GatherAll)) == 2


def test_an_entry_of_an_older_state_that_is_appended_late_is_not_the_last() -> None:
    driver = world(invoices=[{"id": "in_ada_1", "failed": [0], "next": 1}])
    stale = entry_of(driver.book.invoices["in_ada_1"])
    assert stale is not None
    driver.pay("in_ada_1")
    driver.run("invoicing", WAKE)
    driver.stores.write("engine", "billing_prod", "ada", stale.key, stale.fields, 0)
    assert last(driver, "in_ada_1").status == "paid"


def test_states_of_one_second_are_ordered_by_how_far_the_invoice_had_come() -> None:
    shard = shard_of(invoices=[{"id": "in_ada_1", "uncollectible": 0, "created": 0}, {"id": "in_ada_2", "created": 0, "void": 0}])
    marked, void = (entry_of(shard.stripe.invoices[id]) for id in ("in_ada_1", "in_ada_2"))
    assert marked is not None and void is not None
    assert (marked.fields["sequence"], void.fields["sequence"]) == (seconds(0) * 10 + 2, seconds(0) * 10 + 3)


def test_other_things_have_no_entry() -> None:
    assert entry_of({"object": "invoice"}) is None and entry_of(None) is None
