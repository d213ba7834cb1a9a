"""Changes, refunds, credit notes, disputes and mandates in a world: recorded for their account, their events delivered, and truth holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from billsim.core.time import HOUR_MS
from billsim.engines import load_engine
from billsim.ports import Engine, Message
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import load
from billsim.stripe.objects import Price
from billsim.world import World

STORY = """
id    = "stripe/money_back"
rule  = "Money that goes back is no debt."
from  = "hand"
start = 2026-03-20T00:00:00Z
until = 2026-04-24T00:00:00Z
given = [
  { account = "ada", price = 2000, card = "good" },
  { account = "bob", price = 2000, invoices = [ { invoice = "bob_1", failed_attempts = 8, last_attempt = 2026-03-10T06:00:00Z } ], card = "good" },
]
timeline = []
"""
Deed = Callable[[World], Any]


def meddled_with(engine: str, deeds: dict[int, Deed]) -> Engine:
    """A shipped engine, in a world in which something is done so many hours after its start."""

    class Meddling:
        def __init__(self) -> None:
            inner = load_engine(engine)
            self.name, self.components = engine, inner.components
            self._inner = inner

        def wakes(self, message: Message) -> Any:
            return self._inner.wakes(message)

        def alter(self, world: World) -> None:
            for hour, deed in deeds.items():
                world.kernel.call_at(world.kernel.now + hour * HOUR_MS, hour, lambda each: world.act("bank", "w/bank", lambda: each(world)), deed)

    return Meddling()


DEEDS: dict[int, Deed] = {
    30: lambda world: world.stripe.call("refunds.create", "", {"charge": "ch_ada_0.1", "amount": 500}, key=None, task="w/support/refund"),
    40: lambda world: world.stripe.dispute("ch_ada_0.1", "w/bank/dispute"),
    50: lambda world: world.stripe.decide_dispute("dp_ada_0.1", "w/bank/decides", won=False),
    60: lambda world: world.stripe.call("credit_notes.create", "", {"invoice": "in_bob_1", "amount": 2000}, key=None, task="w/support/credit"),
    70: lambda world: world.stripe.seed(Price(id="price_big", created=0, product="zone_plan", unit_amount=9000)),
    71: lambda world: world.stripe.call(
        "subscriptions.update", "sub_ada", {"items": [{"id": "si_ada", "price": "price_big"}]}, key=None, task="w/customer/upgrade"
    ),
    80: lambda world: world.stripe.call("payment_methods.create", "pm_sepa", {"type": "sepa_debit"}, key=None, task="w/customer/vault"),
    81: lambda world: world.stripe.call(
        "setup_intents.create", "", {"customer": "cus_ada", "payment_method": "pm_sepa", "confirm": True}, key=None, task="w/customer/setup"
    ),
    90: lambda world: world.stripe.revoke_mandate("mandate_sepa", "w/customer/revokes"),
}


def recompute() -> Engine:
    return meddled_with("recompute", DEEDS)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    path: Path = tmp_path_factory.mktemp("world") / "story.toml"
    path.write_text(STORY)
    return run_scenario(load(path), engine=f"{__name__}:recompute", keep_records=True)


def test_truth_holds_through_it_all(result: RunResult) -> None:
    # That nobody told OPE of the upgrade is what is wrong, and all.
    assert result.data["findings"] == [] and {drift.code for drift in result.drift} <= {"stripe_drift"}


def test_what_changed_is_recorded_for_its_account(result: RunResult) -> None:
    changed = {(record.account, record.store) for record in result.records if record.table == "writes" and record.store.startswith("stripe.")}
    assert {("ada", f"stripe.{kind}") for kind in ("refund", "dispute", "invoiceitem", "setup_intent", "mandate")} <= changed
    assert ("bob", "stripe.credit_note") in changed


def test_the_events_reach_the_engine(result: RunResult) -> None:
    arrived = {(record.kind, record.account) for record in result.records if record.table == "messages" and record.what == "delivered"}
    of_ada = ("charge.refunded", "charge.dispute.created", "charge.dispute.closed", "mandate.updated", "setup_intent.succeeded")
    assert {(kind, "cus_ada") for kind in of_ada} | {("credit_note.created", "cus_bob")} <= arrived


def test_the_change_is_paid_with_the_next_renewal(result: RunResult) -> None:
    charges = [record.new for record in result.records if record.table == "writes" and record.store == "stripe.charge"]
    paid = [charge.amount for charge in charges if charge.customer == "cus_ada" and charge.status == "succeeded" and not charge.amount_refunded]
    # 1,386,000 of the 2,678,400 seconds of 8 March to 8 April were left: 1,034.95 back, 4,657.26 more.
    assert paid == [9000 - 1035 + 4657]
