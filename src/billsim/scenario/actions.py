"""What the actors of a told story can do: one table of actors, actions and parameters, which validation and the actors both read."""

from __future__ import annotations

from typing import Any, NamedTuple

from billsim.scenario.plan import TimelineRow
from billsim.scenario.vocabulary import CARDS, EVENT_TYPES

CUSTOMER = "<account>"


class Param(NamedTuple):
    """A parameter of an action. `kind`: `text`, `number`, `bool`, `account`, `invoice`, `event`, or `choice` (one of `choices`)."""

    kind: str
    required: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()


def _choice(*choices: str, default: str | None = None) -> Param:
    return Param("choice", default is None, default, choices)


_INVOICE = {"invoice": Param("invoice")}
_EVENT = {"event": Param("event"), "account": Param("account", required=False)}

# The rows of `<account>` are done by the customer of that account.
ACTIONS: dict[str, dict[str, dict[str, Param]]] = {
    "stripe": {"charge": {**_INVOICE, "result": _choice("declined", "lost_card", "paid", "requires_action", "processing", default="declined")}},
    CUSTOMER: {
        "pay": {**_INVOICE, "via": _choice("dashboard", "hosted", default="dashboard")},
        "update_card": {"card": _choice(*CARDS, default="good")},
        "subscribe": {"plan": Param("text"), "price": Param("number"), "result": _choice("declined", "paid", default="paid")},
        "set_flag": {"flag": _choice("marketing_opt_in", "email_verified"), "on": Param("bool")},
    },
    "bank": {"challenge": {"account": Param("account"), "returns_after_s": Param("number")}},
    "support": {
        "void": dict(_INVOICE),
        "mark_uncollectible": dict(_INVOICE),
        "recompute": {"account": Param("account")},
        "change_account_type": {"account": Param("account"), "account_type": Param("text")},
        "merge": {"account": Param("account"), "into": Param("account")},
    },
    "pipe": {"hold": dict(_EVENT), "release": dict(_EVENT), "duplicate": {**_EVENT, "times": Param("number", required=False, default=2)}},
    "cron": {"run": {"job": _choice("nightly")}},
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
    if param.kind == "bool":
        return "" if isinstance(value, bool) else "must be true or false"
    if not isinstance(value, str):
        return "must be text"
    if param.kind == "event" and value not in EVENT_TYPES:
        return f"'{value}' is not a known event type"
    if param.kind == "choice" and value not in param.choices:
        return f"'{value}' is not one of {', '.join(param.choices)}"
    return "" if value else "must not be empty"
