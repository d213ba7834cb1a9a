"""Stripe's list API: newest first, in pages (https://docs.stripe.com/api/pagination)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any, Literal

import msgspec

from billsim.stripe.backend import Backend
from billsim.stripe.kinds import CALLED
from billsim.stripe.params import Types, check, refusal

# How every list is read.
PAGES: Types = {"limit": int, "starting_after": str, "ending_before": str}
# Those of objects that customers have may be read by when the objects were made.
PAGE_PARAMS: Types = {**PAGES, "customer": str, "created": int | dict}
DEFAULT_LIMIT, MOST = 10, 100
_RANGE: Types = {"gt": int, "gte": int, "lt": int, "lte": int}
_COMPARES: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page of objects; `has_more` says whether another follows."""

    data: tuple[Any, ...]
    has_more: bool
    url: str
    object: Literal["list"] = "list"


def page(backend: Backend, kind: str, params: dict[str, Any], filters: tuple[str, ...], url: str, *, without: str = "") -> Page:
    """The objects of a kind whose fields equal the given `filters`, of one customer or of all; not those whose status is `without`.

    Raises StripeError for a limit outside 1..100, for a `starting_after` or `ending_before` that is not in the list, and for both of them.
    """
    given = {name: params[name] for name in filters if params.get(name)}
    found: Iterable[Any] = backend.every(kind, params.get("customer"))
    found = [thing for thing in found if all(getattr(thing, name) == value for name, value in given.items())]
    if without:
        found = [thing for thing in found if thing.status != without]
    return page_of(backend, found, params, url)


def page_of(backend: Backend, found: Iterable[Any], params: dict[str, Any], url: str) -> Page:
    """A page of what was found, made when `created` asks for. Raises StripeError as `page` does."""
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MOST:
        message = f"This value must be {'greater than or equal to 1' if limit < 1 else f'less than or equal to {MOST}'}."
        raise refusal("parameter_invalid_integer", message, param="limit")
    made = within(found, params.get("created"), "created", lambda thing: thing.created)
    newest = sorted(made, key=lambda thing: (thing.created, backend.made.get(thing.id, 0)), reverse=True)
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise refusal("parameters_exclusive", "You can only specify one of these parameters: starting_after, ending_before.", param="ending_before")
    if before:
        end = _position(newest, before, "ending_before", url)
        return Page(tuple(newest[max(end - limit, 0) : end]), end > limit, url)
    start = _position(newest, after, "starting_after", url) + 1 if after else 0
    return Page(tuple(newest[start : start + limit]), len(newest) > start + limit, url)


def within(found: Iterable[Any], when: Any, name: str, instant: Callable[[Any], int | None]) -> Iterable[Any]:
    """Those of what was found whose `instant` is `when`, or lies within its bounds; all where nothing is given under this `name`."""
    if when is None or when == "":
        return found
    if isinstance(when, int):
        return [thing for thing in found if instant(thing) == when]
    check(when, _RANGE, within=name)
    dated = [(thing, at) for thing in found if (at := instant(thing)) is not None]
    return [thing for thing, at in dated if all(_COMPARES[how](at, bound) for how, bound in when.items())]


def _position(found: list[Any], id: str, param: str, url: str) -> int:
    for position, thing in enumerate(found):
        if thing.id == id:
            return position
    kind = url.rpartition("/")[2].removesuffix("s")
    raise refusal("resource_missing", f"No such {CALLED.get(kind, kind)}: {id!r}", param=param)
