"""The account's events, kept for a while, and the endpoints that they are sent to (https://docs.stripe.com/webhooks)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from billsim.core.signature import sign
from billsim.core.time import DAY_MS
from billsim.stripe.lists import PAGES, Page
from billsim.stripe.objects import Deleted, Emitted, StripeError
from billsim.stripe.objects.account import WebhookEndpoint
from billsim.stripe.params import Types, check, merged_metadata, refusal
from billsim.stripe.wire.render import Rendered

KEPT_MS = 30 * DAY_MS
MOST_ENDPOINTS = 16
_LIST: Types = {**PAGES, "created": int | dict, "type": str, "types": list}
_UPDATE: Types = {"url": str, "enabled_events": list, "description": str, "disabled": bool, "metadata": dict}
_CREATE: Types = {"url": str, "enabled_events": list, "description": str, "api_version": str, "metadata": dict}

PageOf = Callable[[Any, dict[str, Any], str], Page]


class Delivery(NamedTuple):
    """An event that is to be posted to an endpoint. `emitted` is what the simulation knows of it, and `clock` the test clock by whose time it was, ''
    for the account's own.
    """

    endpoint: str
    url: str
    secret: str
    event: str
    type: str
    body: bytes
    emitted: Emitted
    clock: str = ""

    def signature(self, at_s: int) -> str:
        """The header `Stripe-Signature` of an attempt at an instant, in unix seconds; each attempt has its own."""
        return sign(self.body, self.secret, at_s)


class _Told(msgspec.Struct, frozen=True):
    """An event as it was rendered when it was made."""

    id: str
    created: int
    type: str
    at_ms: int
    rendered: Rendered


class Outgoing:
    """Events and endpoints of one account. `page` makes pages of what it is given."""

    def __init__(self, page: PageOf) -> None:
        self._page = page
        self._events: dict[str, _Told] = {}
        self._endpoints: dict[str, WebhookEndpoint] = {}
        self._waiting: deque[tuple[WebhookEndpoint, _Told, Emitted, str]] = deque()

    # -- events

    def tell(self, rendered: Rendered, now_ms: int, emitted: Emitted, clock: str = "") -> None:
        """An event was made: keep it, and send it to whoever listens."""
        listening = [each for each in self._endpoints.values() if each.status == "enabled" and _wants(each, rendered["type"])]
        rendered["pending_webhooks"] = len(listening)
        told = _Told(rendered["id"], rendered["created"], rendered["type"], now_ms, rendered)
        self._events[told.id] = told
        self._waiting.extend((endpoint, told, emitted, clock) for endpoint in listening)
        while (oldest := next(iter(self._events.values()))).at_ms + KEPT_MS < now_ms:
            del self._events[oldest.id]

    def deliveries(self, outward: Callable[[bytes], bytes]) -> list[Delivery]:
        """What is to be posted since this was asked for, in the order in which it happened."""
        waiting, self._waiting = self._waiting, deque()
        return [_delivery(*each, outward) for each in waiting]

    def find(self, id: str) -> WebhookEndpoint | None:
        """The endpoint of this id, or None."""
        return self._endpoints.get(id)

    def memory(self) -> list[Any]:
        """Every event and endpoint, and what waits."""
        return [list(self._events.values()), list(self._endpoints.values()), [told.id for _, told, _, _ in self._waiting]]

    def retrieve_event(self, id: str, params: dict[str, Any]) -> Rendered:
        """Raises StripeError (404) for one that is not known, or that is older than 30 days."""
        if id not in self._events:
            raise refusal("resource_missing", f"No such event: {id!r}", 404, param="id")
        return self._events[id].rendered

    def list_events(self, params: dict[str, Any]) -> Page:
        """Events, newest first."""
        check(params, _LIST)
        if params.get("type") and params.get("types"):
            raise refusal("parameters_exclusive", "You can only specify one of these parameters: type, types.", param="types")
        wanted = params.get("types") or ([params["type"]] if params.get("type") else [])
        found = [told for told in reversed(self._events.values()) if not wanted or any(_matches(told.type, each) for each in wanted)]
        page = self._page(found, params, "/v1/events")
        return Page(tuple(told.rendered for told in page.data), page.has_more, page.url)

    # -- endpoints

    def create(self, id: str, secret: str, params: dict[str, Any], now_s: int) -> WebhookEndpoint:
        """A new endpoint, enabled; its secret is told once."""
        check(params, _CREATE, ("url", "enabled_events"))
        if len(self._endpoints) >= MOST_ENDPOINTS:
            raise refusal("", f"You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints.")
        events = tuple(params["enabled_events"])
        made = WebhookEndpoint(
            id=id,
            created=now_s,
            livemode=False,
            url=_url(params["url"]),
            enabled_events=events,
            description=params.get("description") or None,
            secret=secret,
            metadata=merged_metadata({}, params.get("metadata")),
        )
        self._endpoints[id] = made
        return made

    def retrieve(self, id: str) -> WebhookEndpoint:
        """Raises StripeError (404)."""
        if id not in self._endpoints:
            raise refusal("resource_missing", f"No such webhook endpoint: {id!r}", 404, param="webhook_endpoint")
        return self._endpoints[id]

    def update(self, id: str, params: dict[str, Any]) -> WebhookEndpoint:
        """Set what is given."""
        old = self.retrieve(id)
        check(params, _UPDATE)
        fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata"))}
        if "url" in params:
            fields["url"] = _url(params["url"])
        if "enabled_events" in params:
            fields["enabled_events"] = tuple(params["enabled_events"])
        if "description" in params:
            fields["description"] = params["description"] or None
        if "disabled" in params:
            fields["status"] = "disabled" if params["disabled"] else "enabled"
        self._endpoints[id] = replace(old, **fields)
        return self._endpoints[id]

    def delete(self, id: str) -> Deleted:
        """Nothing more is sent to it."""
        self.retrieve(id)
        del self._endpoints[id]
        return Deleted(id, "webhook_endpoint")

    def list_endpoints(self, params: dict[str, Any]) -> Page:
        """Endpoints, newest first."""
        check(params, PAGES)
        return self._page(list(reversed(self._endpoints.values())), params, "/v1/webhook_endpoints")


def _delivery(endpoint: WebhookEndpoint, told: _Told, emitted: Emitted, clock: str, outward: Callable[[bytes], bytes]) -> Delivery:
    body = outward(msgspec.json.encode(told.rendered))
    event: str = msgspec.json.decode(body)["id"]
    return Delivery(endpoint.id, endpoint.url, endpoint.secret, event, told.type, body, emitted, clock)


def _wants(endpoint: WebhookEndpoint, type: str) -> bool:
    return "*" in endpoint.enabled_events or type in endpoint.enabled_events


def _matches(type: str, wanted: str) -> bool:
    """`charge.*` stands for all that begin so."""
    return type.startswith(wanted[:-1]) if wanted.endswith("*") else type == wanted


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _bad_url()
    return url


def _bad_url() -> StripeError:
    return refusal("url_invalid", "Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
