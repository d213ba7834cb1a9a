"""The simulated Stripe of a world, asked only through the official SDK: `StripeClient` -> the API's bytes -> the world's Stripe, and back.

An engine's requests and its gathers go this way, under the idempotency keys that the engine gives, and what comes back is parsed from the SDK's
typed resources into the lean objects that engines read. What the API has no words for goes beside the request: the task that asks, by which a world's
records and ids are named, and the id that a new object is to have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stores.base import Shard
from billsim.stripe.api import Stripe
from billsim.stripe.lists import MOST, Page
from billsim.stripe.objects import Book, Price, StripeError
from billsim.stripe.sdk import client
from billsim.stripe.wire import routes
from billsim.stripe.wire.door import Door
from billsim.stripe.wire.message import Request, Response
from billsim.stripe.wire.parse import INCLUDED, Gone, parse

try:
    import stripe
except ImportError as missing:
    raise ImportError("asking through the official SDK needs it: pip install 'billsim[stripe]'") from missing


class Asking(NamedTuple):
    """What goes beside a request: the object's id, the idempotency key and the task; and whether Stripe is to break off as soon as it has begun."""

    id: str = ""
    key: str | None = None
    task: str = ""
    breaks: bool = False


class Exchange(NamedTuple):
    """A request as the SDK sent it, under the core's name, and what was answered."""

    name: str
    request: Request
    response: Response


Hear = Callable[[Exchange], None]


class ThroughSdk:
    """What stands before a world's Stripe. `hear` is told of every exchange."""

    def __init__(self, core: Stripe, now_ms: Callable[[], int], hear: Hear | None = None) -> None:
        self._core = core
        self._account = WorldAccount(core, now_ms)
        self._way = _Way(self._account, hear)
        self._client = client(self._way)

    # -- requests, as the runtime makes them

    def call(self, method: str, id: str, params: dict[str, Any], *, key: str | None, task: str) -> Any:
        """Perform a request now; raises StripeError."""
        return self._asked(method, id, params, Asking(id, key, task))

    def break_off(self, name: str, id: str, params: dict[str, Any], *, key: str) -> Any:
        """Begin a request, and fail before anything is done; raises StripeError."""
        return self._asked(name, id, params, Asking(id, key, "", breaks=True))

    def key_of_another(self, key: str) -> str | None:
        """An idempotency key that some other request came with."""
        return self._core.key_of_another(key)

    def _asked(self, name: str, id: str, params: dict[str, Any], asking: Asking) -> Any:
        route = routes.BY_NAME.get(name)
        if route is None:
            # No request of the API: the core says so.
            return self._core.call(name, id, params, key=asking.key, task=asking.task)
        included = INCLUDED.get(route.answers, ())
        if included:
            params = {**params, "expand": [f"data.{field}" if route.lists else field for field in included]}
        self._account.asking = asking
        self._way.name = name
        try:
            answer = _service(self._client, name)(*_named(route, id, params), params, {"idempotency_key": asking.key})
            return parse(answer.to_dict())
        except stripe.StripeError as refused:
            raise _refusal(refused) from None
        except Gone as gone:
            raise StripeError(404, "invalid_request_error", "resource_missing", str(gone), param="id") from None

    # -- what a gather reads

    def look(self, shard: Shard, wanted: tuple[bool, ...]) -> list[Any]:
        """What Stripe has of an account now, in the order of a StripeState; of each kind of object, whether it is `wanted`."""
        book = shard.stripe
        if book is None:
            return [None, {}, {}, {}, {}, {}]
        return [read(self, book.id) if asked else nothing() for (read, nothing), asked in zip(_READS, wanted, strict=True)]

    def _customer(self, id: str) -> Any:
        try:
            return self.call("customers.retrieve", id, {}, key=None, task="")
        except StripeError as refused:
            if refused.status != 404:
                raise
            return None

    def _all(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Every object that a list has, by id, the oldest first."""
        found: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            page: Page = self.call(name, "", {**params, "limit": MOST, **more}, key=None, task="")
            found += page.data
            if not page.has_more:
                return {thing.id: thing for thing in sorted(reversed(found), key=lambda thing: thing.created)}
            more = {"starting_after": found[-1].id}


def _read_customer(through: ThroughSdk, customer: str) -> Any:
    return through._customer(customer)


def _reads(name: str, **more: Any) -> Callable[[ThroughSdk, str], dict[str, Any]]:
    return lambda through, customer: through._all(name, {"customer": customer, **more})


# How a gather reads each kind of object, and what it has where it does not.
_READS: tuple[tuple[Callable[[ThroughSdk, str], Any], Callable[[], Any]], ...] = (
    (_read_customer, lambda: None),
    (_reads("customers.payment_methods.list"), dict),
    (_reads("subscriptions.list", status="all"), dict),
    (_reads("invoices.list"), dict),
    (_reads("payment_intents.list"), dict),
    (_reads("charges.list"), dict),
)


class WorldAccount:
    """A world's Stripe, as a door sees it."""

    def __init__(self, core: Stripe, now_ms: Callable[[], int]) -> None:
        self._core = core
        self._now_ms = now_ms
        self.asking = Asking()
        self.livemode = True
        self.products: Mapping[str, Any] = {}

    @property
    def now_ms(self) -> int:
        """The instant."""
        return self._now_ms()

    @property
    def view(self) -> WorldAccount:
        """What rendering looks at."""
        return self

    @property
    def prices(self) -> Mapping[str, Price]:
        """The prices, by id."""
        return self._core.prices

    def book(self, customer: str) -> Book | None:
        """Everything of one customer."""
        return self._core.books.get(customer)

    def find(self, id: str) -> Any | None:
        """The lean object of this id."""
        return self._core.find(id)

    def test_clock(self, customer: str) -> str | None:
        """A world has one time."""
        return None

    def begin(self) -> str:
        """A request comes in: its id is made of the task that asks."""
        return f"req_{short(self.asking.task)}"

    def perform(self, route: routes.Route, id: str, params: dict[str, Any], *, key: str | None, request: str) -> Any:
        """Perform a request, as what goes beside it says. Raises StripeError."""
        asking = self.asking
        if asking.breaks:
            return self._core.break_off(route.name, asking.id, params, key=asking.key or "")
        return self._core.call(route.name, id or asking.id, params, key=asking.key, task=asking.task)

    def outward(self, body: bytes) -> bytes:
        """A world's ids are told as they are."""
        return body


class _Way:
    """From the SDK to the door. A key that only the SDK thought of does not arrive: the engine gave none."""

    def __init__(self, account: WorldAccount, hear: Hear | None) -> None:
        self._account = account
        self._door = Door(account, keeps_answers=False)
        self._hear = hear
        self.name = ""

    def handle(self, request: Request) -> Response:
        """Have the door answer."""
        if self._account.asking.key is None:
            headers = {name: value for name, value in request.headers.items() if name != "Idempotency-Key"}
            request = replace(request, headers=headers)
        response = self._door.handle(request)
        if self._hear is not None:
            self._hear(Exchange(self.name, request, response))
        return response


def _service(sdk: stripe.StripeClient, name: str) -> Any:
    """The SDK's method of this name."""
    found: Any = sdk.v1
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _named(route: routes.Route, id: str, params: dict[str, Any]) -> tuple[str, ...]:
    """What stands in the path, which the SDK's methods take by position; owners are taken out of the parameters."""
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return tuple([id if part == "id" else params.pop(part) for part in parts])


def _refusal(refused: stripe.StripeError) -> StripeError:
    """What the SDK raises, in the words of the core."""
    status, told = refused.http_status or 0, refused.error
    kind = str(getattr(told, "type", "") or "api_error")
    again = {"true": True, "false": False}.get(str((refused.headers or {}).get("Stripe-Should-Retry", "")).lower())
    # Of these the API has no code, and the core says the type once more.
    code = refused.code or (kind if kind in ("api_error", "idempotency_error") else "")
    param = str(getattr(told, "param", "") or "")
    return StripeError(status, kind, code, refused.user_message or "", again, param=param, decline_code=str(getattr(told, "decline_code", "") or ""))
