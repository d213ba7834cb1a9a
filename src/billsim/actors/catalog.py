"""Catalog sells: a purchase off session, through the mutation pipeline like any other change."""

from __future__ import annotations

from billsim.actors.callers import ask, calls
from billsim.actors.stage import Action, Teller
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import CATALOG


def _sell(teller: Teller, task: str, row: TimelineRow) -> None:
    told = {key: row.params[key] for key in ("product", "plan", "price", "interval", "quantity")}
    ask(teller.stage, f"{CATALOG}.sell", row.params["account"], task, told)


ACTIONS: dict[str, Action] = {"sell": _sell, "call": calls(CATALOG)}
