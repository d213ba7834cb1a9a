"""Stripe's list API: newest first, in pages (https://docs.stripe.com/api/pagination)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from billsim.stripe.backend import Backend
from billsim.stripe.params import Types, refusal

PAGE_PARAMS: Types = {"limit": int, "starting_after": str, "customer": str}
DEFAULT_LIMIT, MOST = 10, 100


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page of objects; `has_more` says whether another follows."""

    data: tuple[Any, ...]
    has_more: bool
    url: str
    object: Literal["list"] = "list"


def page(backend: Backend, kind: str, params: dict[str, Any], filters: tuple[str, ...], url: str, *, without: str = "") -> Page:
    """The objects of a kind whose fields equal the given `filters`, of one customer or of all; not those whose status is `without`.

    Raises StripeError for a limit outside 1..100 and for a `starting_after` that is not in the list.
    """
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MOST:
        raise refusal("parameter_invalid_integer", f"Invalid limit: must be 1 to {MOST}.")
    given = {name: params[name] for name in filters if params.get(name)}
    found = [thing for thing in backend.every(kind, params.get("customer")) if all(getattr(thing, name) == value for name, value in given.items())]
    if without:
        found = [thing for thing in found if thing.status != without]
    found.sort(key=lambda thing: thing.created, reverse=True)
    start = _start(found, params.get("starting_after"))
    return Page(tuple(found[start : start + limit]), len(found) > start + limit, url)


def _start(found: list[Any], after: str | None) -> int:
    if not after:
        return 0
    for position, thing in enumerate(found):
        if thing.id == after:
            return position + 1
    raise refusal("resource_missing", f"No such object: {after!r}.")
