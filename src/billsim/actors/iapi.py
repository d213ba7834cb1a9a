"""iAPI, the gateway between services: the largest surface. Nobody is there to confirm anything."""

from __future__ import annotations

from billsim.actors.callers import ask, calls
from billsim.actors.stage import Action, Teller
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import IAPI

OPERATIONS = {"create": "create_subscription", "upgrade": "upgrade", "downgrade": "downgrade", "quantity": "set_quantity", "cancel": "cancel"}


def change_told(row: TimelineRow) -> dict[str, object]:
    """What a `change` row says of the change; the rest is as the table has it."""
    keys = ("product", "plan", "price", "interval", "quantity", "when")
    return {key: row.params[key] for key in keys}


def _change(teller: Teller, task: str, row: TimelineRow) -> None:
    ask(teller.stage, f"{IAPI}.{OPERATIONS[row.params['op']]}", row.params["account"], task, change_told(row))


def _update_profile(teller: Teller, task: str, row: TimelineRow) -> None:
    field = row.params["field"]
    ask(teller.stage, f"{IAPI}.set_{field}", row.params["account"], task, {field: row.params["value"]})


def _list_invoices(teller: Teller, task: str, row: TimelineRow) -> None:
    ask(teller.stage, f"{IAPI}.list_invoices", row.params["account"], task)


ACTIONS: dict[str, Action] = {"change": _change, "update_profile": _update_profile, "list_invoices": _list_invoices, "call": calls(IAPI)}
