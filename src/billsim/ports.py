"""What a component may yield, what it is handed, and what an engine is.

A component is written sans I/O: a generator that *yields* effects and is handed their results. It never touches the kernel, a store, a clock
or a random number itself. Each effect that takes time is a race point: code that reads, waits and writes loses updates exactly where real
code does, and the same component runs in a simulated world, in a replay, or in a unit test that feeds it answers by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from billsim.core.choices import Table
from billsim.core.policy import DunningPolicy
from billsim.stores.base import Change
from billsim.stores.billing_prod import LedgerRow
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow


class Message(msgspec.Struct, frozen=True, gc=False):
    """Something that wakes a component.

    `name` is the path of its causes and `origin` the letter before it (`w` or `e`). `kind` is one of: `stripe.<event type>`,
    `domain.<what changed>`, `boundary` (the delayed message of a decision), `async.<job>` (work that an engine has sent to itself),
    `request.<operation>` (a customer's or operator's act) and `cron.<job>`. `event` is the Stripe event as delivered; `body` holds the parameters
    of a request or domain event.
    """

    name: str
    origin: str
    kind: str
    account: str
    at_ms: int
    event: Any = None
    body: dict[str, Any] = {}


class Effect(msgspec.Struct, frozen=True, gc=False):
    """Something a component wants done."""


class Read(Effect, frozen=True, gc=False):
    """A committed row, or None. In a store of many rows per account and without `key`: a dict of them by key."""

    store: str
    account: str
    key: str | None = None


class Write(Effect, frozen=True, gc=False):
    """Set fields of a row, blind to whoever wrote it since it was read; a missing row is made. Answer: the new row, or None if nothing changed.

    Raises OwnershipError or AppendOnlyError inside the component.
    """

    store: str
    account: str
    fields: dict[str, Any]
    key: str | None = None


class CompareAndSet(Effect, frozen=True, gc=False):
    """Set fields of a row only if it still has this version (0: the row must not be there).

    Answer: the row as it then is, or None for a lost race.
    """

    store: str
    account: str
    version: int
    fields: dict[str, Any]
    key: str | None = None


class Transact(Effect, frozen=True, gc=False):
    """Make several changes to one store, or none of them. Answer: True, or False if a row no longer had the version that its change names.

    Raises as `Write` does.
    """

    store: str
    account: str
    changes: tuple[Change, ...]


class GatherAll(Effect, frozen=True, gc=False):
    """An `AccountState`: every store and Stripe, read side by side, each at its own instant.

    `parts` names the stores to be read, and `stripe.customer`, `stripe.subscription`, `stripe.invoice` for Stripe's; () reads all.
    What is not read is empty.
    """

    account: str
    parts: tuple[str, ...] = ()


class Scan(Effect, frozen=True, gc=False):
    """A tuple of the rows, over all accounts, whose fields are among the values given: `{"status": ("retrying", "delinquent")}`."""

    store: str
    where: dict[str, tuple[Any, ...]]


class CallStripe(Effect, frozen=True, gc=False):
    """A request to Stripe, by resource and method: `invoices.pay`, `customers.update`. Answer: Stripe's object.

    `id` is the object acted upon. Raises StripeError inside the component.
    """

    method: str
    account: str
    id: str
    params: dict[str, Any] = {}
    idempotency_key: str | None = None


class Send(Effect, frozen=True, gc=False):
    """Publish to `domain-events`, or to `async-processing` where `kind` begins with `async.`: `kind` and `body` of the message.

    `due_ms` delays it to an instant. Answer: None.
    """

    kind: str
    account: str
    body: dict[str, Any] = {}
    due_ms: int = 0


class Start(Effect, frozen=True, gc=False):
    """Start another component, under its own name and right to write, with a message. `wait`: resume when it has ended. Answer: None."""

    component: str
    account: str
    kind: str
    body: dict[str, Any] = {}
    event: Any = None
    wait: bool = True


class Act(Effect, frozen=True, gc=False):
    """Execute a consequence in the outside world: `notify`, `flag`, `cancel`, `ban` or `unban`.
    Answer: True if executed, False if `key` had been executed before.

    `debt` is the invoice that it is about and `step` what it says (`retrying`, `delinquent`, `bad_debt`, `recovered`).
    Without a `key` nothing protects from a second execution.
    """

    kind: str
    account: str
    debt: str
    step: str
    key: str | None = None


class Sleep(Effect, frozen=True, gc=False):
    """Wait this many simulated milliseconds."""

    ms: int


class Ask(Effect, frozen=True, gc=False):
    """An open question of the component's own; its label is the running task's name and `kind`."""

    kind: str
    table: Table


class Now(Effect, frozen=True, gc=False):
    """The simulated instant, in milliseconds."""


class StripeState(msgspec.Struct, frozen=True, gc=False):
    """A customer at Stripe, as a gather saw it; each dict is by id, in order of creation."""

    customer: Any = None
    payment_methods: dict[str, Any] = {}
    subscriptions: dict[str, Any] = {}
    invoices: dict[str, Any] = {}
    payment_intents: dict[str, Any] = {}
    charges: dict[str, Any] = {}


class AccountState(msgspec.Struct, frozen=True, gc=False):
    """All that is stored of one account. A missing row is None; the dicts are by key. `shared_with` lists other accounts on the same Stripe
    customer.
    """

    account: str
    dunning: DunningRow | None
    profile: AccountRow | None
    customer: CustomerRow | None
    ledger: dict[str, LedgerRow]
    entitlements: dict[str, EntitlementRow]
    ope: dict[str, OpeSubscription]
    zones: dict[str, ZoneRow]
    stripe: StripeState
    shared_with: tuple[str, ...] = ()


class Consequence(msgspec.Struct, frozen=True, gc=False):
    """A typed action that a decision calls for. `key` is made of the debt and the step; `subscription` is the OPE key that a `cancel` is for."""

    kind: str
    debt: str
    step: str
    key: str
    subscription: str = ""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What an account's derived fields should be.

    `metadata` holds the governed keys of the customer (absent: the key must not be there), `invoice_metadata` those of each invoice that has or
    should have any; `entitlements` the plan of each product; `consequences` what is called for and not yet done; `next_boundary_ms` the next
    instant at which the decision changes by the clock alone. `voids` lists invoices to void at Stripe. `applies` False: nothing may be written.
    """

    status: str
    retry_count: int = 0
    escalation_level: int = 0
    bad_debt: bool = False
    no_successful_payment: bool = False
    metadata: dict[str, str] = {}
    invoice_metadata: dict[str, dict[str, str]] = {}
    entitlements: dict[str, str] = {}
    consequences: tuple[Consequence, ...] = ()
    next_boundary_ms: int | None = None
    voids: tuple[str, ...] = ()
    applies: bool = True


Steps = Generator[Effect, Any, None]
Handler = Callable[[Message], Steps]


class Component(msgspec.Struct, frozen=True):
    """A named part of an engine. `writer` is its identity before the stores: `engine`, `facade`, `entitlements`, `pipe`, `www_sync`.

    `primary`: what it reads comes from each store's primary, and never from a replica, which may be behind.
    """

    name: str
    writer: str
    handle: Handler
    primary: bool = False


class Doors(msgspec.Struct, frozen=True):
    """Components that stand before an engine, such as the facade's, and what wakes them: kinds of messages -> names."""

    components: tuple[Component, ...] = ()
    wakes: Mapping[str, tuple[str, ...]] = {}


class Engine(Protocol):
    """What a world runs: components by name, and which of them a message wakes, in order."""

    name: str
    components: Mapping[str, Component]

    def wakes(self, message: Message) -> Sequence[str]:
        """The names of the components that `message` wakes; none means that it is ignored."""
        ...


@runtime_checkable
class Handles(Protocol):
    """The first form of the port for one's own engine: one component that says itself what it reads, writes and calls."""

    def handle(self, message: Message) -> Steps:
        """Handle any message."""
        ...


@runtime_checkable
class Decides(Protocol):
    """The second form: only the brain, a pure function, to which billsim lends its own gather and apply."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """What the account's derived fields should be."""
        ...
