"""A server: a sandbox behind HTTP, whose events go out to endpoints, until somebody ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

try:
    import uvicorn
    from starlette.applications import Starlette
except ImportError as missing:
    raise ImportError("serving the simulated Stripe needs an HTTP server: pip install 'billsim[stripe]'") from missing

from billsim.pipe.weather import Weather
from billsim.serving.app import LOOPBACK, Served, application
from billsim.serving.road import Road
from billsim.serving.webhooks import Courier, Delivery, over_http
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.wire.message import Request, Response

# What is held up on the road goes when nobody has asked for anything for so long.
QUIET_S = 1.0
BACKLOG = 2_048
# How long what is under way may take when the server ends.
GRACE_S = 3


class Watching(Protocol):
    """Who looks on."""

    def served(self, request: Served) -> None:
        """A request was answered."""
        ...

    def delivered(self, delivery: Delivery) -> None:
        """An attempt was made to deliver an event."""
        ...


class Serving:
    """A sandbox, and what carries its events; `retry_s`: after how many seconds a delivery that failed is tried again."""

    def __init__(self, sandbox: Sandbox, weather: Weather | None, watching: Watching, retry_s: Sequence[float]) -> None:
        self.courier = Courier(over_http(), watching.delivered, retry_s)
        self._sandbox = sandbox
        self._road = Road(weather, sandbox.now_of)
        self._asked = 0

    def handle(self, request: Request) -> Response:
        """Answer a request; its events set out when that is done."""
        self._asked += 1
        answer = self._sandbox.handle(request)
        self.courier.take(self._road.take(self._sandbox.deliveries()))
        return answer

    async def run(self) -> None:
        """Deliver events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.courier.run())
            tasks.create_task(self._let_go())

    async def _let_go(self) -> None:
        """Flush the road whenever it is quiet."""
        while True:
            asked = self._asked
            await asyncio.sleep(QUIET_S)
            if asked == self._asked and not self._road.empty:
                self.courier.take(self._road.flush())


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on an address, 0 for any free port. Raises OSError where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)  # who asks from now on waits for the server, instead of being turned away
        yield opened


def serve(serving: Serving, on: socket.socket, watching: Watching, hosts: Sequence[str], started: Callable[[], None]) -> None:
    """Serve on a socket, under these host names besides those of this machine's own loopback, until a signal ends it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        delivering = asyncio.create_task(serving.run())
        started()
        yield
        delivering.cancel()

    app: Any = application(serving, (*LOOPBACK, *hosts), watching.served, lifespan)
    config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_S)
    uvicorn.Server(config).run(sockets=[on])
