"""How any caller asks for something: through a touchpoint, with the page before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billsim.actors.page import Page
from billsim.actors.stage import Action, Stage, Teller
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import DASHBOARD, DOMAIN, touchpoints


def ask(stage: Stage, point: str, account: str, task: str, told: Mapping[str, Any] | None = None, *, named: str = "") -> None:
    """Ask at the touchpoint `<caller>.<operation>` for an account. `told` goes before what the table's body says, but for what is None.

    The request is named after `task` and the operation, or else `named`.
    """
    touchpoint, page = touchpoints()[point], Page(stage, account, task)
    asked = {**touchpoint.body, **{key: value for key, value in (told or {}).items() if value is not None}}
    body = {key: page.read(value) for key, value in asked.items()}
    body["via"] = touchpoint.caller
    if touchpoint.entry.startswith(DOMAIN):
        stage.announce(touchpoint.entry.removeprefix(DOMAIN), account, f"e/{task}", body)
    else:
        stage.request(touchpoint.entry, account, named or f"{task.replace('/', '.')}.{touchpoint.operation}", body)


def on_session(teller: Teller, operation: str, account: str, task: str, told: Mapping[str, Any]) -> None:
    """Ask on the Dashboard, with the customer there: back from the bank after as long as was told."""
    away_ms = teller.returns_after_ms.get(account)
    ask(teller.stage, f"{DASHBOARD}.{operation}", account, task, told if away_ms is None else {**told, "returns_after_ms": away_ms})


def calls(caller: str) -> Action:
    """Any operation of a caller's, as the table tells it."""

    def call(teller: Teller, task: str, row: TimelineRow) -> None:
        account = row.by if caller == DASHBOARD else row.params["account"]
        if caller == DASHBOARD:
            on_session(teller, row.params["operation"], account, task, {})
        else:
            ask(teller.stage, f"{caller}.{row.params['operation']}", account, task)

    return call
