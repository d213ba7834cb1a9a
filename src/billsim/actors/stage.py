"""What an actor may do in a world: look at Stripe and the clock, ask, call Stripe, and send a request to the platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.pipe.forwarding import Pipe
from billsim.scenario.plan import TimelineRow
from billsim.stores.base import Stores
from billsim.stripe.api import CardBehaviour, Stripe


class Stage(Protocol):
    """The world, as actors see it."""

    kernel: Kernel
    choices: Choices
    stores: Stores
    stripe: Stripe
    pipe: Pipe

    def request(self, kind: str, account: str, name: str, body: dict[str, Any]) -> None:
        """Send a request to the platform: `request.pay`, `request.recompute`, `cron.nightly`."""
        ...

    def announce(self, what: str, account: str, task: str, body: dict[str, Any] | None = None) -> None:
        """Publish a domain event: something of an account has changed (`flags_changed`, `account_type_changed`), or is to (`change_requested`)."""
        ...

    def act(self, actor: str, task: str, function: Callable[[], Any]) -> Any:
        """Do something as `actor`, so that what it changes is recorded as its act. A refusal by Stripe is recorded, and its answer is None."""
        ...

    def customer_of(self, account: str) -> str:
        """The Stripe customer of an account."""
        ...

    def flags_of(self, account: str) -> int:
        """The flags of an account's profile."""
        ...

    def put(self, actor: str, writer: str, task: str, store: str, account: str, key: str | None, fields: dict[str, Any]) -> None:
        """Write a row at once, as an actor whose own handling is not modelled."""
        ...


class Teller(Protocol):
    """Whoever performs rows of a story. `returns_after_ms`: how long the browser of an account is away at a bank that asks to confirm."""

    stage: Stage
    returns_after_ms: dict[str, int]


# Performs a row, under the name of its task without the letter before it.
Action = Callable[[Teller, str, TimelineRow], None]


def new_card(stage: Stage, actor: str, account: str, task: str, behaviour: str) -> str:
    """Give an account's customer a new card (`good`, `declines`, `lost`) and make it the default; its id."""
    customer, card = stage.customer_of(account), made_method(stage, actor, account, task, behaviour)
    stage.act(actor, task, lambda: stage.stripe.call("payment_methods.attach", card, {"customer": customer}, key=None, task=f"{task}/attach"))
    settings = {"invoice_settings": {"default_payment_method": card}}
    stage.act(actor, task, lambda: stage.stripe.call("customers.update", customer, settings, key=None, task=f"{task}/default"))
    return card


def made_method(stage: Stage, actor: str, account: str, task: str, behaviour: str, instrument: str = "card") -> str:
    """The id of a payment method that a browser makes at Stripe, and that is nobody's so far."""
    method = f"pm_{account}.{task.rsplit('/', 1)[-1]}"
    kinds = {"good": "good", "declines": "insufficient_funds", "lost": "lost"}
    stage.stripe.behave(method, CardBehaviour(kinds[behaviour]))  # type: ignore[arg-type]
    stage.act(actor, task, lambda: stage.stripe.call("payment_methods.create", method, {"type": instrument}, key=None, task=f"{task}/create"))
    return method
