"""Whole worlds, made and run: what a fuzzing campaign and a day of 50,000 accounts pay for each."""

from __future__ import annotations

from itertools import count
from typing import Any

from msgspec.structs import replace

from billsim import stores
from billsim.bench import SMALL
from billsim.checks.truth import Expected, truth
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel
from billsim.core.policy import DunningPolicy
from billsim.run import run_scenario
from billsim.scenario.population import populate
from billsim.scenario.toml_file import find, load
from billsim.stores.base import Shard
from billsim.stripe.api import Stripe

ACCOUNTS = 2_000
POLICY = DunningPolicy()


class Deaf:
    """An outbox that nobody listens to."""

    def changed(self, *_: object) -> None:
        """Nothing."""

    def emitted(self, *_: object) -> None:
        """Nothing."""


def expected(shard: Shard, now_ms: int) -> Expected:
    """Truth under the default policy."""
    return truth(shard, POLICY, now_ms)


def test_small_world(benchmark: Any) -> None:
    """Three accounts, some 60 Stripe events, checks on, bodies off; a seed of its own each."""
    seeds = count()
    result = benchmark(lambda: run_scenario(SMALL, seed=next(seeds), bodies=False))
    assert result.verdict == "holds"


def test_making_the_people(benchmark: Any) -> None:
    """2,000 accounts out of the data file, into the stores and to Stripe."""
    day = load(find("load/day_50k"))
    assert day.population is not None
    day = replace(day, population=replace(day.population, accounts=ACCOUNTS))

    def make() -> int:
        kernel, choices, made = Kernel(day.start), Seeded(0), stores.empty()
        populate(day, made, Stripe(kernel, choices, day.stripe, Deaf()), choices, POLICY, expected)
        return len(made.shards)

    assert benchmark(make) == ACCOUNTS
