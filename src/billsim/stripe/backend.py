"""What the parts of the simulated Stripe share: the books, the timers, and `Act`, through which every change is made and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from billsim.core.choices import Choices
from billsim.core.ids import short
from billsim.core.kernel import Call, Kernel
from billsim.core.time import HOUR_MS, MINUTE_MS
from billsim.stripe.cards import Cards
from billsim.stripe.events import previous_attributes, short_kind
from billsim.stripe.kinds import BELONGS_BY, CALLED, HAVE_TIMERS, OF_NOBODY, OF_ONE_INVOICE, OF_THE_DAY, SHELVES, Outbox, as_method, taken_out
from billsim.stripe.objects import (
    Book,
    Charge,
    Customer,
    CustomerBalanceTransaction,
    Emitted,
    Event,
    EventData,
    EventRequest,
    Invoice,
    LegacyCard,
    PaymentIntent,
    PaymentMethod,
    Price,
    Product,
    Source,
    StripeError,
    Subscription,
)
from billsim.stripe.settings import StripeSettings
from billsim.stripe.timers import Due, last_intent, of_dispute, of_invoice, of_subscription
from billsim.stripe.transitions import TABLES, check

_NAMES_KEPT = 200_000
# What Stripe does by itself has no request.
NO_REQUEST = EventRequest()
FOREVER_MS = 1 << 62
NOTHING: Mapping[str, Any] = {}

Step = Callable[["Backend", str], None]
"""What Stripe does by itself with the object of an id, as its timer falls due."""


class Backend:
    """Stripe's state. `steps` says what is done, with the id of an object, when a timer of this name falls due."""

    def __init__(self, kernel: Kernel, choices: Choices, settings: StripeSettings, outbox: Outbox, steps: Mapping[str, Step]) -> None:
        self.kernel = kernel
        self.choices = choices
        self.settings = settings
        self.outbox = outbox
        self.cards = Cards(choices)
        self.books: dict[str, Book] = {}
        self.prices: dict[str, Price] = {}
        self.products: dict[str, Product] = {}
        # In which order objects were made, where anybody may list those of a second.
        self.made: dict[str, int] = {}
        # When the bank answers payments that it is processing, in unix seconds, by payment intent, where a test number says when.
        self.settles: dict[str, int] = {}
        # The customers that were deleted.
        self.deleted: set[str] = set()
        self.unattached = Book("")
        self.finalizes_at: dict[str, int] = {}
        self.horizon_ms = FOREVER_MS
        self.is_quiet = False
        # Whether objects keep also what only their reader wants: what a line was priced by, why a subscription ended.
        self.is_whole = False
        # How long before they happen renewals and due dates are told of, in seconds; 0 for not at all.
        self.upcoming_s = self.will_be_due_s = 0
        # When what resumes a paused subscription is given up, in unix seconds, by subscription.
        self.resumes: dict[str, int] = {}
        # Which invoice payments of their own count for, by payment intent, until they have.
        self.attached: dict[str, str] = {}
        # What has moved customers' balances, by customer and id.
        self.balance_moves: dict[str, dict[str, CustomerBalanceTransaction]] = {}
        self.wake: Callable[[str], None] = _nobody
        self._steps = steps
        self._expected: list[tuple[str, int]] = []
        self._homes: dict[str, Book] = {}
        self._timers: dict[str, tuple[Due, Call]] = {}
        self._made_by_engine: set[str] = set()
        self._names: dict[str, int] = {}

    @property
    def now_s(self) -> int:
        """The simulated instant, in whole seconds."""
        return self.kernel.now // 1000

    def share(self, other: Backend) -> None:
        """Be another part of `other`'s account: customers and timers are each one's own, everything else is both's."""
        self.cards, self.prices, self.products, self.unattached = other.cards, other.prices, other.products, other.unattached
        self.made, self._homes, self._names = other.made, other._homes, other._names

    # -- objects

    def place(self, thing: Any) -> Any:
        """Put an object in its customer's book (a payment method may change books); returns what it was before."""
        id, kind = thing.id, thing.object
        book = self._homes.get(id)
        if self.is_whole:
            self.made.setdefault(id, len(self.made))
        if kind == "customer":
            book = self._homes[id] = book or self._book_of(id)
            old, book.customer = book.customer, thing
            return old
        shelf, left = SHELVES[kind], book
        owner = self.owner(thing) if kind in BELONGS_BY else thing.customer or ""
        if book is None or book.id != owner:
            book = self._homes[id] = self.books.get(owner) or self._book_of(owner)
        things: dict[str, Any] = getattr(book, shelf)
        # A new dict each time: whoever gathered the customer keeps the one that it saw.
        setattr(book, shelf, {**things, id: thing})
        if left is None or left is book:
            return things.get(id)
        old = taken_out(left, shelf, id)
        if book is self.unattached:
            # What was charged with a method that is gone says still what that was (https://docs.stripe.com/api/charges/object).
            setattr(left, shelf, {**getattr(left, shelf), id: thing})
        return old

    def seed(self, things: Iterable[Any]) -> None:
        """Place objects of the past. A book that is made for them is filled as it stands, for nobody has seen it yet."""
        made = None
        for thing in things:
            id, kind = thing.id, thing.object
            if kind == "price":
                self.prices[id] = thing
                continue
            customer = self.owner(thing)
            if customer and customer not in self.books:
                made = self._book_of(customer)
            if made is None or made.id != customer or id in self._homes:
                self.place(thing)
                continue
            self._homes[id] = made
            if kind == "customer":
                made.customer = thing
            else:
                getattr(made, SHELVES[kind])[id] = thing

    def remove(self, thing: Any) -> None:
        """Take an object out of its book, for good."""
        taken_out(self._homes.pop(thing.id), SHELVES[thing.object], thing.id)
        self.finalizes_at.pop(thing.id, None)
        if (timer := self._timers.pop(thing.id, None)) is not None:
            timer[1].cancelled = True

    def owner(self, thing: Any) -> str:
        """The customer that an object belongs to, '' for none."""
        kind = thing.object
        if kind == "customer":
            return str(thing.id)
        if kind in OF_NOBODY:
            return ""
        if kind in BELONGS_BY:
            book = self.home(getattr(thing, BELONGS_BY[kind]))
            return book.id if book is not None else ""
        return thing.customer or ""

    def _book_of(self, customer: str | None) -> Book:
        if not customer:
            return self.unattached
        if customer not in self.books:
            self.wake(customer)
        book = self.books.get(customer)
        if book is None:
            book = self.books[customer] = Book(customer)
        return book

    def take(self, book: Book) -> None:
        """Take a whole customer, of whom nothing was known."""
        homes = self._homes
        self.books[book.id] = homes[book.id] = book
        for things in book.shelves():
            for id in things:
                homes[id] = book

    def forget(self, customer: str) -> None:
        """Let a whole customer go: its objects, and what Stripe was to do with them."""
        book = self.books.pop(customer, None)
        for id in [] if book is None else [customer, *(id for things in book.shelves() for id in things)]:
            self._homes.pop(id, None)
            self.finalizes_at.pop(id, None)
            if (timer := self._timers.pop(id, None)) is not None:
                timer[1].cancelled = True

    def home(self, id: str) -> Book | None:
        """The book that an object is in, or None. A customer who sleeps is woken when one of its objects is looked for."""
        book = self._homes.get(id)
        if book is None:
            self.wake(id)
            book = self._homes.get(id)
        return book

    def find(self, id: str) -> Any | None:
        """The object of this id, of whatever kind, or None. Nobody is woken."""
        book = self._homes.get(id)
        if book is None:
            return self.prices.get(id) or self.products.get(id)
        if id == book.id:
            return book.customer
        return next((things[id] for things in book.shelves() if id in things), None)

    def exists(self, id: str) -> bool:
        """Whether any object has this id."""
        return self.home(id) is not None or id in self.prices or id in self.products

    def free(self, id: str) -> str:
        """`id`, or `id#2` and so on where one task makes several objects of a kind. It is derived from a task or from what is here already, so that
        nobody who sleeps has it.
        """
        taken, count = id, 1
        while taken in self._homes or taken in self.prices or taken in self.products:
            count += 1
            taken = f"{id}#{count}"
        return taken

    def every(self, kind: str, customer: str | None) -> Iterator[Any]:
        """All objects of a kind, of one customer, or of all in the order of the customers' ids."""
        if not customer or customer not in self.books:
            self.wake(customer or "")
        for id in [customer] if customer else sorted(self.books):
            if id in self.books:
                yield from getattr(self.books[id], SHELVES[kind]).values()
        if not customer:
            yield from getattr(self.unattached, SHELVES[kind]).values()

    def customer(self, id: str) -> Customer:
        """The customer of this id. Raises StripeError (404 `resource_missing`), as the others do."""
        book = self.books.get(id)
        return (book.customer if book is not None else None) or self._woken("customer", id)

    def payment_method(self, id: str) -> PaymentMethod:
        """The payment method of this id, attached or not."""
        book = self._homes.get(id)
        return (book.payment_methods.get(id) if book is not None else None) or self._woken("payment_method", id)

    def price(self, id: str) -> Price:
        """The price of this id."""
        return self.prices.get(id) or self._woken("price", id)

    def subscription(self, id: str) -> Subscription:
        """The subscription of this id."""
        book = self._homes.get(id)
        return (book.subscriptions.get(id) if book is not None else None) or self._woken("subscription", id)

    def invoice(self, id: str) -> Invoice:
        """The invoice of this id."""
        book = self._homes.get(id)
        return (book.invoices.get(id) if book is not None else None) or self._woken("invoice", id)

    def payment_intent(self, id: str) -> PaymentIntent:
        """The payment intent of this id."""
        book = self._homes.get(id)
        return (book.payment_intents.get(id) if book is not None else None) or self._woken("payment_intent", id)

    def charge(self, id: str) -> Charge:
        """The charge of this id."""
        book = self._homes.get(id)
        return (book.charges.get(id) if book is not None else None) or self._woken("charge", id)

    def product(self, id: str) -> Product:
        """The product of this id."""
        return self.products.get(id) or self._woken("product", id)

    def source(self, id: str) -> LegacyCard | Source | None:
        """The card or source of the older kind of this id, or None."""
        book = self.home(id)
        return book.sources.get(id) if book is not None else None

    def found(self, kind: str, id: str) -> Any:
        """The object of this kind and id, of those that are asked for seldom."""
        book = self._homes.get(id)
        return (getattr(book, SHELVES[kind]).get(id) if book is not None else None) or self._woken(kind, id)

    def _woken(self, kind: str, id: str) -> Any:
        """An object that is there once its customer, who sleeps, is woken. Raises StripeError (404 `resource_missing`)."""
        book, found = self.home(id), None
        if book is not None and kind in SHELVES:
            found = getattr(book, SHELVES[kind]).get(id)
        elif book is not None and kind == "customer" and book.id == id:
            found = book.customer
        if found is None and kind == "payment_method" and book is not None and id in book.sources:
            found = as_method(book.sources[id])
        if found is None:
            raise StripeError(404, "invalid_request_error", "resource_missing", f"No such {CALLED.get(kind, kind)}: {id!r}")
        return found

    def last_intent(self, invoice: Invoice) -> PaymentIntent | None:
        """The latest payment intent of an invoice, or None."""
        return last_intent(invoice, self.books[invoice.customer])

    def invoice_of(self, intent: PaymentIntent) -> Invoice | None:
        """The invoice whose own payment intent this is, or None."""
        book = self._homes[intent.id]
        if intent.id in self.attached:
            return None
        return next((i for i in book.invoices.values() for payment in i.payments if payment.payment_intent == intent.id), None)

    def owned_method(self, customer: str, method: str) -> str:
        """`method`, which must be attached to the customer. Raises StripeError."""
        if self.payment_method(method).customer != customer:
            message = f"The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer."
            raise StripeError(400, "invalid_request_error", "resource_missing", message)
        return method

    # -- names

    def own_task(self, id: str, step: str) -> str:
        """The name of something that Stripe does by itself to an object: `e/...` where an engine's act made the subscription behind it."""
        return f"{'e' if id in self._made_by_engine else 'w'}/stripe/{id}/{step}"

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

    def drafted(self, invoice: str, subscription: str) -> None:
        """A draft is made: it is finalised some day though nobody acknowledges it; who made its subscription is among its causes."""
        self.finalizes_at[invoice] = self.kernel.now + self.settings.finalize_fallback_hours * HOUR_MS
        if subscription in self._made_by_engine:
            self._made_by_engine.add(invoice)

    def finalize_by(self, invoice: str, instant_ms: int) -> None:
        """Finalise a draft at the earlier of what was planned and this instant."""
        self.finalizes_at[invoice] = min(instant_ms, self.finalizes_at.get(invoice, instant_ms))

    def arm(self, thing: Any) -> None:
        """Set the one timer of a subscription, an invoice or a dispute to what its state calls for.

        An instant that has passed calls for nothing, nor does one beyond the horizon, which nobody will live to see.
        """
        id, now, kind = thing.id, self.kernel.now, thing.object
        if kind == "invoice":
            due = of_invoice(thing, self._homes[id], self.finalizes_at.get(id, 0), now, self.settles, self.will_be_due_s)
        else:
            due = of_subscription(thing, now, self.resumes.get(id), self.upcoming_s) if kind == "subscription" else of_dispute(thing, now)
        if due is not None and (self.is_quiet or not now <= due[0] <= self.horizon_ms):
            due = None
        if (armed := self._timers.get(id)) is not None:
            if armed[0] == due:
                return
            armed[1].cancelled = True
            del self._timers[id]
        if due is not None:
            # What a change brought about, it names.
            self._set(id, due, thing.latest_invoice if due[1] == "lapse" else id)

    def _set(self, id: str, due: Due, named: str) -> None:
        instant_ms, step = due
        self._timers[id] = due, self.kernel.call_at(instant_ms, self.choices.rank(self.own_task(named, step)), self._due, (id, step))

    def expect(self, subscription: str, instant_ms: int) -> None:
        """The subscription, whose customer sleeps, renews at this instant."""
        self._expected.append((subscription, instant_ms))

    def later(self, id: str, instant_ms: int, step: str) -> None:
        """Do `step` with an object that has no timer of its own state, in place of what was to be done with it."""
        if (armed := self._timers.pop(id, None)) is not None:
            armed[1].cancelled = True
        if not self.is_quiet and instant_ms <= self.horizon_ms:
            self._set(id, (instant_ms, step), id)

    def _due(self, timer: tuple[str, str]) -> None:
        id, step = timer
        del self._timers[id]
        if not self.is_quiet:
            self._steps[step](self, id)

    def resume(self) -> None:
        """Arm the timers of everything that was seeded. What should have happened before now stays as it was told."""
        now = self.kernel.now
        for id, instant_ms in () if self.is_quiet else self._expected:
            if now <= instant_ms <= self.horizon_ms:
                self._set(id, (instant_ms, "cycle"), id)
        self._expected.clear()
        for book in self.books.values():
            for invoice in book.invoices.values():
                if invoice.status == "draft":
                    self.finalize_by(invoice.id, max(now, invoice.created * 1000 + self.settings.finalize_after_minutes * MINUTE_MS))
                if invoice.status in ("draft", "open"):
                    self.arm(invoice)
            for subscription in book.subscriptions.values():
                self.arm(subscription)
            for dispute in book.disputes.values():
                self.arm(dispute)


def _nobody(_id: str) -> None:
    """Nobody sleeps."""


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
        self.origin = "e" if task[:2] == "e/" else "w"
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
        customer = new.customer if kind in OF_THE_DAY else backend.owner(new) or (backend.owner(old) if old is not None else "")
        backend.outbox.changed(customer or "", kind, id, old, new, self.task, self.cause)
        if kind in HAVE_TIMERS:
            self._touched[id] = new
        return new

    def arm(self, thing: Any) -> None:
        """The object's timer is set anew as this ends, though the object may look as before."""
        self._touched[thing.id] = thing

    def remove(self, old: Any) -> None:
        """Delete an object."""
        customer = self.backend.owner(old)
        self.backend.remove(old)
        self.backend.outbox.changed(customer, old.object, old.id, old, None, self.task, self.cause)
        self._touched.pop(old.id, None)

    def emit(self, type: str, thing: Any, previous: dict[str, Any] | None = None, *, tag: str = "") -> None:
        """Tell of `thing` as it now stands, and of its `previous` attributes; `tag` ends the event's name where the act's own would not be unique."""
        id, kind = thing.id, thing.object
        name = f"{id}.{short_kind(type)}.{tag or (self.near if kind in OF_ONE_INVOICE else self.far)}"
        if self.is_call:
            name = self.backend.unique(name)
        data = EventData(thing, previous)
        event = Event(id=f"evt_{name}", created=self.now_s, data=data, livemode=thing.livemode, request=self.request, type=type)
        customer = thing.customer if kind in OF_THE_DAY else self.backend.owner(thing)
        if not customer and previous is not None:
            # What was somebody's until now is still told of to them.
            customer = previous.get("customer")
        self._events.append(Emitted(event, name, self.origin, customer or "", self.at_ms))

    def tell(self, type: str, thing: Any, old: Any = None, changes: Mapping[str, Any] = NOTHING) -> None:
        """Tell of a product or a price, where anybody hears of those: of what was before, where `changes` were made to `old`."""
        if self.backend.is_whole:
            self.backend.made.setdefault(thing.id, len(self.backend.made))
            self.emit(type, thing, previous_attributes(old, changes) if old is not None else None)

    def update(self, type: str, old: Any, /, *, tag: str = "", **changes: Any) -> Any:
        """Change fields of `old` and tell of it; nothing where they have these values. Returns what then stands."""
        previous, new = previous_attributes(old, changes), replace(old, **changes)
        if previous or new != old:
            self.put(new)
            self.emit(type, new, previous, tag=tag)
            return new
        return old
