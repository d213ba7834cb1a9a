"""The 27 handlers: real event types, payloads that hold what they resolve by, and writes that stay within what is said of them."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.trace import Trace, WriteRecord
from billsim.engines import load_engine
from billsim.pipe.handler_registry import HANDLERS
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load, loads, names
from billsim.scenario.vocabulary import EVENT_TYPES
from billsim.stores import SCHEMAS
from billsim.stripe.objects import Emitted
from billsim.world import World

DATA = Path(os.environ.get("BILLSIM_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
FIXTURES = DATA / "stripe-fixtures3-2026-08.json"
NAMED = {
    "customer.subscription.updated": "subscriptions",
    "customer.subscription.deleted": "subscriptions",
    "invoice.paid": "dunning",
    "invoice.payment_failed": "dunning",
    "invoice.finalized": "dunning",
    "mandate.updated": "mandates",
    "setup_intent.succeeded": "mandates",
    "customer.updated": "customers",
    "customer.source.updated": "customers",
}
# The resource that an event type's payload is, where it is not the first part of the type.
RESOURCE = {"customer.subscription": "subscription", "customer.source": "card", "charge.dispute": "dispute"}


def test_there_are_27_and_the_nine_that_the_platform_names_are_routed_as_it_says() -> None:
    assert len(HANDLERS) == 27
    assert {event: HANDLERS[event].route for event in NAMED} == NAMED


def test_each_is_an_event_type_of_stripes_and_writes_known_stores() -> None:
    assert set(HANDLERS) <= set(EVENT_TYPES)
    for handler in HANDLERS.values():
        assert handler.route and set(handler.may_write) <= {*SCHEMAS, "stripe_metadata", "stripe"}, handler


def test_every_wake_up_of_both_engines_can_come_through() -> None:
    """`invoice.updated` is left out: an engine that listens to it hears nothing, for every change that it tells of has an event of its own."""
    from billsim.engine.recompute import WAKES
    from billsim.facade.doors import OF_BEFORE, TODAY
    from billsim.legacy.engine import WAKES as LEGACY_WAKES

    heard = {kind.removeprefix("stripe.") for kind in (*WAKES, *LEGACY_WAKES, *TODAY, *OF_BEFORE) if kind.startswith("stripe.")}
    assert heard - set(HANDLERS) <= {"invoice.updated"}


@pytest.mark.skipif(not FIXTURES.exists(), reason="Stripe's sample resources are not beside the repository")
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=list(HANDLERS))
def test_what_it_resolves_by_stands_in_stripes_own_sample(handler: Any) -> None:
    resources = json.loads(FIXTURES.read_text(encoding="utf-8"))["resources"]
    prefix = handler.event_type.rpartition(".")[0]
    assert handler.resolves_by in resources[RESOURCE.get(prefix, prefix)]


class Overheard(World):
    """A world that keeps what Stripe emits."""

    def emitted(self, emitted: Emitted) -> None:
        self.__dict__.setdefault("heard", []).append(emitted)
        super().emitted(emitted)


def test_the_customer_that_the_pipe_goes_by_is_the_one_that_the_payload_names() -> None:
    scenario = load(find("load/small"))
    policy = DunningPolicy(max_attempts=scenario.stripe.max_attempts)
    world = Overheard(scenario, load_engine("recompute", policy, scenario.stripe), Seeded(0), Trace(), policy)
    world.run_until(scenario.until, 10**9)
    seen = set()
    for emitted in vars(world)["heard"]:
        handler = HANDLERS.get(emitted.event.type)
        if handler is not None and handler.resolves_by in ("customer", "id"):
            assert getattr(emitted.event.data.object, handler.resolves_by) == emitted.customer
            seen.add(handler.event_type)
    assert {"invoice.paid", "invoice.payment_failed", "customer.updated", "charge.failed"} <= seen


def written_by(records: list[Any]) -> dict[str, set[str]]:
    """The stores written by whatever an event woke and by what that started in turn, by event type."""
    woken = {r.name: r.kind for r in records if r[0] == "messages" and r.what == "emitted"}
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if isinstance(record, WriteRecord) and record.task.startswith("e/") and (kind := woken.get(record.task.split("/")[1])):
            found[kind].add(_store(record))
    return found


def _store(record: WriteRecord) -> str:
    if not record.store.startswith("stripe."):
        return record.store
    old, new = record.old, record.new
    same = old is not None and {f for f in old.__struct_fields__ if getattr(old, f) != getattr(new, f)} <= {"metadata"}
    return "stripe_metadata" if same else "stripe"


@pytest.mark.parametrize("engine", ["legacy", "recompute"])
def test_what_an_event_wakes_writes_only_what_its_handler_may(engine: str) -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for name in [name for name in names() if name.startswith("dunning/") or name == "load/small"]:
        for event, stores in written_by(run_scenario(load(find(name)), engine=engine, keep_records=True).records).items():
            found[event] |= stores
    for event, stores in found.items():
        assert stores <= set(HANDLERS[event].may_write), event
    assert {"subs_dunning", "subs_account", "stripe_metadata", "cf_prod", "stripe"} <= found["invoice.payment_failed"]


def test_an_event_whose_handler_no_engine_listens_to_ends_as_handled_without_effect() -> None:
    """A bank that wants a confirmation makes Stripe tell of the payment intent too: both engines leave that to `invoice.*`."""
    story = loads(
        """
        id = "pipe/unheard"
        start = 2026-03-14T00:00:00Z
        given = [ { account = "ada", failed_attempts = 2 } ]
        timeline = [ { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "requires_action" } ]
        """
    )
    for engine in ("legacy", "recompute"):
        records = run_scenario(story, engine=engine, keep_records=True).records
        name = next(r.name for r in records if r[0] == "messages" and r.kind == "payment_intent.requires_action")
        assert [r.what for r in records if r[0] == "messages" and r.name == name] == ["emitted", "delivered", "finished"]
        assert not [r for r in records if isinstance(r, WriteRecord) and name in (r.task, r.cause)]


CHALLENGED = """
    id = "pipe/challenged"
    start = 2026-03-14T00:00:00Z
    given = [ { account = "ada", failed_attempts = 8 } ]
    timeline = [
      { at = 2026-03-14T01:00:00Z, by = "bank", do = "challenge", account = "ada", returns_after_s = 3600 },
      { at = 2026-03-14T02:00:00Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" },
    ]
"""


def test_a_wait_for_the_banks_confirmation_moves_truth_and_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delinquent becomes retrying while the bank waits; of what Stripe sends then, the brain listens to `invoice.payment_action_required` alone."""
    assert run_scenario(loads(CHALLENGED), engine="recompute").data["drift"]["opened"] == 0
    monkeypatch.delitem(HANDLERS, "invoice.payment_action_required")
    assert run_scenario(loads(CHALLENGED), engine="recompute").data["drift"]["opened"] > 0


def test_the_median_from_stripe_to_the_engine_is_measured_and_under_a_second() -> None:
    for engine in ("legacy", "recompute"):
        measured = run_scenario(load(find("load/small")), engine=engine).data["pipe_latency_ms"]
        assert 100 < measured["p50"] < 1_000 and measured["p50"] < measured["p99"] < 10_000
