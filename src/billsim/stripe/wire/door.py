"""The API as bytes: a request comes in, an answer goes out. No sockets, no clock of its own; `handle` never raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from billsim.stripe.lists import Page
from billsim.stripe.methods import METHODS
from billsim.stripe.objects import Deleted, StripeError
from billsim.stripe.wire import errors, expand, forms, routes, typed
from billsim.stripe.wire.answers import Answer, Answers
from billsim.stripe.wire.message import ANY_KEY, Request, Response
from billsim.stripe.wire.render import Rendered, View, deleted, list_object, render

__all__ = ["Account", "Deleted", "Door", "Request", "Response"]

_encoder = msgspec.json.Encoder()


class Account(Protocol):
    """A Stripe account, as the door sees it: what performs requests, and what rendering looks at."""

    @property
    def now_ms(self) -> int:
        """The instant, by which answers are forgotten after a day."""
        ...

    @property
    def view(self) -> View:
        """What rendering looks at."""
        ...

    def begin(self) -> str:
        """A request comes in: its id (`req_...`)."""
        ...

    def perform(self, route: routes.Route, id: str, params: dict[str, Any], *, key: str | None, request: str) -> Any:
        """Perform a request whose parameters are those of the API: answers a lean object (an event: as it was rendered), a `Page` of
        them, or `Deleted`. Raises StripeError.
        """
        ...

    def outward(self, body: bytes) -> bytes:
        """An answer as it leaves: with the ids that the account tells others, where those are not the core's own."""
        ...


class Door:
    """The door of one account. Requests are performed one after another, in the order in which they come.

    `keeps_answers`: a request that comes again under its idempotency key is answered here, and the account is not asked. Otherwise the account sees
    to that itself.
    """

    def __init__(self, account: Account, *, keeps_answers: bool = True) -> None:
        self._account = account
        self._keeps = keeps_answers
        self._answers = Answers()

    def handle(self, request: Request) -> Response:
        """Answer a request. Whatever is wrong with it is answered as Stripe would."""
        number = self._account.begin()
        headers = errors.headers_of(number)
        given = {name.lower(): value for name, value in request.headers.items()}
        try:
            status, body = self._answered(request, given, number, headers)
        except Exception as failure:  # a fault of ours: a server says so, and goes on
            broken = StripeError(500, "api_error", "", f"billsim failed: {type(failure).__name__}: {failure}", should_retry=False)
            headers.update(errors.more_headers(broken))
            status, body = 500, errors.body_of(broken, number, None)
        return Response(status, headers, self._account.outward(body))

    def _answered(self, request: Request, given: Mapping[str, str], number: str, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            return self._answer(request, given, number, headers)
        except StripeError as refused:
            headers.update(errors.more_headers(refused))
            return refused.status, errors.body_of(refused, number, self._account.view)

    def memory(self) -> list[Any]:
        """What later answers depend on: the answers that are kept under their keys."""
        return self._answers.memory()

    # -- one request

    def _answer(self, request: Request, given: Mapping[str, str], number: str, headers: dict[str, str]) -> tuple[int, bytes]:
        errors.check_key(given.get("authorization", ""))
        errors.check_version(given.get("stripe-version", ""))
        _check_context(given)
        matched = routes.find(request.method.upper(), request.path)
        if matched is None:
            raise _unrecognized(request)
        asked = _read(request, given, matched)
        key = given.get("idempotency-key") if request.method.upper() == "POST" else None
        if not key:
            return self._perform(asked, None, number)
        if key == ANY_KEY:
            headers["Idempotency-Key"] = f"key-{number}"
            return self._perform(asked, headers["Idempotency-Key"], number)
        headers["Idempotency-Key"] = key
        return self._once(asked, key, number, headers)

    def _once(self, asked: _Asked, key: str, number: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """As `_perform`, but what was answered under the key is answered again."""
        if not self._keeps:
            return self._perform(asked, key, number)
        now_ms = self._account.now_ms
        known = self._answers.of(key, asked.path, asked.told, now_ms)
        if known is not None:
            headers.update(known.headers, **{"Idempotent-Replayed": "true", "Original-Request": known.number})
            return known.status, known.body
        more: dict[str, str] = {}
        try:
            status, body = self._perform(asked, key, number)
        except StripeError as refused:
            if not _has_begun(refused):
                raise
            status, body, more = refused.status, errors.body_of(refused, number, self._account.view), errors.more_headers(refused)
        headers.update(more)
        self._answers.keep(key, Answer(asked.path, asked.told, status, body, number, more), now_ms)
        return status, body

    def _perform(self, asked: _Asked, key: str | None, number: str) -> tuple[int, bytes]:
        route, account = asked.route, self._account
        known = METHODS[route.name].params if route.name in METHODS else asked.params
        params = typed.without_no_ops(typed.as_the_core_says(asked.params), known)
        try:
            found = account.perform(route, asked.id, {**params, **asked.owners}, key=key, request=number)
        except StripeError as refused:
            if refused.code == "parameter_unknown":
                raise typed.not_simulated(refused, params) from None
            raise typed.as_the_api_says(refused, route.name) from None
        rendered = self._rendered(route, found, asked.path)
        expand.expand(rendered, asked.expand, account.view)
        return 200, _encoder.encode(rendered)

    def _rendered(self, route: routes.Route, found: Any, path: str) -> Rendered:
        view = self._account.view
        if isinstance(found, Page):
            return list_object([_rendered(thing, view) for thing in found.data], path, found.has_more)
        rendered = _rendered(found, view)
        if route.name == "webhook_endpoints.create":
            rendered["secret"] = found.secret
        return rendered


def _rendered(thing: Any, view: View) -> Rendered:
    """An object as it is, or was rendered when it was made: an event does not change."""
    if isinstance(thing, Deleted):
        return deleted(thing.id, thing.object)
    return dict(thing) if isinstance(thing, dict) else render(thing, view)


class _Asked(NamedTuple):
    """A request, read: its route and path, what it is about, its parameters as values, and all that it told, for comparing."""

    route: routes.Route
    path: str
    id: str
    owners: dict[str, str]
    params: dict[str, Any]
    expand: list[str]
    told: bytes


def _read(request: Request, given: Mapping[str, str], matched: routes.Matched) -> _Asked:
    """What a request asks for. Raises StripeError where it is not as the API wants it."""
    route = matched.route
    raw = forms.decode(_form(request, given))
    paths = typed.string_list(raw.pop("expand", []), "expand")
    params = typed.typed(raw, route.params)
    expand.check(paths, route.answers, route.lists)
    told = msgspec.json.encode([request.method.upper(), params, paths], order="deterministic")
    return _Asked(route, request.path, matched.id, matched.owners, params, paths, told)


def _form(request: Request, given: Mapping[str, str]) -> str | bytes:
    if request.method.upper() != "POST":
        return request.query
    kind = given.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and kind != "application/x-www-form-urlencoded":
        raise errors.invalid("Invalid request (check that your POST content type is application/x-www-form-urlencoded).")
    return request.query.encode() + b"&" + request.body


def _check_context(given: Mapping[str, str]) -> None:
    """There is one account, and nobody acts for another."""
    for header in ("stripe-account", "stripe-context"):
        if given.get(header):
            raise errors.invalid(f"billsim does not simulate connected accounts: header {header.title()}.", code="not_simulated")


def _unrecognized(request: Request) -> StripeError:
    told = f"Unrecognized request URL ({request.method[:16]}: {request.path[:200]})."
    return errors.invalid(f"{told} docs/stripe.md lists what billsim simulates.", status=404)


def _has_begun(refused: StripeError) -> bool:
    """Whether a refused request had begun to be performed, so that its answer is kept: not where its form was wrong, or where there were too many."""
    return refused.status != 429 and not refused.code.startswith(("parameter_", "not_simulated"))
