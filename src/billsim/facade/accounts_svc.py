"""accounts-svc: the billing profile. Made, shown, changed and erased; what Stripe holds too is changed there first, and then copied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from billsim.facade import cache
from billsim.facade.desk import TRIES, Refusal, RowsMovedError, Serving, answered, key_of, looked_up, served, shown
from billsim.facade.identity import PROFILE, copied, differs, known_customer
from billsim.ports import CallStripe, CompareAndSet, Component, Message, Read, Send, Steps
from billsim.stores.ope import ACTIVE, OpeSubscription
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN, AccountRow
from billsim.stores.subs_dunning import DunningRow

NAME = "accounts_svc"
VIEW = "request.view_profile"
# What Stripe takes (https://docs.stripe.com/api/customers/create).
LONGEST_NAME, LONGEST_EMAIL = 256, 512
FLAGS = {"marketing_opt_in": MARKETING_OPT_IN, "email_verified": EMAIL_VERIFIED}
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_BILLED = ("name", "email")
_DOOR = ("via",)
ERASED: Mapping[str, Any] = {"name": "", "email": "", "country": ""}


def handle(message: Message) -> Steps:
    """Serve `request.{create,update,erase}_profile`, and show one for `request.view_profile`."""
    if message.kind == VIEW:
        yield from shown(message, view)
    else:
        yield from served(message, SERVES[message.kind])


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle, primary=True)


def create(message: Message) -> Serving:
    """A profile for a new account: `name` and `email`, and what else an update may hold."""
    fields = _valid(message.body)
    for field in _BILLED:
        if not fields.get(field):
            raise Refusal(f"missing_{field}")
    if (yield Read("subs_account", message.account)) is not None:
        raise Refusal("already_there")
    if (yield CompareAndSet("subs_account", message.account, 0, _plain(fields) | {"flags": _turned(0, fields)})) is None:
        raise Refusal("already_there")
    yield CompareAndSet("subs_customer", message.account, 0, {"stripe_customer": ""})
    return answered()


def view(message: Message) -> Serving:
    """The profile, and whether the account is chased for a debt, as they were at most a minute ago."""
    profile = yield from cache.cached(message.account, PROFILE, looked_up(message, _shown))
    return answered(profile=profile)


def update(message: Message) -> Serving:
    """Change any of `name`, `email`, `country`, `marketing_opt_in`, `email_verified`; the rest stays as it is, whoever else writes it."""
    fields = _valid(message.body)
    if not fields:
        raise Refusal("nothing_to_change")
    return (yield from _set(message, fields))


def erase(message: Message) -> Serving:
    """Forget who the account was, here and at Stripe; not while it has a subscription."""
    bought: dict[str, OpeSubscription] = yield Read("ope", message.account)
    if any(row.status == ACTIVE for row in bought.values()):
        raise Refusal("has_a_subscription")
    return (yield from _set(message, dict(ERASED) | {"marketing_opt_in": False, "email_verified": False}))


SERVES = {
    "request.create_profile": create,
    "request.update_profile": update,
    "request.erase_profile": erase,
}


def _set(message: Message, fields: dict[str, Any]) -> Serving:
    billed = {field: fields[field] for field in _BILLED if field in fields}
    own = fields
    customer = yield from known_customer(message.account)
    if customer and billed:
        yield CallStripe("customers.update", message.account, customer, billed, key_of(message, "profile"))
        yield from copied(message.account)
        # An empty one is absent at Stripe, which says nothing to copy then.
        own = {field: value for field, value in fields.items() if field not in _BILLED or not value}
    return (yield from _set_own(message.account, own))


def _set_own(account: str, fields: dict[str, Any]) -> Serving:
    """Set what only we hold, bit by bit where it is a flag."""
    for _ in range(TRIES):
        row: AccountRow = yield Read("subs_account", account)
        flags = _turned(row.flags, fields)
        told = _plain(fields) | {"flags": flags}
        if not differs(row, told):
            return answered()
        if (yield CompareAndSet("subs_account", account, row.version, told)) is not None:
            yield from cache.forget(account, PROFILE)
            if flags != row.flags:
                yield Send("flags_changed", account)
            return answered()
    raise RowsMovedError(account, "subs_account")


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if field not in FLAGS}


def _turned(flags: int, fields: Mapping[str, Any]) -> int:
    for name, bit in FLAGS.items():
        if name in fields:
            flags = flags | bit if fields[name] else flags & ~bit
    return flags


def _valid(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks for. Raises Refusal: `unknown_<field>` or `invalid_<field>`."""
    fields = {name: value for name, value in body.items() if name not in _DOOR}
    for name, value in fields.items():
        if name not in _VALID:
            raise Refusal(f"unknown_{name}")
        if not _VALID[name](value):
            raise Refusal(f"invalid_{name}")
    return fields


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_NAME


def _is_email(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_EMAIL and _EMAIL.fullmatch(value) is not None


def _is_country(value: Any) -> bool:
    return isinstance(value, str) and _COUNTRY.fullmatch(value) is not None


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


_VALID = {"name": _is_name, "email": _is_email, "country": _is_country, "marketing_opt_in": _is_switch, "email_verified": _is_switch}


def _shown(account: str) -> cache.Loading:
    row: AccountRow = yield Read("subs_account", account)
    dunning: DunningRow | None = yield Read("subs_dunning", account)
    fields: dict[str, Any] = {field: getattr(row, field) for field in ("name", "email", "country", "account_type")}
    fields |= {name: bool(row.flags & bit) for name, bit in FLAGS.items()}
    return {**fields, "status": dunning.status if dunning is not None else ""}
