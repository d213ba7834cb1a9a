"""A facade's counter: its components driven by hand, as `tests.driver` has it, but against the simulated Stripe and the rows of a world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.facade import accounts_svc, invoice_lists, pm_view
from billsim.facade.desk import Serving, shown
from billsim.ports import AccountState, CallStripe, Component, Message, Steps, StripeState
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.stores import stripe_metadata
from billsim.stripe.objects import Book
from billsim.world import World
from tests.driver import Driver

VIEWS = {"view_profile": accounts_svc.view, "view_methods": pm_view.view, "list_invoices": invoice_lists.list_invoices}
START_MS = 1_800_000_000_000


class Counter(Driver):
    """Accounts at the facade of an engine. `answers` are by operation; `ask` sends a request of `ada`'s. Stripe's clock stands still."""

    def __init__(self, *given: GivenAccount, engine: str = "recompute") -> None:
        told = given or (GivenAccount(account="ada"),)
        scenario = Scenario(id="x", given=told, start=START_MS, until=START_MS + 1)
        self.world = World(scenario, load_engine(engine), Seeded(0), Trace(), DunningPolicy())
        super().__init__(self.world.engine, self.world.stores.shard(told[0].account), START_MS)
        self.stores = self.world.stores
        self.stripe = self.world.stripe
        self.calls = 0

    def ask(self, operation: str, request: str = "r1", /, **body: Any) -> Any:
        """The answer to a request; None where there is none."""
        message = Message(request, "e", f"request.{operation}", self.shard.account, self.now_ms, None, body)
        if operation in VIEWS:
            return self._shown(message, VIEWS[operation])
        self.deliver(message)
        return self.answer(operation)

    def _shown(self, message: Message, view: Callable[[Message], Serving]) -> Any:
        answers: list[Any] = []

        def handle(message: Message) -> Steps:
            answers.append((yield from shown(message, view)))

        self._drive(Component("view", "facade", handle), message)
        return answers[0]

    def answer(self, operation: str) -> Any:
        """The last answer to an operation, without the request's name."""
        row = self.shard.all("facade_cache").get(f"answer/{operation}")
        return None if row is None else {name: value for name, value in row.value.items() if name != "request"}

    def at_stripe(self, method: str, id: str = "", **params: Any) -> Any:
        """Somebody else's request to Stripe."""
        self.calls += 1
        return self.stripe.call(method, id, params, key=None, task=f"e/other{self.calls}")

    def browser_makes(self, id: str, type: str = "card") -> str:
        """The browser makes a payment method at Stripe, which is nobody's yet."""
        self.at_stripe("payment_methods.create", id, type=type)
        return id

    def row(self, store: str) -> Any:
        """A row as it stands."""
        return self.shard.one(store)

    @property
    def default(self) -> str | None:
        """The customer's default payment method at Stripe."""
        book = self.booked()
        return None if book is None or book.customer is None else book.customer.invoice_settings.default_payment_method

    def requested(self) -> list[str]:
        """The requests to Stripe that changed something, in order."""
        calls = self.performed(CallStripe)
        return [call.method for call in calls if not call.method.endswith((".retrieve", ".list"))]

    def booked(self) -> Book | None:
        """The account's book at Stripe."""
        mapping = self.row("subs_customer")
        return self.stripe.books.get(mapping.stripe_customer) if mapping is not None else None

    def gathered(self) -> AccountState:
        self.shard.stripe = self.booked()
        self.book = self.shard.stripe or Book("")
        if self.shard.stripe is None:
            state = super().gathered()
            return AccountState(
                state.account, state.dunning, state.profile, state.customer, state.ledger, state.entitlements, state.ope, state.zones, StripeState()
            )
        return super().gathered()

    def _call(self, component: Component, effect: CallStripe) -> Any:
        if "metadata" in effect.params:
            stripe_metadata.check_writer(component.writer)
        self.calls += 1
        return self.stripe.call(effect.method, effect.id, effect.params, key=effect.idempotency_key, task=f"e/call{self.calls}")
