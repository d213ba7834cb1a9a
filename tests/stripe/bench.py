"""A simulated Stripe on a bench: one customer, a recorder in place of the world, and an endpoint that answers at once."""

from __future__ import annotations

from typing import Any

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.stripe.api import CardBehaviour, Stripe
from billsim.stripe.objects import (
    Book,
    Card,
    Customer,
    Emitted,
    InvoiceSettings,
    ItemList,
    PaymentMethod,
    Price,
    Subscription,
    SubscriptionItem,
)
from billsim.stripe.settings import StripeSettings

# 2026-03-01T00:00:00Z
START_S = 1_772_323_200
HOUR_S, DAY_S = 3_600, 86_400
BROKE = CardBehaviour("insufficient_funds")
LOST = CardBehaviour("lost")


class Recorder:
    """An Outbox that keeps everything. With `acknowledges`, it answers each event in the instant it comes."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str, Any, Any, str, str]] = []
        self.events: list[Emitted] = []
        self.acknowledges: Stripe | None = None

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        self.changes.append((customer, kind, id, old, new, task, cause))

    def emitted(self, emitted: Emitted) -> None:
        self.events.append(emitted)
        if self.acknowledges is not None:
            self.acknowledges.acknowledged(emitted, emitted.at_ms)


class Bench:
    """Ada pays 20.00 USD a month from 1 March 2026 (`START_S`); her first renewal of the story is due a day later, with a payment method `pm_ada`."""

    def __init__(
        self, settings: StripeSettings | None = None, *, acknowledges: bool = True, seed: int = 1, whole: bool = False, **subscription: Any
    ) -> None:
        self.kernel = Kernel(START_S * 1000)
        self.outbox = Recorder()
        self.stripe = Stripe(self.kernel, Seeded(seed), settings or StripeSettings(), self.outbox, whole=whole)
        self.outbox.acknowledges = self.stripe if acknowledges else None
        self.seed_ada(**subscription)

    def seed_ada(self, **subscription: Any) -> None:
        price = Price(id="price_pro_monthly", created=0, product="zone_plan", unit_amount=2000)
        begun, renews = START_S - 27 * DAY_S, START_S + DAY_S
        item = SubscriptionItem(
            id="si_ada", created=begun, price=price, subscription="sub_ada", current_period_start=begun, current_period_end=renews
        )
        fields = {"status": "active", "items": ItemList((item,)), "billing_cycle_anchor": renews, "start_date": begun, **subscription}
        self.stripe.seed(
            price,
            Customer(id="cus_ada", created=begun, invoice_settings=InvoiceSettings("pm_ada")),
            PaymentMethod(id="pm_ada", created=begun, customer="cus_ada", card=Card()),
            Subscription(id="sub_ada", created=begun, customer="cus_ada", **fields),
        )

    @property
    def book(self) -> Book:
        return self.stripe.books["cus_ada"]

    @property
    def subscription(self) -> Subscription:
        return self.book.subscriptions["sub_ada"]

    def invoice(self, id: str = "in_ada_1") -> Any:
        return self.book.invoices[id]

    def at(self, seconds: int) -> None:
        """Run up to and including `seconds` after the start."""
        instant = (START_S + seconds) * 1000
        self.kernel.run(instant, Unwatched(), 1_000_000)
        self.kernel.move_to(instant)

    def days(self, days: float) -> None:
        """Run up to and including `days` after the start."""
        self.at(int(days * DAY_S))

    def call(self, method: str, id: str = "", params: dict[str, Any] | None = None, *, key: str | None = None, task: str = "e/test/call") -> Any:
        return self.stripe.call(method, id, params or {}, key=key, task=task)

    def types(self) -> list[str]:
        """The types of the events since the last time asked."""
        types = [e.event.type for e in self.outbox.events]
        self.outbox.events.clear()
        return types

    def event(self, type: str) -> Any:
        """The latest event of a type."""
        return next(e.event for e in reversed(self.outbox.events) if e.event.type == type)


def whole() -> Bench:
    """Ada at a Stripe that is as strict, and tells as much, as the API does."""
    return Bench(whole=True)


def owing(settings: StripeSettings | None = None, behaviour: CardBehaviour = BROKE) -> Bench:
    """Ada's card declined the renewal: `in_ada_1` was finalised and first attempted on 2 March 01:00, and the events are cleared."""
    bench = Bench(settings)
    bench.stripe.behave("pm_ada", behaviour)
    bench.stripe.resume()
    bench.at(DAY_S + HOUR_S)
    assert bench.invoice().attempt_count == 1
    bench.types()
    return bench
