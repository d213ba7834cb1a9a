"""Product teams change subscriptions by a message in the queue of domain events, the fourth door of the mutation pipeline."""

from __future__ import annotations

from billsim.actors.callers import ask, calls
from billsim.actors.iapi import change_told
from billsim.actors.stage import Action, Teller
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import PRODUCT_TEAM


def _change(teller: Teller, task: str, row: TimelineRow) -> None:
    ask(teller.stage, f"{PRODUCT_TEAM}.{row.params['op']}", row.params["account"], task, change_told(row))


ACTIONS: dict[str, Action] = {"change": _change, "call": calls(PRODUCT_TEAM)}
