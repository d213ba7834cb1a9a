"""Accounts that owe nothing sleep until somebody asks for them. Nothing in a world tells whether, or when, one was woken."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from billsim import run
from billsim.checks.judge import Judge
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel
from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING
from billsim.core.time import DAY_S, HOUR_MS
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.run import RunResult, run_scenario
from billsim.scenario.paid_up import Sleepers
from billsim.scenario.plan import GivenAccount, Population, Scenario
from billsim.scenario.toml_file import find, load, loads
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import StripeError
from billsim.world import World as Platform

from .worlds import POLICY, World

START_S = 20_513 * DAY_S  # 2026-03-01T00:00:00Z
STORY = """
timeline = [
  { at = 2026-03-01T10:00:00Z, by = "acct_00007", do = "update_card", card = "good" },
  { at = 2026-03-01T11:00:00Z, by = "acct_00008", do = "update_card", card = "declines" },
]
"""

CROWDS: list[dict[str, Any]] = [{"second_subscription": 300, "renewal_spread_days": 4}, {"people": "saas", "accounts": 300}]


def crowd(seed: int = 0, given: tuple[GivenAccount, ...] = (), **fields: Any) -> World:
    population = Population(**{"accounts": 60, "days": 1, **fields})
    return World(Scenario(id="x", given=given, population=population, start=START_S * 1000, until=(START_S + DAY_S) * 1000), seed)


def asleep(world: World) -> int:
    return sum(world.stores.sleeps(name) for name in world.stores.names)


def day(accounts: int = 400) -> Scenario:
    """A day out of the data file, in which some wake in the middle of a step of Stripe's."""
    scenario = load(find("load/day_50k"))
    assert scenario.population is not None
    return replace(scenario, population=replace(scenario.population, accounts=accounts))


def month(accounts: int = 60) -> Scenario:
    """Weeks of a made population, with dunning, customers who answer, and every fault."""
    scenario = load(find("load/faulty_small"))
    assert scenario.population is not None
    return replace(scenario, until=scenario.start + 40 * 24 * HOUR_MS, population=replace(scenario.population, accounts=accounts, days=40))


def told() -> Scenario:
    """Two rows of a story that touch accounts of a population before Stripe does."""
    text = 'id = "x"\nstart = 2026-03-01T00:00:00Z\n' + STORY + "[population]\naccounts = 40\ndays = 3\nrenewal_spread_days = 4\n"
    return loads(text)


# -- what wakes an account ---------------------------------------------------------------------------------------------------------------


def test_nobody_is_built_before_somebody_asks() -> None:
    world = crowd()
    assert asleep(world) == len(world.stores.names) == 60
    assert (world.stores.awake(), world.stores.by_customer, world.stripe.books) == ([], {}, {})
    shard = world.stores.shard("acct_00042")
    assert (asleep(world), world.stores.awake()) == (59, [shard])
    assert world.stores.by_customer == {"cus_acct_00042": ("acct_00042",)} and shard.stripe is world.stripe.books["cus_acct_00042"]
    assert world.stores.shard("acct_00042") is shard


def ask(world: World, method: str, id: str, **params: Any) -> Any:
    return world.stripe.call(method, id, params, key=None, task="w/test")


ROADS: dict[str, Callable[[World], Any]] = {
    "shard": lambda world: world.stores.shard("acct_00007"),
    "get": lambda world: world.stores.get("acct_00007"),
    "row": lambda world: world.stores.read("subs_account", "acct_00007"),
    "rows": lambda world: world.stores.read("cf_prod", "acct_00007"),
    "version": lambda world: world.stores.version("ope", "acct_00007", "ope_acct_00007"),
    "write": lambda world: world.stores.write("facade", "subs_account", "acct_00007", None, {"flags": 9}, 0),
    "mapping": lambda world: world.stores.write("facade", "subs_customer", "ada", None, {"stripe_customer": "cus_acct_00007"}, 0),
    "customer": lambda world: ask(world, "customers.retrieve", "cus_acct_00007"),
    "subscription": lambda world: ask(world, "subscriptions.retrieve", "sub_acct_00007"),
    "second": lambda world: ask(world, "subscriptions.retrieve", "sub_acct_00007-2"),
    "invoice": lambda world: ask(world, "invoices.retrieve", "in_acct_00007_0"),
    "charge": lambda world: ask(world, "charges.retrieve", "ch_acct_00007_0.1"),
    "intent": lambda world: ask(world, "payment_intents.retrieve", "pi_acct_00007_0"),
    "method": lambda world: ask(world, "payment_methods.retrieve", "pm_acct_00007"),
    "list": lambda world: ask(world, "invoices.list", "", customer="cus_acct_00007"),
    "attach": lambda world: (
        ask(world, "payment_methods.create", "pm_new", type="card"),
        ask(world, "payment_methods.attach", "pm_new", customer="cus_acct_00007"),
    ),
    "card": lambda world: world.stripe.behave("pm_acct_00007", CardBehaviour("lost")),
}


@pytest.mark.parametrize("road", ROADS)
def test_whoever_asks_for_one_wakes_that_one_alone(road: str) -> None:
    world = crowd(second_subscription=1000)
    ROADS[road](world)
    assert not world.stores.sleeps("acct_00007") and asleep(world) == 59


EVERYBODY: dict[str, Callable[[World], Any]] = {
    "shards": lambda world: world.stores.shards,
    "snapshot": lambda world: world.stores.snapshot(),
    "scan": lambda world: list(world.stores.scan("subs_account", {"flags": (9,)})),
    "healthy": lambda world: list(world.stores.scan("subs_dunning", {"status": (HEALTHY, BAD_DEBT)})),
    "list": lambda world: ask(world, "invoices.list", "", limit=1),
}


@pytest.mark.parametrize("road", EVERYBODY)
def test_whoever_asks_for_all_wakes_all(road: str) -> None:
    world = crowd()
    EVERYBODY[road](world)
    assert asleep(world) == 0 and len(world.stripe.books) == 60


def test_a_list_of_who_owes_wakes_nobody() -> None:
    world = crowd(people="saas", accounts=400)
    owing = {row.account for row in world.stores.scan("subs_dunning", {"status": (RETRYING, DELINQUENT, BAD_DEBT)})}
    assert owing == {shard.account for shard in world.stores.awake()} and 0 < len(owing) == 400 - asleep(world)
    assert list(world.stores.scan("subs_dunning", {"retry_count": (1, 2, 3), "status": (HEALTHY,)})) == [] and asleep(world) == 400 - len(owing)


def test_what_nobody_has_wakes_nobody() -> None:
    world = crowd()
    for id in ("cus_acct_00061", "cus_ada", "in_acct_0007_0", "price_gold", "pm_", ""):
        with pytest.raises(StripeError):
            ask(world, "customers.retrieve", id or "cus_")
    assert world.stores.read("subs_account", "ada") is None and world.stores.get("ada") is None
    assert asleep(world) == len(world.stores.names) == 60


def test_waking_keeps_the_order_in_which_accounts_came() -> None:
    names = [f"acct_{n:05d}" for n in range(1, 61)]
    world = crowd()
    for name in ("acct_00050", "acct_00003", "acct_00020"):
        world.stores.shard(name)
    assert [shard.account for shard in world.stores.awake()] == ["acct_00003", "acct_00020", "acct_00050"]
    assert list(world.stores.shards) == list(world.stores.names) == names


def test_lists_of_everybody_do_not_depend_on_who_woke_first() -> None:
    first, second = crowd(), crowd()
    first.stores.shard("acct_00050")
    second.stores.wake_all()
    pages = [ask(world, "subscriptions.list", "", limit=100).data for world in (first, second)]
    assert pages[0] == pages[1] and len(pages[0]) >= 60


def test_a_told_account_is_as_told() -> None:
    """One that is called like somebody in the population, and one that stands on the customer of somebody in it."""
    rows = {"subs_customer": {"stripe_customer": "cus_acct_00009"}}
    world = crowd(given=(GivenAccount(account="acct_00004", failed_attempts=2), GivenAccount(account="ada", stripe_customer=False, rows=rows)))
    assert len(world.stores.names) == 61 and world.stores.shard("acct_00004").one("subs_dunning").status == RETRYING
    assert world.stores.by_customer["cus_acct_00009"] == ("ada", "acct_00009") and not world.stores.sleeps("acct_00009")
    assert asleep(world) == 58


def test_everything_is_asked_at_the_start() -> None:
    for fields in CROWDS:
        world = crowd(**fields)
        before = list(world.choices.asked)
        world.stores.wake_all()
        assert world.choices.asked == before and len(before) > 60


# -- timers ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", CROWDS, ids=["made", "people"])
def test_who_sleeps_renews_when_who_is_awake_would(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same timers, of the same rank, whether the subscription is there or not; and none beyond the end."""
    call_at: list[tuple[int, int, Any]] = []
    monkeypatch.setattr(Kernel, "call_at", lambda _kernel, at_ms, rank, _function, what, **_: call_at.append((at_ms, rank, what)))
    lazy, awake = crowd(3, **fields), crowd(3, **fields)
    awake.stores.wake_all()
    awake.stripe._backend._expected.clear()
    lazy.stripe.resume(lazy.scenario.end)
    timers = sorted(call_at)
    call_at.clear()
    awake.stripe.resume(awake.scenario.end)
    assert sorted(call_at) == timers and asleep(lazy) > 0
    subscriptions = sum(len(book.subscriptions) for book in awake.stripe.books.values())
    assert 0 < len(timers) < subscriptions and timers[-1][0] <= lazy.scenario.end


# -- whole worlds ------------------------------------------------------------------------------------------------------------------------


def run_with(scenario: Scenario, engine: str, monkeypatch: pytest.MonkeyPatch, wake: Callable[[pytest.MonkeyPatch], None] | None) -> RunResult:
    with monkeypatch.context() as patch:
        if wake is not None:
            wake(patch)
        return run_scenario(scenario, seed=5, engine=engine, bodies=False, keep_records=True)


def before_the_judge(patch: pytest.MonkeyPatch) -> None:
    """Everybody is awake when the judge begins, as where nothing is lazy."""
    begin = Judge.begin

    def awake(judge: Judge, now_ms: int) -> None:
        judge._stores.wake_all()
        begin(judge, now_ms)

    patch.setattr(Judge, "begin", awake)


def at_the_start(patch: pytest.MonkeyPatch) -> None:
    """Everybody is woken, one after the other, when the world stands."""
    make = Platform

    def awake(*args: Any, **kwargs: Any) -> Platform:
        world = make(*args, **kwargs)
        for name in reversed(list(world.stores.names)):
            world.stores.get(name)
        return world

    patch.setattr(run, "World", awake)


def in_the_middle(patch: pytest.MonkeyPatch) -> None:
    """Somebody wakes after every fiftieth step."""
    step, steps = Platform.after_step, count(1)

    def awake(world: Platform) -> None:
        step(world)
        nth = next(steps)
        sleeping = [name for name in world.stores.names if world.stores.sleeps(name)] if nth % 50 == 0 else []
        if sleeping:
            world.stores.shard(sleeping[nth % len(sleeping)])

    patch.setattr(Platform, "after_step", awake)


def figures(result: RunResult) -> dict[str, Any]:
    clocks = ("wall_s", "build_s", "recompute")
    return {key: value for key, value in result.data.items() if key not in clocks}


@pytest.mark.parametrize("engine", ["recompute", "legacy", "noop", "all_bad"])
@pytest.mark.parametrize("scenario", [day(), month(), told()], ids=["day", "month", "told"])
def test_a_world_does_not_tell_who_was_awake(scenario: Scenario, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = run_with(scenario, engine, monkeypatch, None)
    for wake in (before_the_judge, at_the_start, in_the_middle):
        other = run_with(scenario, engine, monkeypatch, wake)
        assert (figures(other), other.drift, other.records) == (figures(lazy), lazy.drift, lazy.records)
    assert scenario.population is not None
    assert lazy.data["accounts"] == scenario.population.accounts and len(lazy.records) > 300


@pytest.mark.parametrize("scenario", [day(2_000), month(300)], ids=["day", "month"])
def test_whoever_wakes_agrees_with_truth(scenario: Scenario) -> None:
    """The judge meets them as of the start, and finds nothing to say; no clock moves their truth."""
    world = Platform(scenario, load_engine("recompute", POLICY, scenario.stripe), Seeded(9), Trace(), POLICY, bodies=False)
    clock, sleeping = list(world.judge._clock), [name for name in world.stores.names if world.stores.sleeps(name)]
    assert len(sleeping) >= scenario.population.accounts * 9 // 10  # type: ignore[union-attr]
    for name in sleeping:
        watch = world.stores.shard(name).judged
        assert (watch.open, watch.expected.applies, watch.expected.status, watch.expected.consequences) == ({}, True, HEALTHY, ())
    assert world.judge._clock == clock and world.judge.finish(world.kernel.now).unhealable == 0


def test_a_recorded_run_is_looked_into_without_a_question_off_its_tape() -> None:
    """Whoever slept all along in the recorded run can be looked at: what is known of them was asked at the start."""
    scenario = day(200)
    kept = run_scenario(scenario, seed=2, bodies=False, keep_tape=True)
    assert kept.tape is not None
    look: Callable[[Platform], list[str]] = lambda world: [shard.account for shard in world.stores.shards.values()]  # noqa: E731
    names, off_tape = run.look_at(scenario, scenario.start + HOUR_MS, look, seed=2, engine="recompute", tape=dict(kept.tape), strict=True)
    assert len(names) == 200 and off_tape == 0


def test_a_closed_world_lets_go_of_who_slept() -> None:
    scenario = day(50)
    world = Platform(scenario, load_engine("recompute", POLICY, scenario.stripe), Seeded(9), Trace(), POLICY, bodies=False)
    stores = world.stores
    world.close()
    assert list(stores.names) == [] and stores.get("acct_00001") is None


@pytest.mark.parametrize("fields", CROWDS)
def test_who_never_woke_is_let_go_of_with_the_world_and_without_a_search_for_cycles(fields: dict[str, Any]) -> None:
    scenario, before = crowd(**fields).scenario, gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        run_scenario(scenario)
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Sleepers)]
    finally:
        gc.enable()
    assert gc.get_threshold() == before
