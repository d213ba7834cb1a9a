"""A world in which something is planted, and a night of remediation in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.scenario.plan import Remediation
from billsim.scenario.toml_file import loads
from billsim.stores.base import Shard
from billsim.stores.ope import OpeSubscription
from billsim.world import World

STORY = """
id = "x"
start = 2026-03-14T00:00:00Z
until = 2026-03-20T00:00:00Z
given = [ {given} ]
"""
ADA = '{ account = "ada" }'
NIGHT = "2026-03-15"


class Night:
    """A world with remediation, between 2026-03-14 and 2026-03-20. `records` is its trace, from the first night that was kept on."""

    def __init__(self, given: str = ADA, rules: RemediationPolicy | None = None, mode: str = "on", engine: str = "recompute", more: str = "") -> None:
        scenario = loads(STORY.replace("{given}", given) + more)
        scenario = replace(scenario, remediation=Remediation(mode=mode, rules=rules or RemediationPolicy()))
        trace = Trace()
        self.records: list[Any] = []
        trace.sinks = [self.records.extend]
        self.world = World(scenario, load_engine(engine), Seeded(0), trace, DunningPolicy())

    def shard(self, account: str = "ada") -> Shard:
        return self.world.stores.shard(account)

    def bought(self, change: Callable[[OpeSubscription], OpeSubscription], account: str = "ada") -> None:
        """What was bought becomes something else, unheard by anybody."""
        shard = self.shard(account)
        rows = {key: change(row) for key, row in shard.many["ope"].items()}
        shard.many = {**shard.many, "ope": rows}

    def item(self, account: str = "ada", **fields: Any) -> None:
        self.bought(lambda row: replace(row, items=(replace(row.items[0], **fields),)), account)

    def plant(self, store: str, account: str = "ada", **fields: Any) -> None:
        shard = self.shard(account)
        shard.rows = {**shard.rows, store: replace(shard.rows[store], **fields)}

    def run(
        self, stripe: Sequence[Any] = (), www: Sequence[Any] = (), date: str = NIGHT, yesterday: int | None = None, name: str = "driftcontrol"
    ) -> None:
        """Start the job, and let everything that follows come to its end, within an hour."""
        world = self.world
        body = {"date": date, "stripe": list(stripe), "www": list(www), "population": len(world.stores.names), "yesterday": yesterday}
        world.request("cron.driftcontrol", "", f"{name}.{date}", body)
        world.run_until(world.kernel.now + 3_600_000, 1 << 30)

    def result(self, account: str = "ada", key: str = f"{NIGHT}/applystripe") -> dict[str, Any]:
        row = self.shard(account).all("cfbill_migrations_audit")[key]
        return {**msgspec.json.decode(row.result), "failed": row.failed}

    def writers(self, account: str = "ada") -> list[tuple[str, str]]:
        """(component, store) of each write of remediation to the account, but for the audit."""
        self.world.trace.flush()
        own = ("applystripe", "applystripe_entitlements", "auto_resync_www", "driftcontrol")
        wrote = [r for r in self.records if r[0] == "writes" and r.component in own and r.account == account]
        return [(r.component, r.store) for r in wrote if r.store != "cfbill_migrations_audit"]

    @property
    def subscription(self) -> Any:
        return self.shard().stripe.subscriptions["sub_ada"]
