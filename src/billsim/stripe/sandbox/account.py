"""The account: its customers in parts with a time of their own, what belongs to all of them, and the requests to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from xxhash import xxh3_128_hexdigest

from billsim.core.choices import Seeded
from billsim.core.ids import short
from billsim.core.kernel import Kernel
from billsim.core.time import DAY_S
from billsim.stripe.api import CardBehaviour, Stripe
from billsim.stripe.lists import Page
from billsim.stripe.objects import Book, Emitted, Event, EventData, EventRequest, Price, StripeError
from billsim.stripe.objects.account import TestClock, WebhookEndpoint
from billsim.stripe.params import refusal
from billsim.stripe.sandbox.clocks import Clocks, Part
from billsim.stripe.sandbox.ids import PublicIds
from billsim.stripe.sandbox.outgoing import Delivery, Outgoing
from billsim.stripe.settings import StripeSettings
from billsim.stripe.wire.door import Door, Request, Response
from billsim.stripe.wire.render import render_event
from billsim.stripe.wire.routes import Route

START_S = 1_767_225_600
"""2026-01-01T00:00:00Z"""
_SHELVES = tuple(name for name in Book.__slots__ if name not in ("id", "customer"))
# Parameters that say whose part of the account a request is about, where it names no object itself.
_OWNERS = ("customer", "subscription", "invoice", "subscription_item", "charge", "payment_intent", "setup_intent", "payment_method")
# How ids of what requests make begin.
_PREFIXES = {
    "customers.create": "cus",
    "customers.payment_sources.create": "card",
    "customers.balance_transactions.create": "cbtxn",
    "sources.create": "src",
    "payment_methods.create": "pm",
    "products.create": "prod",
    "prices.create": "price",
    "subscriptions.create": "sub",
    "subscription_items.create": "si",
    "invoices.create": "in",
    "invoice_items.create": "ii",
    "payment_intents.create": "pi",
    "setup_intents.create": "seti",
    "charges.create": "ch",
    "refunds.create": "re",
    "credit_notes.create": "cn",
}


class Moment(Protocol):
    """A datetime."""

    @property
    def tzinfo(self) -> Any:
        """Its time zone, which it must have."""
        ...

    def timestamp(self) -> float:
        """Its seconds since the epoch."""
        ...


class Sandbox:
    """A simulated Stripe account. `start` is its first instant (unix seconds, or a datetime with a time zone), `seed` decides ids and whatever Stripe
    leaves open, `settings` how its retry schedule and limits are set up.

    Time stands still until `advance` moves it; customers of a test clock live by that. What real customers and banks do has methods here.
    """

    def __init__(self, *, seed: int = 0, start: int | Moment = START_S, settings: StripeSettings | None = None) -> None:
        self._choices = Seeded(seed)
        self._choices.taped = False
        self._settings = settings or StripeSettings()
        self._ids = PublicIds(seed)
        self._within: dict[str, str] = {}
        self._clock_of: dict[str, str] = {}
        self._changes = self._performed = self._asked = self._told = 0
        self._asking = EventRequest()
        self._main: Part = self._part(_seconds(start), "")
        self._outgoing = Outgoing(self._page)
        self._clocks = Clocks(self._part, self._tell_of_clock, self._page)
        self.view = _View(self)
        self.door = Door(self)

    # -- for whoever owns it

    @property
    def now_s(self) -> int:
        """The account's instant, in unix seconds; test clocks have their own."""
        return self._main.kernel.now // 1000

    def handle(self, request: Request) -> Response:
        """Answer a request to the API; never raises."""
        return self.door.handle(request)

    def advance(self, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0) -> None:
        """Let time pass, and everything happen that is due: renewals, retries, expiries. Customers of test clocks stay where they are."""
        step = days * DAY_S + (hours * 60 + minutes) * 60 + seconds
        if step < 0:
            raise ValueError("time moves forward only")
        self._main.run(self.now_s + step)

    def deliveries(self) -> list[Delivery]:
        """The events that are to be posted to webhook endpoints and were not asked for yet, in the order in which they happened."""
        return self._outgoing.deliveries(self.outward)

    def listen(self, url: str, events: Sequence[str] = ("*",), *, secret: str = "") -> str:
        """Send events there, as if an endpoint had been made through the API; answers the secret that it is to verify with. Raises StripeError."""
        made = self._endpoint({"url": url, "enabled_events": list(events)}, secret)
        self._performed += 1
        return made.secret

    def now_of(self, clock: str) -> int:
        """The instant of a test clock, in milliseconds; of '', and of one that is gone, the account's own."""
        return self._clocks.parts.get(clock, self._main).kernel.now

    def behave(self, payment_method: str, behaviour: CardBehaviour) -> None:
        """From now on the bank answers like this for a payment method."""
        self._main.stripe.behave(self._ids.inward(payment_method), behaviour)

    def confirm(self, payment_intent: str) -> None:
        """The customer confirms a payment at the bank, which had asked for it (`requires_action`). Raises StripeError (404)."""
        self._at_the_bank(payment_intent, "confirm")

    def confirm_setup(self, setup_intent: str) -> None:
        """The customer confirms at the bank that a payment method may be used. Raises StripeError (404)."""
        self._at_the_bank(setup_intent, "confirm_setup")

    def dispute(self, charge: str, *, amount: int | None = None, reason: str = "general") -> str:
        """The customer disputes a charge; the dispute's id. Raises StripeError."""
        return self._outside(self._at_the_bank(charge, "dispute", amount=amount, reason=reason).id)

    def decide_dispute(self, dispute: str, *, won: bool) -> None:
        """The bank decides for the account (`won`) or for the customer. Raises StripeError."""
        self._at_the_bank(dispute, "decide_dispute", won=won)

    def revoke_mandate(self, mandate: str) -> None:
        """The customer takes back the leave to debit a payment method. Raises StripeError (404)."""
        self._at_the_bank(mandate, "revoke_mandate")

    def digest(self) -> str:
        """A hash of everything that later answers depend on."""
        parts = [(clock, part.kernel.now, _told_of(part.stripe), part.stripe.memory()) for clock, part in self._all_parts().items()]
        shared = [self.view.prices, self.view.products, self._outgoing.memory(), self._clocks.memory(), self._ids.memory()]
        counted = [self._performed, self._told, self.door.memory()]
        return xxh3_128_hexdigest(msgspec.json.encode([parts, shared, counted], order="deterministic", enc_hook=repr))

    def _endpoint(self, params: dict[str, Any], secret: str = "") -> WebhookEndpoint:
        """A new endpoint, with a secret of its own unless one is given."""
        number = self._performed + 1
        return self._outgoing.create(self._ids.made("we", number), secret or self._ids.shaped("whsec", f"secret/{number}"), params, self.now_s)

    def _at_the_bank(self, id: str, act: str, **how: Any) -> Any:
        inside = self._ids.inward(id)
        self._performed += 1
        task = f"w/bank/{self._performed}"
        self._ids.stem(short(task))
        return getattr(self._part_of_customer(self._owner(inside)).stripe, act)(inside, task, **how)

    def _outside(self, id: str) -> str:
        return self.outward(id.encode()).decode()

    # -- for the door

    @property
    def now_ms(self) -> int:
        """The account's instant."""
        return self._main.kernel.now

    def begin(self) -> str:
        """The id of a request that comes in."""
        self._asked += 1
        return self._ids.shaped("req", f"asked/{self._asked}")

    def outward(self, body: bytes) -> bytes:
        """An answer with the ids that are told outside."""
        return self._ids.outward(body)

    def perform(self, route: Route, id: str, params: dict[str, Any], *, key: str | None, request: str) -> Any:
        """Perform a request. Raises StripeError."""
        id, params = self._ids.inward(id), self._ids.inward(params)
        if route.name.startswith(_OWN):
            return self._perform_own(route, id, params, EventRequest(request, key))
        part = self._part_for(id, params)
        if route.reads:
            return part.stripe.call(route.name, id, params, key=None, task="w/look")
        return self._perform_in(part, route, id, params, key, request)

    def _perform_in(self, part: Part, route: Route, id: str, params: dict[str, Any], key: str | None, request: str) -> Any:
        """Perform a request that may change something: only then does it count, so that what is refused leaves no trace."""
        number, changes = self._performed + 1, self._changes
        task = f"w/request/{number}"
        self._ids.stem(short(task))
        made = self._ids.made(_PREFIXES[route.name], number) if route.name in _PREFIXES else ""
        try:
            found = part.stripe.call(route.name, id or made, params, key=key, task=task, once=False)
        except StripeError:
            if self._changes == changes:
                raise
            self._count(number, route, task, request)
            raise
        self._count(number, route, task, request)
        return found

    def _count(self, number: int, route: Route, task: str, request: str) -> None:
        self._performed = number
        self._ids.alias(f"req_{short(f'{task}/{route.name}')}", request)

    def _perform_own(self, route: Route, id: str, params: dict[str, Any], request: EventRequest) -> Any:
        """What belongs to the account and to no customer."""
        outgoing, clocks, number = self._outgoing, self._clocks, self._performed + 1
        self._asking = request
        match route.name.rpartition(".")[::2]:
            case "events", "retrieve":
                return outgoing.retrieve_event(id, params)
            case "events", _:
                return outgoing.list_events(params)
            case "webhook_endpoints", "create":
                found: Any = self._endpoint(params)
            case "webhook_endpoints", "retrieve":
                return outgoing.retrieve(id)
            case "webhook_endpoints", "list":
                return outgoing.list_endpoints(params)
            case "webhook_endpoints", "update":
                found = outgoing.update(id, params)
            case "webhook_endpoints", _:
                found = outgoing.delete(id)
            case _, "create":
                found = clocks.create(self._ids.made("clock", number), params, self.now_s)
            case _, "retrieve":
                return clocks.retrieve(id)
            case _, "list":
                return clocks.list(params)
            case _, "advance":
                found = clocks.advance(id, params)
            case _:
                found = clocks.delete(id)
        self._performed = number
        return found

    # -- parts

    def _part(self, start_s: int, clock: str) -> Part:
        kernel = Kernel(start_s * 1000)
        beside = self._main.stripe if clock else None
        return Part(kernel, Stripe(kernel, self._choices, self._settings, _Outbox(self, clock), whole=True, beside=beside))

    def _all_parts(self) -> dict[str, Part]:
        return {"": self._main, **self._clocks.parts}

    def _part_for(self, id: str, params: dict[str, Any]) -> Part:
        """The part of the clock, the object or the owners that a request names. Raises StripeError where they are of several."""
        clock = params.pop("test_clock", None)
        if clock:
            self._clocks.retrieve(clock)
            return self._clocks.parts[clock]
        about: Part | None = None
        for param, name in (("id", id), *((owner, params.get(owner)) for owner in _OWNERS)):
            owner = self._owner(name) if isinstance(name, str) and name else ""
            if owner:
                part = self._part_of_customer(owner)
                if about is not None and about is not part:
                    raise refusal("", f"{name} does not live by the same test clock as the other objects of this request.", param=param)
                about = part
        return about or self._main

    def _owner(self, id: str) -> str:
        """The customer that an object belongs to, '' for none."""
        book = self._main.stripe.home(self._within.get(id, id))
        return book.id if book is not None else ""

    def _part_of_customer(self, customer: str) -> Part:
        return self._clocks.parts.get(self._clock_of.get(customer, ""), self._main)

    def _page(self, found: Any, params: dict[str, Any], url: str) -> Page:
        return self._main.stripe.page(found, params, url)

    # -- what happens

    def _changed(self, clock: str, customer: str, kind: str, id: str, new: Any) -> None:
        self._changes += 1
        if kind != "product":  # the only objects whose ids are given by whoever asks
            self._ids.met(id)
        if clock and kind == "customer":
            self._clock_of.setdefault(customer, clock)
        if new is None:
            return
        for part in new.items.data if kind == "subscription" else new.lines.data if kind == "invoice" else ():
            self._within[part.id] = new.id

    def _emitted(self, clock: str, emitted: Emitted) -> None:
        rendered = render_event(emitted, self.view)
        rendered["id"] = self._ids.shaped("evt", rendered["id"])
        self._outgoing.tell(rendered, self.now_ms, emitted, clock)
        if emitted.event.type == "invoice.created":
            # Whoever listens has it by then: a draft is finalised an hour later.
            part = self._all_parts()[clock]
            part.stripe.acknowledged(emitted, part.kernel.now)

    def _tell_of_clock(self, what: str, clock: TestClock) -> None:
        self._told += 1
        event = Event(
            id=self._ids.shaped("evt", f"clock/{self._told}"),
            created=self.now_s,
            data=EventData(clock),
            livemode=False,
            request=self._asking,
            type=f"test_helpers.test_clock.{what}",
        )
        emitted = Emitted(event, event.id, "w", "", self.now_ms)
        self._outgoing.tell(render_event(event, self.view), self.now_ms, emitted)


_OWN = ("events.", "webhook_endpoints.", "test_helpers.test_clocks.")


class _Outbox:
    """Hears of what changes in one part."""

    def __init__(self, sandbox: Sandbox, clock: str) -> None:
        self._sandbox = sandbox
        self._clock = clock

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        self._sandbox._changed(self._clock, customer, kind, id, new)

    def emitted(self, emitted: Emitted) -> None:
        self._sandbox._emitted(self._clock, emitted)


class _View:
    """The account, as rendering looks at it."""

    livemode = False

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stripe = sandbox._main.stripe

    @property
    def prices(self) -> Mapping[str, Price]:
        return self._stripe.prices

    @property
    def products(self) -> Mapping[str, Any]:
        return self._stripe.products

    def book(self, customer: str) -> Book | None:
        if not customer:
            return self._stripe.unattached
        return self._sandbox._part_of_customer(customer).stripe.books.get(customer)

    def find(self, id: str) -> Any | None:
        book = self._stripe.home(id)
        if book is not None:
            return _in_book(book, id)
        parent = self._sandbox._within.get(id)
        if parent is not None:
            return _in_parent(self.find(parent), id)
        return (
            self.prices.get(id) or self.products.get(id) or self._sandbox._clocks.find(id) or self._sandbox._outgoing.find(id)
        )

    def test_clock(self, customer: str) -> str | None:
        return self._sandbox._clock_of.get(customer)


def _in_book(book: Book, id: str) -> Any | None:
    if book.id == id:
        return book.customer
    return next((getattr(book, shelf)[id] for shelf in _SHELVES if id in getattr(book, shelf)), None)


def _in_parent(parent: Any, id: str) -> Any | None:
    """An item of a subscription, or a line of an invoice; None where it has gone."""
    if parent is None:
        return None
    parts = parent.items.data if parent.object == "subscription" else parent.lines.data
    return next((part for part in parts if part.id == id), None)


def _told_of(stripe: Stripe) -> list[Any]:
    """Everything of the customers of one part."""
    books = [*sorted(stripe.books.items()), ("", stripe.unattached)]
    return [[id, book.customer, [getattr(book, shelf) for shelf in _SHELVES]] for id, book in books]


def _seconds(start: int | Moment) -> int:
    if isinstance(start, int):
        return start
    if start.tzinfo is None:
        raise ValueError("start needs a time zone, as in datetime(2026, 1, 1, tzinfo=UTC)")
    return int(start.timestamp())
