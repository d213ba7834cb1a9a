"""The HTTP side of the door: limits and hosts are looked at here, and everything else is the door's.

Requests are performed one after another, in the order in which their bodies are complete, so that the same calls give the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import Lifespan

from billsim.stripe.objects import StripeError
from billsim.stripe.wire import errors
from billsim.stripe.wire.message import Request, Response

MOST_BODY = 1_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
# What the door answers to; any other is told so in Stripe's words, not the framework's.
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"]


class Handles(Protocol):
    """What answers a request."""

    def handle(self, request: Request) -> Response:
        """The answer; it never raises."""
        ...


class Served(NamedTuple):
    """A request that was answered, for whoever looks on."""

    method: str
    path: str
    status: int
    request_id: str


def application(
    door: Handles, hosts: Sequence[str], served: Callable[[Served], None], lifespan: Lifespan[Starlette] | None = None
) -> Starlette:
    """The application that serves a door under these host names; `0.0.0.0` or `::` stands for every address. `served` is told of each answer."""
    known = frozenset(host.lower() for host in hosts)

    async def answer(http: HttpRequest) -> HttpResponse:
        try:
            found = await _answer(door, known, http)
        except ClientDisconnect:
            return HttpResponse(status_code=400)  # nobody is there to read it
        headers = {name: value for name, value in found.headers.items() if name.lower() != "content-length"}
        served(Served(http.method, http.url.path, found.status, headers.get("Request-Id", "")))
        body = b"" if http.method == "HEAD" else found.body
        return HttpResponse(body, found.status, headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=_METHODS)], lifespan=lifespan)


async def _answer(door: Handles, hosts: frozenset[str], http: HttpRequest) -> Response:
    host = _host_of(http.headers.get("host", ""))
    if host not in hosts and not (_is_address(host) and not hosts.isdisjoint(EVERYWHERE)):
        return errors.response(_refusal(400, f"This server answers to {', '.join(sorted(hosts))} alone, not to the host {host[:100]!r}."))
    body = await _body(http)
    if body is None:
        return errors.response(_refusal(413, f"The body of a request has at most {MOST_BODY:,} bytes."))
    path = http.scope.get("raw_path") or http.scope["path"].encode()
    query = http.scope.get("query_string", b"")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in http.scope["headers"]}
    return door.handle(Request(http.method, path.decode("latin-1"), query.decode("latin-1"), headers, body))


async def _body(http: HttpRequest) -> bytes | None:
    """The body; None for one that is too long, of which no more is read than that takes."""
    told = http.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > MOST_BODY:
        return None
    parts, length = [], 0
    async for part in http.stream():
        length += len(part)
        if length > MOST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _is_address(host: str) -> bool:
    """Whether it is an address, and no name that somebody else may point anywhere."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _refusal(status: int, message: str) -> StripeError:
    return StripeError(status, "invalid_request_error", "", message)
