"""The ledger has one entry for each state of an invoice and each outcome of a charge, and its order is Stripe's, not the deliveries'."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.dunning_brain import TRIES
from billsim.engine.errors import RetryLater
from billsim.engine.invoicing import PARTS, missing
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


def test_a_ledger_that_lacks_nothing_costs_one_gather() -> None:
    driver = world()
    driver.run("invoicing", WAKE)
    driver.effects.clear()
    driver.run("invoicing", message("stripe.invoice.paid", thing=driver.book.invoices["in_ada_0"]))
    assert driver.effects == [GatherAll("ada", PARTS)]


def test_someone_else_was_first() -> None:
    """The rest is entered after one more look at the ledger; Stripe is not asked again."""
    driver = world()

    def twin(effect: Effect) -> None:
        if isinstance(effect, Transact):
            driver.before = lambda effect: None
            driver.stores.transact("engine", effect.store, effect.changes[:1], 0)

    driver.before = twin
    driver.run("invoicing", WAKE)
    assert len(driver.shard.all("billing_prod")) == 2
    assert [type(effect) for effect in driver.effects] == [GatherAll, Transact, Read, Transact]
    assert [len(effect.changes) for effect in driver.performed(Transact)] == [2, 1]


def test_others_who_keep_appending_make_it_come_back_later() -> None:
    driver = world(invoices=[{"id": f"in_ada_{n}", "failed": [0], "next": 1} for n in range(1, 9)])

    def others(effect: Effect) -> None:
        if isinstance(effect, Transact):
            driver.stores.transact("engine", effect.store, effect.changes[:1], 0)

    driver.before = others
    with pytest.raises(RetryLater, match="invoicing: ada did not come to rest within 8 tries"):
        driver.run("invoicing", WAKE)
    assert len(driver.performed(Transact)) == TRIES


def test_an_entry_of_an_older_state_that_is_appended_late_is_not_the_last() -> None:
    driver = world(invoices=[{"id": "in_ada_1", "failed": [0], "next": 1}])
    stale = next(entry for entry in missing(driver.gathered()) if entry.key == "in_ada_1:open:0:2000")
    driver.pay("in_ada_1")
    driver.run("invoicing", WAKE)
    driver.stores.write("engine", "billing_prod", "ada", stale.key, stale.fields, 0)
    assert last(driver, "in_ada_1").status == "paid"


def test_states_of_one_second_are_ordered_by_how_far_the_invoice_had_come() -> None:
    shard = shard_of(invoices=[{"id": "in_ada_1", "uncollectible": 0, "created": 0}, {"id": "in_ada_2", "created": 0, "void": 0}])
    driver = Driver(Recompute(DunningPolicy()), shard, millis(0))
    sequences = {entry.fields["object_id"]: entry.fields["sequence"] for entry in missing(driver.gathered())}
    assert (sequences["in_ada_1"], sequences["in_ada_2"]) == (seconds(0) * 10 + 2, seconds(0) * 10 + 3)
