"""An engine in whose world customers keep changing what they have bought: for days, through every door, alone and two at once."""

from __future__ import annotations

from typing import Any

from billsim.core.choices import Options
from billsim.core.policy import DunningPolicy
from billsim.core.time import MINUTE_MS
from billsim.engine.recompute import Recompute
from billsim.facade import doors
from billsim.world import World
from tests.engine.shop import ADD, BUY, CANCEL, DOWNGRADE, LATER, MORE, THERE, TO_YEARLY, UPGRADE

BODIES = (UPGRADE, DOWNGRADE, MORE, BUY, ADD, TO_YEARLY, {**UPGRADE, **LATER}, {**DOWNGRADE, **LATER}, {**MORE, **LATER}, {**CANCEL, **LATER}, CANCEL)
BODY = Options("body", {n: 1 if body["op"] == "cancel" else 4 for n, body in enumerate(BODIES)})
WHEN = Options("when", {minutes: 1 for minutes in range(0, 6 * 24 * 60, 37)})
DOOR = Options("door", {0: 1, 1: 1, 2: 2})
CHANGES = 8


class Changing(Recompute):
    """As `recompute`, in a world that it populates with changes."""

    def alter(self, world: World) -> None:
        """Set the changes of every account on their way."""
        for account in list(world.stores.names):
            for nth in range(CHANGES):
                name = f"{account}.change{nth}"
                at_ms = world.kernel.now + world.choices.ask(f"w/{name}/when", WHEN) * MINUTE_MS
                body = self._body(world, account, name)
                door = world.choices.ask(f"w/{name}/door", DOOR)
                world.kernel.call_at(at_ms, nth, lambda told: self._ask(world, *told), (account, name, body, door))
                if nth % 3 == 0:
                    # Somebody else asks for something within the same second.
                    twin = f"{name}.twin"
                    told = (account, twin, self._body(world, account, twin), 2)
                    world.kernel.call_at(at_ms + 700, nth, lambda told: self._ask(world, *told), told)

    def _body(self, world: World, account: str, name: str) -> dict[str, Any]:
        body = dict(BODIES[world.choices.ask(f"w/{name}/body", BODY)])
        if "subscription" in body:
            body |= {"subscription": f"ope_{account}", "product": body.get("product", "zone_plan")}
        return body

    def _ask(self, world: World, account: str, name: str, body: dict[str, Any], door: int) -> None:
        if door == 0:
            world.request("request.change", account, name, {**body, **THERE, "via": "dashboard", "returns_after_ms": 20_000})
        elif door == 1:
            world.request("request.change", account, name, {**body, "via": "iapi"})
        else:
            world._publish(name, "domain.change_requested", account, body, 0)


def engine() -> Changing:
    """The engine, to be named by its module."""
    policy = DunningPolicy()
    return Changing(policy, name="changing", doors=doors.today(policy))
