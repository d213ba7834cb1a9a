"""What the parts of the simulated Stripe share: the books, the timers, and `Act`, through which every change is made and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

from billsim.core.choices import Choices
from billsim.core.ids import short
from billsim.core.kernel import Call, Kernel
from billsim.core.time import HOUR_MS, MINUTE_MS
from billsim.stripe.cards import Cards
from billsim.stripe.events import NO_REQUEST, emitted, short_kind
from billsim.stripe.objects import (
    Book,
    Charge,
    Customer,
    Emitted,
    EventRequest,
    Invoice,
    PaymentIntent,
    PaymentMethod,
    Price,
    StripeError,
    Subscription,
)
from billsim.stripe.settings import StripeSettings
from billsim.stripe.timers import last_intent, wanted
from billsim.stripe.transitions import TABLES, check

# Where a Book keeps the objects of a kind.
_SHELVES = {
    "payment_method": "payment_methods",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "payment_intent": "payment_intents",
    "charge": "charges",
}
# Objects that belong to one invoice alone: what happens to them is numbered as it is for the invoice.
_OF_ONE_INVOICE = frozenset({"invoice", "payment_intent", "charge"})
_NAMES_KEPT = 200_000
FOREVER_MS = 1 << 62


class Outbox(Protocol):
    """Where Stripe's changes and events go: the world."""

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        """An object of `kind` was made (`old` None) or replaced, by `task`, because of `cause`."""
        ...

    def emitted(self, emitted: Emitted) -> None:
        """An event was made; after all changes of the act that it tells of."""
        ...


class Backend:
    """Stripe's state. `fire` is called with (object id, step) when a timer falls due."""

    def __init__(self, kernel: Kernel, choices: Choices, settings: StripeSettings, outbox: Outbox, fire: Callable[[tuple[str, str]], None]) -> None:
        self.kernel = kernel
        self.choices = choices
        self.settings = settings
        self.outbox = outbox
        self.cards = Cards(choices)
        self.books: dict[str, Book] = {}
        self.prices: dict[str, Price] = {}
        self.unattached = Book("")
        self.finalizes_at: dict[str, int] = {}
        self.horizon_ms = FOREVER_MS
        self.is_quiet = False
        self._fire = fire
        self._homes: dict[str, Book] = {}
        self._timers: dict[str, tuple[int, str, Call]] = {}
        self._made_by_engine: set[str] = set()
        self._names: dict[str, int] = {}

    @property
    def now_s(self) -> int:
        """The simulated instant, in whole seconds."""
        return self.kernel.now // 1000

    # -- objects

    def place(self, thing: Any) -> Any:
        """Put an object in its customer's book (a payment method may change books); returns what it was before."""
        id, kind = thing.id, thing.object
        customer = id if kind == "customer" else thing.customer
        book = self.books.get(customer) or self._book_of(customer)
        home = self._homes.get(id)
        if home is not book:
            self._homes[id] = book
        if kind == "customer":
            old: Any = book.customer
            book.customer = thing
            return old
        shelf = _SHELVES[kind]
        things: dict[str, Any] = getattr(book, shelf)
        if home is book or home is None:
            old = things.get(id)
        else:
            left = dict(getattr(home, shelf))
            old = left.pop(id)
            setattr(home, shelf, left)
        # A new dict each time: whoever gathered the customer keeps the one that it saw.
        setattr(book, shelf, {**things, id: thing})
        return old

    def _book_of(self, customer: str | None) -> Book:
        if not customer:
            return self.unattached
        book = self.books.get(customer)
        if book is None:
            book = self.books[customer] = Book(customer)
        return book

    def exists(self, id: str) -> bool:
        """Whether any object has this id."""
        return id in self._homes or id in self.prices

    def free(self, id: str) -> str:
        """`id`, or `id#2` and so on where one task makes several objects of a kind."""
        taken, count = id, 1
        while self.exists(taken):
            count += 1
            taken = f"{id}#{count}"
        return taken

    def every(self, kind: str, customer: str | None) -> Iterator[Any]:
        """All objects of a kind, of one customer or of all."""
        books = self.books.values() if not customer else [self.books[customer]] if customer in self.books else []
        for book in books:
            yield from getattr(book, _SHELVES[kind]).values()

    def find(self, kind: str, id: str) -> Any:
        """The object of this kind and id. Raises StripeError (404 `resource_missing`)."""
        book = self._homes.get(id)
        found: Any = None
        if book is None:
            found = self.prices.get(id) if kind == "price" else None
        elif kind == "customer":
            found = book.customer if book.id == id else None
        else:
            found = getattr(book, _SHELVES[kind]).get(id) if kind in _SHELVES else None
        if found is None:
            raise StripeError(404, "invalid_request_error", "resource_missing", f"No such {kind}: {id!r}.")
        return found

    def customer(self, id: str) -> Customer:
        """As `find`."""
        found: Customer = self.find("customer", id)
        return found

    def payment_method(self, id: str) -> PaymentMethod:
        """As `find`."""
        found: PaymentMethod = self.find("payment_method", id)
        return found

    def price(self, id: str) -> Price:
        """As `find`."""
        found: Price = self.find("price", id)
        return found

    def subscription(self, id: str) -> Subscription:
        """As `find`."""
        found: Subscription = self.find("subscription", id)
        return found

    def invoice(self, id: str) -> Invoice:
        """As `find`."""
        found: Invoice = self.find("invoice", id)
        return found

    def payment_intent(self, id: str) -> PaymentIntent:
        """As `find`."""
        found: PaymentIntent = self.find("payment_intent", id)
        return found

    def charge(self, id: str) -> Charge:
        """As `find`."""
        found: Charge = self.find("charge", id)
        return found

    def last_intent(self, invoice: Invoice) -> PaymentIntent | None:
        """The latest payment intent of an invoice, or None."""
        return last_intent(invoice, self.books[invoice.customer])

    def invoice_of(self, intent: PaymentIntent) -> Invoice | None:
        """The invoice that a payment intent collects, or None."""
        book = self._homes[intent.id]
        return next((i for i in book.invoices.values() for payment in i.payments if payment.payment_intent == intent.id), None)

    def owned_method(self, customer: str, method: str) -> str:
        """`method`, which must be attached to the customer. Raises StripeError."""
        if self.payment_method(method).customer != customer:
            message = f"The customer does not have a payment method with the ID {method}; attach it first."
            raise StripeError(400, "invalid_request_error", "resource_missing", message)
        return method

    # -- names

    def own_task(self, id: str, step: str) -> str:
        """The name of something that Stripe does by itself to an object: `e/...` where an engine's act made the subscription behind it."""
        return f"{'e' if id in self._made_by_engine else 'w'}/stripe/{id}/{step}"

    def inherit(self, parent: str, child: str) -> None:
        """What an engine's act brought about for an object, it brought about for what follows from it."""
        if parent in self._made_by_engine:
            self._made_by_engine.add(child)

    def made_by(self, id: str, origin: str) -> None:
        """Remember that an engine's act is among the causes of an object."""
        if origin == "e":
            self._made_by_engine.add(id)

    def unique(self, name: str) -> str:
        """`name`, or `name#2` and so on where one task repeats itself. The latest names only are kept, so that memory is bounded."""
        count = self._names.pop(name, 0) + 1
        self._names[name] = count
        if len(self._names) > _NAMES_KEPT:
            del self._names[next(iter(self._names))]
        return name if count == 1 else f"{name}#{count}"

    # -- timers

    def finalize_by(self, invoice: str, instant_ms: int) -> None:
        """Finalise a draft at the earlier of what was planned and this instant."""
        self.finalizes_at[invoice] = min(instant_ms, self.finalizes_at.get(invoice, instant_ms))

    def arm(self, thing: Any) -> None:
        """Set the one timer of a subscription or an invoice to what its state calls for.

        An instant that has passed calls for nothing, nor does one beyond the horizon, which nobody will live to see.
        """
        id, now, due = thing.id, self.kernel.now, None
        if not self.is_quiet:
            due = wanted(thing, self._homes[id], self.finalizes_at.get(id, 0), now)
            if due is not None and not now <= due[0] <= self.horizon_ms:
                due = None
        armed = self._timers.get(id)
        if armed is not None:
            if due is not None and armed[0] == due[0] and armed[1] == due[1]:
                return
            armed[2].cancelled = True
            del self._timers[id]
        if due is not None:
            instant_ms, step = due
            call = self.kernel.call_at(instant_ms, self.choices.rank(self.own_task(id, step)), self._due, (id, step))
            self._timers[id] = (instant_ms, step, call)

    def _due(self, timer: tuple[str, str]) -> None:
        del self._timers[timer[0]]
        if not self.is_quiet:
            self._fire(timer)

    def resume(self) -> None:
        """Arm the timers of everything that was seeded. What should have happened before now stays as it was told."""
        now = self.kernel.now
        for book in self.books.values():
            for invoice in book.invoices.values():
                if invoice.status == "draft":
                    self.finalize_by(invoice.id, max(now, invoice.created * 1000 + self.settings.finalize_after_minutes * MINUTE_MS))
                if invoice.status in ("draft", "open"):
                    self.arm(invoice)
            for subscription in book.subscriptions.values():
                self.arm(subscription)

    @property
    def fallback_ms(self) -> int:
        """When a draft made now is finalised if nobody acknowledges it."""
        return self.kernel.now + self.settings.finalize_fallback_hours * HOUR_MS


class Act:
    """One thing done at Stripe, by a request or by Stripe itself: all its changes are recorded, then its events leave, then timers are set.

    `near` ends the names of events of the invoice's own objects, `far` those of the objects that invoices share. `is_call`: a request did this.
    All of it happens at one instant: `at_ms` in milliseconds, `now_s` in whole seconds.
    """

    __slots__ = ("backend", "task", "cause", "origin", "near", "far", "request", "is_call", "at_ms", "now_s", "_events", "_touched")

    def __init__(self, backend: Backend, task: str, cause: str, near: str, far: str, request: EventRequest = NO_REQUEST) -> None:
        self.backend = backend
        self.task = task
        self.cause = cause
        self.origin = "e" if task.startswith("e/") else "w"
        self.near = near
        self.far = far
        self.request = request
        self.is_call = request is not NO_REQUEST
        self.at_ms = backend.kernel.now
        self.now_s = self.at_ms // 1000
        self._events: list[Emitted] = []
        self._touched: dict[str, Any] = {}

    @classmethod
    def of_call(cls, backend: Backend, task: str, method: str, key: str | None) -> Act:
        """What a request does."""
        tag = short(task)
        return cls(backend, task, method, tag, tag, EventRequest(f"req_{short(f'{task}/{method}')}", key))

    def __enter__(self) -> Act:
        return self

    def __exit__(self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """A refused payment has happened too: its events leave also where the request ends in a StripeError."""
        emit = self.backend.outbox.emitted
        for event in self._events:
            emit(event)
        for thing in self._touched.values():
            self.backend.arm(thing)

    def put(self, new: Any) -> Any:
        """Make or replace an object; returns it. Raises IllegalTransitionError."""
        id, kind, backend = new.id, new.object, self.backend
        old = backend.place(new)
        if old is not None and kind in TABLES and old.status != new.status:
            check(kind, id, old.status, new.status)
        customer = id if kind == "customer" else new.customer or (old.customer if old is not None else "") or ""
        backend.outbox.changed(customer, kind, id, old, new, self.task, self.cause)
        if kind in ("invoice", "subscription"):
            self._touched[id] = new
        return new

    def emit(self, type: str, thing: Any, old: Any = None, *, tag: str = "") -> None:
        """Tell of `thing` as it now stands; `tag` ends the event's name where the act's own would not be unique."""
        tag = tag or (self.near if thing.object in _OF_ONE_INVOICE else self.far)
        name = f"{thing.id}.{short_kind(type)}.{tag}"
        if self.is_call:
            name = self.backend.unique(name)
        self._events.append(emitted(type, thing, old, name, self.origin, self.at_ms, self.request))

    def update(self, type: str, old: Any, new: Any, *, tag: str = "") -> Any:
        """Put `new` in place of `old` and tell of it; nothing where they are equal. Returns what then stands."""
        if new == old:
            return old
        self.put(new)
        self.emit(type, new, old, tag=tag)
        return new
