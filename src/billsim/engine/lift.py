"""Makes an engine of what a user brings: a component that handles everything itself, or only the brain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from billsim.core.policy import DunningPolicy
from billsim.engine import orders
from billsim.engine.decide import decide
from billsim.engine.recompute import NO_DOORS, WAKES, Recompute, lent
from billsim.ports import Component, Decides, Doors, Engine, Handles, Message

COMPONENT = "engine"
# The messages that order work of a component that is lent, or tell of it.
_ANNOUNCED = tuple(f"domain.{name}" for name in orders.ANNOUNCED.values())
LENT = {kind: WAKES[kind] for kind in (orders.EMAIL, orders.PLAN_LEVELS, f"domain.{orders.CHANGE_DUE}", *_ANNOUNCED)}
_OWN = (COMPONENT,)


def lift(thing: Handles | Decides, policy: DunningPolicy, *, name: str, doors: Doors = NO_DOORS) -> Engine:
    """An engine named `name` from either form of the port; one that has both `handle` and `decide` is taken to handle.

    Raises TypeError for an object that has neither.
    """
    if isinstance(thing, Handles):
        return Lifted(thing, policy, name)
    if isinstance(thing, Decides):
        return Recompute(policy, name=name, decide=thing.decide, doors=doors)
    raise TypeError(f"{type(thing).__name__} has neither handle(message) nor decide(state, now_ms, policy)")


class Lifted:
    """An engine whose one component, `engine`, is woken by every message but those that order work of what is lent.

    It may start `entitlements`, `invoicing`, `consequences` and `subscriptions_api`, and order e-mail and plan levels (`billsim.engine.orders`).
    """

    def __init__(self, thing: Handles, policy: DunningPolicy, name: str) -> None:
        self.name = name
        own = (Component(COMPONENT, "engine", thing.handle, primary=getattr(thing, "primary", False)), *lent(policy, decide))
        self.components: Mapping[str, Component] = {component.name: component for component in own}

    def wakes(self, message: Message) -> Sequence[str]:
        """The one component: what it ignores is its own business."""
        return LENT.get(message.kind, _OWN)
