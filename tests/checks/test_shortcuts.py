"""The judge looks only at what may have moved; what it then holds is what it would find if it looked at everything anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from billsim.checks.codes import Fields, Ledger, disagreements
from billsim.checks.copies import Copies
from billsim.checks.judge import Judge, Watch
from billsim.checks.openers import Why
from billsim.checks.truth import truth
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load, names
from billsim.stores.base import Shard
from tests.checks.scene import Scene
from tests.truth_table import ROWS


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """At every step truth, and what disagrees, are held against what a stranger would find; whether anything did."""
    settle, settled = Judge._settle, []

    def watched(judge: Judge, shard: Shard, watch: Watch, now_ms: int, why: Why, held: Mapping[str, str]) -> None:
        mapping = shard.one("subs_customer")
        shared = mapping is not None and len(judge._stores.by_customer.get(mapping.stripe_customer, ())) > 1
        expected, ledger, copies = truth(shard, judge._policy, now_ms, shared), Ledger(), Copies()
        ledger.unhealable, copies.accepted, copies.unbilled = watch.ledger.unhealable, watch.copies.accepted, watch.copies.unbilled
        assert watch.expected == expected
        anew = disagreements(shard, expected, judge._policy, Fields(), ledger, copies, shared)
        assert list(held) == list(anew)
        assert told(held) == told(anew)
        settled.append(bool(held))
        settle(judge, shard, watch, now_ms, why, held)

    monkeypatch.setattr(Judge, "_settle", watched)
    return settled


def told(held: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong by code; a ledger's objects come in the order in which they went wrong."""
    return {code: sorted(what.split(", ")) for code, what in held.items()}


@pytest.mark.parametrize("engine", ["recompute", "legacy", "void_all"])
@pytest.mark.parametrize("seed", [0, 1])
def test_after_each_step_it_holds_what_a_stranger_would_find(engine: str, seed: int, settled: list[bool]) -> None:
    run_scenario(load(find("load/faulty_small")), engine=engine, seed=seed)
    assert settled.count(True) > 200 and settled.count(False) > 200


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
@pytest.mark.parametrize("name", ["tales", "whole", "mixed_small"])
def test_so_it_does_in_worlds_of_all_kinds(name: str, engine: str, settled: list[bool]) -> None:
    for seed in range(12 if name != "mixed_small" else 2):
        run_scenario(load(find(f"fuzz/{name}")), engine=engine, seed=seed)
    assert settled.count(True) > 20 and settled.count(False) > 20


@pytest.mark.parametrize("name", [name for name in names() if not name.startswith(("load/", "fuzz/", "headline/"))])
def test_so_it_does_in_told_scenarios(name: str, settled: list[bool]) -> None:
    scenario = load(find(name))
    for engine in dict.fromkeys(("recompute", *scenario.judge.red_under, "legacy")):
        run_scenario(scenario, engine=engine)
    assert settled


@pytest.mark.parametrize("row", [row for row in ROWS if row.expected.applies], ids=str)
def test_an_account_that_owes_nothing_is_what_all_clauses_say(row: Any) -> None:
    """Something noted that is no consequence shuts the short road."""
    short, long = row.shard(), row.shard()
    long.actions["key of nothing"] = 1
    assert truth(short, row.policy, row.now_ms) == truth(long, row.policy, row.now_ms)


def test_an_object_that_moved_is_compared_again() -> None:
    shard, ledger = Scene("healthy/paid_after_two_failures").shard, Ledger()
    assert ledger.wrong(shard) == ""
    id, invoice = next(iter(shard.stripe.invoices.items()))
    shard.stripe.invoices[id] = msgspec.structs.replace(invoice, amount_paid=invoice.amount_paid + 1)
    ledger.moved[id] = None
    assert ledger.wrong(shard).startswith(f"{id} ") and not ledger.moved
    shard.stripe.invoices[id] = invoice
    ledger.forget()
    assert ledger.wrong(shard) == ""


def test_an_account_that_takes_another_customer_has_its_whole_ledger_compared() -> None:
    scene = Scene("healthy/paid_after_two_failures").begin().after(1)
    id, invoice = next(iter(scene.shard.stripe.invoices.items()))
    scene.shard.stripe.invoices[id] = msgspec.structs.replace(invoice, amount_paid=invoice.amount_paid + 1)
    scene.write("subs_customer", checkout_plan="pro_monthly").look()
    assert "ledger_drift" in scene.codes()


@pytest.mark.parametrize("store", ["subs_dunning", "subs_account", "cf_prod", "stripe.customer", "stripe.invoice"])
def test_a_field_that_moved_is_judged_again(store: str) -> None:
    scene = Scene("healthy/paid_after_two_failures").begin().after(1)
    metadata = {**scene.shard.stripe.customer.metadata, scene.policy.bad_debt_key: "true"}
    moves: dict[str, Callable[[], Any]] = {
        "subs_dunning": lambda: scene.write("subs_dunning", retry_count=7),
        "subs_account": lambda: scene.write("subs_account", flags=scene.policy.bad_debt_flag),
        "cf_prod": lambda: scene.write("cf_prod", "zone_plan", writer="entitlements", plan="free"),
        "stripe.customer": lambda: scene.stripe("customer", "cus_ada", metadata=metadata),
        "stripe.invoice": lambda: scene.stripe("invoice", "in_ada_1", metadata={scene.policy.bad_debt_key: "true"}),
    }
    moves[store]()
    assert scene.look().codes()


def test_what_has_not_moved_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def counted(kind: type, name: str) -> None:
        whole = getattr(kind, name)

        def compare(*given: Any) -> Any:
            compared.append(name)
            return whole(*given)

        monkeypatch.setattr(kind, name, compare)

    counted(Fields, "judge")
    counted(Copies, "differ")
    scene = Scene("healthy/paid_after_two_failures").begin().after(1)
    assert compared == ["judge", "differ"]
    scene.stripe("charge", "ch_ada_1.3", amount_refunded=5).look()
    assert compared == ["judge", "differ"], "a refund moves neither truth nor any of these fields"
    scene.write("subs_dunning", retry_count=7).look()
    assert compared == ["judge", "differ"] * 2
