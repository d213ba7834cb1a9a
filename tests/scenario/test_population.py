"""Populations: the same people under a seed, and all of them healthy at the start."""

from __future__ import annotations

from collections import Counter

from billsim.core.kernel import Unwatched
from billsim.core.policy import HEALTHY
from billsim.core.time import DAY_S
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.population import account_name
from billsim.stripe.objects import Book

from .test_given import disagreements
from .worlds import World

START_S = 20_526 * DAY_S  # 2026-03-14T00:00:00Z


def crowd(seed: int = 0, **fields: object) -> World:
    told = {"accounts": 400, "days": 30, **fields}
    population = Population(**told)  # type: ignore[arg-type]
    return World(Scenario(id="x", population=population, start=START_S * 1000, until=(START_S + 30 * DAY_S) * 1000), seed)


def everything(world: World) -> dict[str, tuple[object, ...]]:
    shards = world.stores.shards
    return {name: (shard.rows, shard.many, *(getattr(shard.stripe, kind) for kind in Book.__slots__)) for name, shard in shards.items()}


def test_a_seed_makes_the_same_people() -> None:
    assert everything(crowd(7)) == everything(crowd(7))
    assert crowd(7).choices.asked == crowd(7).choices.asked
    assert everything(crowd(7)) != everything(crowd(8))


def test_everybody_agrees_with_truth_at_the_start() -> None:
    world = crowd(never_paid=300, second_subscription=300)
    assert list(world.stores.shards) == [f"acct_{n:05d}" for n in range(1, 401)]
    assert [found for shard in world.stores.shards.values() for found in disagreements(shard)] == []
    assert {shard.one("subs_dunning").status for shard in world.stores.shards.values()} == {HEALTHY}
    assert world.outbox.reported == []


def test_one_account_more_changes_nobody_else_s_choices() -> None:
    fewer, more = dict(crowd(3).choices.asked), dict(crowd(3, accounts=401).choices.asked)
    assert fewer.items() <= more.items()
    assert all(label.startswith("w/population/acct_") for label in more)


def test_shares() -> None:
    everybody = crowd(second_subscription=1000, never_paid=1000, declines=0, lost=0)
    assert {len(shard.stripe.subscriptions) for shard in everybody.stores.shards.values()} == {2}
    assert {tuple(shard.all("cf_prod")) for shard in everybody.stores.shards.values()} == {("zone_plan", "addon-2")}
    assert sum(len(shard.stripe.charges) for shard in everybody.stores.shards.values()) == 0
    nobody = crowd(second_subscription=0, never_paid=0)
    assert {len(shard.stripe.subscriptions) for shard in nobody.stores.shards.values()} == {1}


def test_renewals_are_spread_over_the_days() -> None:
    world = crowd(accounts=60, renewal_spread_days=30, second_subscription=0)
    ends = [shard.stripe.subscriptions[f"sub_{name}"].items.data[0].current_period_end for name, shard in world.stores.shards.items()]
    assert Counter((end - START_S) // DAY_S for end in ends) == dict.fromkeys(range(30), 2)


def test_declining_cards_decline_and_recover() -> None:
    world = crowd(accounts=20, declines=1000, lost=0, never_paid=0, declines_days=(2,), second_subscription=0, renewal_spread_days=1)
    world.stripe.resume()
    assert world.kernel.run((START_S + 2 * DAY_S) * 1000, Unwatched(), 100_000)
    states = {shard.stripe.subscriptions[f"sub_{name}"].status for name, shard in world.stores.shards.items()}
    drafts = [invoice.status for shard in world.stores.shards.values() for invoice in shard.stripe.invoices.values()]
    assert states == {"active"} and Counter(drafts) == {"paid": 20, "draft": 20}
    # No webhook is acknowledged here: drafts are finalised after 72 hours, when the funds (2 days) are back.
    assert world.kernel.run((START_S + 5 * DAY_S) * 1000, Unwatched(), 100_000)
    assert {invoice.status for shard in world.stores.shards.values() for invoice in shard.stripe.invoices.values()} == {"paid"}


def test_lost_cards_never_pay() -> None:
    world = crowd(accounts=5, declines=0, lost=1000, never_paid=0, second_subscription=0, renewal_spread_days=1)
    world.stripe.resume()
    assert world.kernel.run((START_S + 8 * DAY_S) * 1000, Unwatched(), 100_000)
    assert {shard.stripe.subscriptions[f"sub_{name}"].status for name, shard in world.stores.shards.items()} == {"past_due"}


def test_names() -> None:
    assert account_name(Population(accounts=1, days=1), 42) == "acct_00042"
    assert account_name(Population(accounts=1, days=1, prefix="team"), 123_456) == "team_123456"
