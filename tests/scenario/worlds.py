"""An empty world to place accounts in: stores, a simulated Stripe that reports nothing, and truth."""

from __future__ import annotations

from typing import Any

from billsim import stores
from billsim.checks.truth import Expected, truth
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel
from billsim.core.policy import DunningPolicy
from billsim.scenario.given import place
from billsim.scenario.plan import Scenario
from billsim.scenario.population import populate
from billsim.stores.base import Shard
from billsim.stripe.api import Stripe
from billsim.stripe.objects import Emitted

POLICY = DunningPolicy()


class Outbox:
    """Notes what Stripe reports; a backstory must leave it empty."""

    def __init__(self) -> None:
        self.reported: list[Any] = []

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        self.reported.append((kind, id))

    def emitted(self, emitted: Emitted) -> None:
        self.reported.append(emitted)


def expected(shard: Shard, now_ms: int) -> Expected:
    """Truth under the default policy."""
    return truth(shard, POLICY, now_ms)


class World:
    """A scenario's accounts, placed."""

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        self.scenario = scenario
        self.stores = stores.empty()
        self.outbox = Outbox()
        self.choices = Seeded(seed)
        self.kernel = Kernel(scenario.start)
        self.stripe = Stripe(self.kernel, self.choices, scenario.stripe, self.outbox)
        place(scenario, self.stores, self.stripe, POLICY, expected)
        populate(scenario, self.stores, self.stripe, self.choices, POLICY, expected)

    def shard(self, account: str) -> Shard:
        return self.stores.shards[account]
