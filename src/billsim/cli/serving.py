"""`billsim serve`: a simulated Stripe over HTTP, for programs that talk to Stripe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from billsim.cli.options import Seed, check
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.scenario.plan import Scenario
    from billsim.serving.app import Served
    from billsim.serving.webhooks import Delivery
    from billsim.stripe.sandbox import Sandbox

EXAMPLE = "Example: billsim serve --stripe --webhook http://127.0.0.1:8000/webhooks"
PORT = 12_121


def serve(
    scenario: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="Whose start, Stripe settings and faults of webhooks hold.", show_default="none")
    ] = "",
    stripe: Annotated[bool, typer.Option("--stripe", help="Serve the simulated Stripe.")] = False,
    port: Annotated[int, typer.Option("--port", metavar="N", help="The port; 0 for any that is free.")] = PORT,
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="The address to listen on; only this machine's own unless told.")] = "127.0.0.1",
    names: Annotated[
        list[str] | None, typer.Option("--name", metavar="NAME", help="A host name that it answers to besides its own; may be repeated.")
    ] = None,
    seed: Seed = 0,
    start: Annotated[str, typer.Option("--start", metavar="TIME", help="The first instant.", show_default="2026-01-01T00:00:00Z")] = "",
    webhook: Annotated[str, typer.Option("--webhook", metavar="URL", help="Send every event there; more endpoints through the API.")] = "",
    webhook_secret: Annotated[str, typer.Option("--webhook-secret", metavar="SECRET", help="What that endpoint verifies with.")] = "",
    webhook_retry: Annotated[str, typer.Option("--webhook-retry", metavar="S,S,S", help="Seconds until a delivery is tried again.")] = "5,60,600",
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing of requests and deliveries.")] = False,
) -> int:
    """Serve a Stripe account that is simulated, until Ctrl-C: its API over HTTP, its webhooks to your endpoints, its time moved by test clocks."""
    if not stripe:
        raise InputError("say what is to be served: --stripe", key="serve")
    check(seed)
    if not 0 <= port <= 65_535:
        raise InputError(f"must be 0 to 65535, not {port}", key="--port")
    retry_s, secret = _seconds(webhook_retry), webhook_secret
    try:
        from billsim.serving.server import Serving, listening
        from billsim.serving.server import serve as serve_on
        from billsim.stripe.sandbox import Sandbox
    except ImportError as missing:
        raise InputError(str(missing), key="--stripe") from None
    told = _scenario(scenario)
    sandbox = Sandbox(seed=seed, start=_instant(start, told), settings=None if told is None else told.stripe)
    if webhook:
        secret = _listen(sandbox, webhook, webhook_secret)
    watching = _Watching(quiet)
    serving = Serving(sandbox, _weather(told, seed), watching, retry_s)
    try:
        with listening(host, port) as opened:
            address, number = opened.getsockname()[:2]
            hosts, url = [host, address, *(names or ())], f"http://{_bracketed(address)}:{number}"
            serve_on(serving, opened, watching, hosts, lambda: watching.started(url, webhook, secret))
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}", key="--port") from None
    return 0


def _seconds(told: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in told.split(",") if part.strip())
    except ValueError:
        found = (-1.0,)
    if not all(0 <= seconds < 1_000_000 for seconds in found):
        raise InputError(f"must be seconds such as 5,60,600, not '{told}'", key="--webhook-retry")
    return found


def _scenario(name: str) -> Scenario | None:
    """The scenario; one whose faults are of other parts is told of, for they do not befall a Stripe that is served alone."""
    if not name:
        return None
    from billsim.cli.options import load
    from billsim.faults.base import PIPE
    from billsim.faults.catalogue import CATALOGUE

    found = load(name)
    others = [fault for fault in found.faults if CATALOGUE[fault].area != PIPE]
    if others:
        typer.echo(f"note: not webhooks' faults, so they befall nothing here: {', '.join(others)}", err=True)
    return found


def _instant(start: str, scenario: Scenario | None) -> int:
    """The first instant, in unix seconds."""
    from billsim.scenario.rows import instant_of
    from billsim.stripe.sandbox import START_S

    if not start:
        return START_S if scenario is None else scenario.start // 1000
    try:
        return instant_of(start) // 1000
    except ValueError as wrong:
        raise InputError(str(wrong), key="--start") from None


def _listen(sandbox: Sandbox, url: str, secret: str) -> str:
    from billsim.stripe.objects import StripeError

    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InputError(f"must be a URL such as http://127.0.0.1:8000/webhooks, not '{url}'", key="--webhook")
    try:
        return sandbox.listen(url, secret=secret)
    except StripeError as refused:
        raise InputError(refused.message, key="--webhook") from None


def _weather(scenario: Scenario | None, seed: int) -> Any:
    if scenario is None or not scenario.faults:
        return None
    from billsim.core.choices import Seeded
    from billsim.faults.base import PIPE
    from billsim.faults.catalogue import CATALOGUE, weather_of

    dials = {name: dial for name, dial in scenario.faults.items() if CATALOGUE[name].area == PIPE}
    return weather_of(dials, Seeded(seed), lambda customer: (customer,))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Watching:
    """Tells of requests and deliveries, a line each, where somebody looks on."""

    def __init__(self, quiet: bool) -> None:
        import sys

        self._quiet = quiet
        self._shown = not quiet and sys.stderr.isatty()

    def started(self, url: str, webhook: str, secret: str) -> None:
        """The server answers from now on."""
        if self._quiet:
            return
        typer.echo(f"a simulated Stripe answers at {url} to any key that begins with sk_test_; Ctrl-C ends it, and nothing of it is kept")
        if webhook:
            typer.echo(f"events go to {webhook}, signed with {secret}")

    def served(self, request: Served) -> None:
        """A request was answered."""
        if self._shown:
            typer.echo(f"{request.status}  {request.method:6} {request.path}  {request.request_id}", err=True)

    def delivered(self, delivery: Delivery) -> None:
        """An attempt was made to deliver an event."""
        if not self._shown:
            return
        parcel, status = delivery.parcel, str(delivery.status or "---")
        if delivery.is_delivered:
            what = "delivered"
        elif delivery.again_s is not None:
            what = f"failed, again in {delivery.again_s:g} s"
        else:
            what = "given up"
        typer.echo(f"{status}  {what}: {parcel.type} {parcel.event} to {parcel.url}", err=True)
