"""Drives a touchpoint in a world of its own: an account for which the operation has something to do asks for it once, and the world comes to rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from billsim.actors.callers import ask
from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, to_ms
from billsim.core.trace import Record, Trace
from billsim.engines import load_engine
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario
from billsim.scenario.touchpoints import Touchpoint
from billsim.world import World

START_MS = to_ms(datetime(2026, 3, 20, tzinfo=UTC))


def _bad(account: str, days_ago: int = 10) -> GivenInvoice:
    """A debt whose last try has failed so long ago that it is bad by now."""
    return GivenInvoice(invoice=f"{account}_1", failed_attempts=8, last_attempt=START_MS - days_ago * DAY_MS)


_FORGOTTEN: dict[str, dict[str, Any]] = {
    "subs_account": {"flags": 1},
    "subs_dunning": {"status": "healthy"},
    "stripe_metadata": {"bad_debt": ""},
    "cf_prod": {"zone_plan": "pro_monthly"},
    "www": {"dan.example": "pro_monthly"},
}
GIVEN = (
    GivenAccount(account="ada", rows={"subs_account": {"flags": 0}}),
    # Bad debt with a subscription that goes on, because the invoice after it is paid.
    GivenAccount(account="bob", card="good", invoices=(_bad("bob", 40), GivenInvoice(invoice="bob_2", status="paid"))),
    GivenAccount(account="cyd", paid_before=False, failed_attempts=3),
    GivenAccount(account="dan", card="good", invoices=(_bad("dan"),), rows=_FORGOTTEN),
    GivenAccount(account="eve", card="good", invoices=(_bad("eve"),)),
    GivenAccount(account="pal", instrument="paypal", rows={"subs_customer": {"vault": "braintree"}}),
)


class Driven(World):
    """A world that keeps every record, and every request."""

    def __init__(self, engine: str, seed: int = 0) -> None:
        self.records: list[Record] = []
        self.asked: list[str] = []
        trace = Trace()
        trace.sinks.append(self.records.extend)
        scenario = Scenario(id="touchpoints", given=GIVEN, start=START_MS, until=START_MS + HOUR_MS)
        super().__init__(scenario, load_engine(engine), Seeded(seed), trace, DunningPolicy(), bodies=False)

    def request(self, kind: str, account: str, name: str, body: dict[str, object]) -> None:
        self.asked.append(kind)
        super().request(kind, account, name, body)

    def announce(self, what: str, account: str, task: str, body: dict[str, object] | None = None) -> None:
        self.asked.append(f"domain.{what}")
        super().announce(what, account, task, body)

    def rest(self, until_ms: int) -> None:
        while not self.run_until(until_ms, 10_000):
            pass


def driven(point: Touchpoint, engine: str) -> tuple[list[str], frozenset[str]]:
    """The kinds of messages that the operation sent, and the stores that were written from then on."""
    world = Driven(engine)
    account = _PREPARES[point.operation](world) if point.operation in _PREPARES else _account(point)
    # What waits for a confirmation is soon carried on with in any case.
    world.rest(world.kernel.now + (10 * SECOND_MS if point.entry == "request.confirmed" else MINUTE_MS))
    world.trace.flush()
    before = len(world.records)
    world.asked.clear()
    ask(world, point.name, account, "story/row0")
    world.rest(START_MS + 30 * MINUTE_MS)
    world.trace.flush()
    stores = {record.store.partition(".")[0] for record in world.records[before:] if record[0] == "writes"}
    return world.asked, frozenset(stores)


def _account(point: Touchpoint) -> str:
    if point.entry == "request.create_profile":
        return "newcomer"
    if point.entry == "request.remove_method":
        return "eve"
    if point.entry == "request.migrate_vault":
        return "pal"
    if "$owed" in point.body.values() or point.operation == "clear_bad_debt":
        return "bob"
    return {"clear_no_successful_payment": "cyd", "recompute": "dan"}.get(point.operation, "ada")


def _spare_card(world: World) -> str:
    for method, params in (("create", {"type": "card"}), ("attach", {"customer": "cus_ada"})):
        world.stripe.call(f"payment_methods.{method}", "pm_spare", params, key=None, task=f"w/spare/{method}")
    return "ada"


def _disputed(world: World) -> str:
    world.stripe.dispute("ch_ada_0.1", "w/dispute")
    return "ada"


def _confirmed_unheard(world: World) -> str:
    """An upgrade waits for the bank, which says yes; no webhook tells of it."""
    world.pipe.hold("customer.subscription.updated", "")
    world.pipe.hold("invoice.paid", "")
    world.stripe.challenge("cus_ada")
    ask(world, "dashboard.upgrade", "ada", "before")
    return "ada"


def _left(world: World) -> str:
    ask(world, "dashboard.cancel", "ada", "before")
    return "ada"


_PREPARES: dict[str, Callable[[World], str]] = {
    "choose_method": _spare_card,
    "set_default_method": _spare_card,
    "accept_dispute": _disputed,
    "contest_dispute": _disputed,
    "close_account": _left,
    "erase_profile": _left,
    "confirm": _confirmed_unheard,
    "confirm_payment": _confirmed_unheard,
}
