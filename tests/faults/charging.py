"""Engines in a world whose Stripe takes the money of a paid invoice again, so that only a client that asks for it once is safe."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.engines import load_engine
from billsim.ports import Message
from billsim.world import World


class Charging:
    """A shipped engine, in such a world."""

    def __init__(self, engine: str) -> None:
        self._inner = load_engine(engine)
        self.name, self.components = engine, self._inner.components

    def wakes(self, message: Message) -> Any:
        return self._inner.wakes(message)

    def alter(self, world: World) -> None:
        perform = world.stripe._perform

        def forgetful(asked: Any, name: str, id: str, *rest: Any) -> Any:
            held = next((book.invoices[id] for book in world.stripe.books.values() if id in book.invoices), None)
            if name == "invoices.pay" and held is not None and held.status == "paid":
                world.stripe.seed(replace(held, status="open", amount_remaining=held.total, amount_paid=0))
            return perform(asked, name, id, *rest)

        world.stripe._perform = forgetful  # type: ignore[method-assign]


def legacy() -> Charging:
    """It pays without an idempotency key."""
    return Charging("legacy")


def recompute() -> Charging:
    """It pays under a key that is the same however often the request comes, and looks first."""
    return Charging("recompute")
