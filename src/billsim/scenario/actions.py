"""What the actors of a told story can do: one table of actors, actions and parameters, which validation and the actors both read."""

from __future__ import annotations

from typing import Any, NamedTuple

from billsim.scenario.candidates import CANDIDATES, wrong_with
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import CATALOG, DASHBOARD, IAPI, NINJAPANEL, PRODUCT_TEAM, operations_of
from billsim.scenario.vocabulary import CARDS, CHANGES, EVENT_TYPES, INSTRUMENTS, INTERVALS, PROFILE_FIELDS

CUSTOMER = "<account>"


class Param(NamedTuple):
    """A parameter of an action. `kind`: `text`, `number`, `bool`, `account`, `invoice`, `event`, `value` (text, or true or false),
    `candidates` (of remediation), or `choice` (one of `choices`).
    """

    kind: str
    required: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()


def _choice(*choices: str, default: str | None = None) -> Param:
    return Param("choice", default is None, default, choices)


_INVOICE = {"invoice": Param("invoice")}
_EVENT = {"event": Param("event"), "account": Param("account", required=False)}

_ACCOUNT = {"account": Param("account")}
_CREDIT = {**_ACCOUNT, **_INVOICE, "amount": Param("number")}
_PROFILE = {"field": _choice(*PROFILE_FIELDS), "value": Param("value")}
_WHEN = {"when": _choice("now", "period_end", default="now")}
_PRICED = {"plan": Param("text"), "price": Param("number"), "interval": _choice(*INTERVALS, default="month"), "quantity": Param("number", False, 1)}
_SOLD = {**_PRICED, "product": Param("text", required=False)}
_CHANGE = {
    **_ACCOUNT,
    "op": _choice(*CHANGES),
    **{key: Param("text", required=False) for key in ("product", "plan")},
    **{key: Param("number", required=False) for key in ("price", "quantity")},
    "interval": Param("choice", required=False, choices=INTERVALS),
    **_WHEN,
}


def _operation(caller: str) -> Param:
    """Any of a caller's operations, by its name in the table of touchpoints."""
    return _choice(*operations_of(caller))


# The rows of `<account>` are done by the customer of that account, on the Dashboard where they are requests.
ACTIONS: dict[str, dict[str, dict[str, Param]]] = {
    "stripe": {"charge": {**_INVOICE, "result": _choice("declined", "lost_card", "paid", "requires_action", "processing", default="declined")}},
    CUSTOMER: {
        "pay": {**_INVOICE, "via": _choice("dashboard", "hosted", default="dashboard")},
        "update_card": {"card": _choice(*CARDS, default="good")},
        "subscribe": {"plan": Param("text"), "price": Param("number"), "result": _choice("declined", "paid", default="paid")},
        "set_flag": {"flag": _choice("marketing_opt_in", "email_verified"), "on": Param("bool")},
        "retry": dict(_INVOICE),
        "change_plan": {**_PRICED, **_WHEN},
        "cancel": dict(_WHEN),
        "checkout": dict(_SOLD),
        "attach_card": {"card": _choice(*CARDS), "instrument": _choice(*INSTRUMENTS, default="card")},
        "remove_card": {},
        "update_profile": dict(_PROFILE),
        "call": {"operation": _operation(DASHBOARD)},
    },
    "bank": {"challenge": {"account": Param("account"), "returns_after_s": Param("number")}},
    "support": {
        "void": dict(_INVOICE),
        "mark_uncollectible": dict(_INVOICE),
        "recompute": dict(_ACCOUNT),
        "change_account_type": {"account": Param("account"), "account_type": Param("text")},
        "merge": {"account": Param("account"), "into": Param("account")},
    },
    NINJAPANEL: {
        "clear_flag": {**_ACCOUNT, "flag": _choice("bad_debt", "no_successful_payment")},
        "credit": dict(_CREDIT),
        "refund": dict(_CREDIT),
        "dispute": {**_ACCOUNT, "charge_of": Param("invoice"), "result": _choice("won", "lost")},
        "recompute": dict(_ACCOUNT),
        "call": {**_ACCOUNT, "operation": _operation(NINJAPANEL)},
    },
    IAPI: {
        "change": dict(_CHANGE),
        "update_profile": {**_ACCOUNT, **_PROFILE},
        "list_invoices": dict(_ACCOUNT),
        "call": {**_ACCOUNT, "operation": _operation(IAPI)},
    },
    CATALOG: {"sell": {**_ACCOUNT, **_SOLD}, "call": {**_ACCOUNT, "operation": _operation(CATALOG)}},
    PRODUCT_TEAM: {"change": dict(_CHANGE), "call": {**_ACCOUNT, "operation": _operation(PRODUCT_TEAM)}},
    "pipe": {"hold": dict(_EVENT), "release": dict(_EVENT), "duplicate": {**_EVENT, "times": Param("number", required=False, default=2)}},
    "cron": {
        "run": {"job": _choice("nightly")},
        "driftcontrol": {
            **{key: Param(CANDIDATES, required=False) for key in ("stripe", "www")},
            **{key: Param("number", required=False) for key in ("population", "yesterday")},
        },
    },
}
ACTORS = tuple(actor for actor in ACTIONS if actor != CUSTOMER)
DOABLE = tuple(sorted({do for actions in ACTIONS.values() for do in actions}))


def actions_of(by: str) -> dict[str, dict[str, Param]]:
    """The actions of an actor; any name that is no actor's is taken for a customer's account."""
    return ACTIONS[by] if by in ACTORS else ACTIONS[CUSTOMER]


def filled(row: TimelineRow) -> dict[str, Any]:
    """The row's parameters, with the action's defaults for those that it does not tell."""
    return {name: row.params.get(name, param.default) for name, param in actions_of(row.by)[row.do].items()}


def allowed(param: Param) -> tuple[str, ...]:
    """The values that a parameter may have, where they can be listed."""
    return EVENT_TYPES if param.kind == "event" else param.choices


def accept(param: Param, value: Any) -> str:
    """What is wrong with a parameter's value, or '' for nothing. References to accounts and invoices are for the caller to follow."""
    if param.kind == "number":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "must be a whole number" if not whole else "must not be negative" if value < 0 else ""
    if param.kind == "bool" or isinstance(value, bool):
        fits = isinstance(value, bool) and param.kind in ("bool", "value")
        return "" if fits else "must be true or false" if param.kind == "bool" else "must be text"
    if not isinstance(value, str):
        return "must be text"
    if param.kind == CANDIDATES:
        return wrong_with(value)
    if param.kind == "event" and value not in EVENT_TYPES:
        return f"'{value}' is not a known event type"
    if param.kind == "choice" and value not in param.choices:
        return f"'{value}' is not one of {', '.join(param.choices)}"
    return "" if value else "must not be empty"
