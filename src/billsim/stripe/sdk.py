"""The official SDK over a simulated account, in process: no sockets, no sleeps, no randomness, nothing patched, nothing global set.

    from billsim.stripe.sandbox import Sandbox
    from billsim.stripe.sdk import client

    stripe = client(Sandbox(seed=1))          # a stripe.StripeClient
    stripe.v1.customers.create({"email": "ada@example.com"})

Code that uses the SDK's global style is given `transport(sandbox)` as `stripe.default_http_client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from billsim.stripe.wire.message import ANY_KEY, Request, Response  # isort: skip  # says what to install where there is no SDK

import stripe
from stripe._api_requestor import _APIRequestor
from stripe._v1_services import V1Services

API_KEY = "sk_test_billsim"


class Handles(Protocol):
    """What answers requests: a Sandbox, or the Door of any other account."""

    def handle(self, request: Request) -> Response:
        """The answer; never raises."""
        ...


def client(account: Handles, *, api_key: str = API_KEY) -> stripe.StripeClient:
    """The SDK's client of an account, sync and async. A request without an idempotency key is given one of its own; nothing is retried."""
    return _Client(api_key, http_client=transport(account))


def transport(account: Handles) -> stripe.HTTPClient:
    """What carries the SDK's requests to an account."""
    return _Transport(account)


class _Headers(dict[str, str]):
    """Headers by name, in whatever case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class _Transport(stripe.HTTPClient):
    """Hands requests to an account. What the SDK does between tries (sleeping, measuring, writing to the home folder) it does not do."""

    name = "billsim"

    def __init__(self, account: Handles) -> None:
        super().__init__()
        self._account = account

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any) -> tuple[str, int, _Headers]:
        parts = urlsplit(url)
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        answer = self._account.handle(Request(method.upper(), parts.path, parts.query, dict(headers or {}), body))
        return answer.body.decode(), answer.status, _Headers(answer.headers)

    def request_with_retries(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, max_network_retries: int | None = None, **_: Any
    ) -> tuple[str, int, _Headers]:
        return self.request(method, url, headers, post_data)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, _Headers]:
        body, status, told = self.request(method, url, headers, post_data)
        return body.encode(), status, told

    async def request_with_retries_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, max_network_retries: int | None = None, **_: Any
    ) -> tuple[str, int, _Headers]:
        return self.request(method, url, headers, post_data)

    def close(self) -> None:
        """There is no connection."""

    async def close_async(self) -> None:
        """There is no connection."""


class _Requestor(_APIRequestor):
    """Asks as the SDK does, with headers that are the same in every run: the SDK's own name the machine, and hold random idempotency keys."""

    def _new_requestor_with_options(self, options: Any) -> _Requestor:
        made = super()._new_requestor_with_options(options)
        return _Requestor(made._options, self._get_http_client())

    def request_headers(self, method: Any, api_mode: Any, options: Any) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {options.get('api_key')}", "User-Agent": f"Stripe/{api_mode.lower()} PythonBindings/{stripe.VERSION}"}
        for option, header in (("stripe_account", "Stripe-Account"), ("stripe_context", "Stripe-Context"), ("stripe_version", "Stripe-Version")):
            if options.get(option):
                headers[header] = str(options[option])
        if method == "post":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = options.get("idempotency_key") or ANY_KEY
        elif options.get("idempotency_key"):
            headers["Idempotency-Key"] = options["idempotency_key"]
        return headers


class _Client(stripe.StripeClient):
    """The SDK's client, asking through our requestor."""

    def __init__(self, api_key: str, *, http_client: stripe.HTTPClient) -> None:
        super().__init__(api_key, http_client=http_client)
        self._requestor = _Requestor(self._requestor._options, http_client)
        self.v1 = V1Services(self._requestor)  # type: ignore[no-untyped-call]
