"""The Dashboard, where customers serve themselves, on session: pay, change what they have bought, and say who they are and what they pay with."""

from __future__ import annotations

from billsim.actors.callers import calls, on_session
from billsim.actors.page import Page
from billsim.actors.stage import Action, Teller, made_method
from billsim.scenario.plan import TimelineRow
from billsim.scenario.touchpoints import DASHBOARD

MONTHS = {"month": 1, "year": 12}
PERIOD_END = "period_end"


def _pay(teller: Teller, task: str, row: TimelineRow) -> None:
    stage, invoice = teller.stage, f"in_{row.params['invoice']}"
    if row.params["via"] == "hosted":
        stage.act("customer", f"w/{task}", lambda: stage.stripe.call("invoices.pay", invoice, {"off_session": False}, key=None, task=f"w/{task}"))
        return
    on_session(teller, "pay", row.by, task, {"invoice": invoice})


def _retry(teller: Teller, task: str, row: TimelineRow) -> None:
    on_session(teller, "retry", row.by, task, {"invoice": f"in_{row.params['invoice']}"})


def _change_plan(teller: Teller, task: str, row: TimelineRow) -> None:
    """Whether that is an upgrade or a downgrade, the page says by what a year costs."""
    params, page = row.params, Page(teller.stage, row.by, task)
    bought, item = page.bought, page.item
    held = item.price * item.quantity * (12 // MONTHS[bought.interval]) if bought is not None else 0
    wanted = params["price"] * params["quantity"] * (12 // MONTHS[params["interval"]])
    told = {key: params[key] for key in ("plan", "price", "interval", "quantity")}
    operation = "upgrade" if wanted >= held else "downgrade_at_period_end" if params["when"] == PERIOD_END else "downgrade"
    on_session(teller, operation, row.by, task, {**told, "when": params["when"]})


def _cancel(teller: Teller, task: str, row: TimelineRow) -> None:
    on_session(teller, "cancel_at_period_end" if row.params["when"] == PERIOD_END else "cancel", row.by, task, {})


def _remove_card(teller: Teller, task: str, row: TimelineRow) -> None:
    on_session(teller, "remove_card", row.by, task, {})


def _attach_card(teller: Teller, task: str, row: TimelineRow) -> None:
    instrument = row.params["instrument"]
    method = made_method(teller.stage, "customer", row.by, f"w/{task}", row.params["card"], instrument)
    on_session(teller, f"attach_{instrument}", row.by, task, {"method": method})


def _update_profile(teller: Teller, task: str, row: TimelineRow) -> None:
    field = row.params["field"]
    on_session(teller, f"change_{field}", row.by, task, {field: row.params["value"]})


def _checkout(teller: Teller, task: str, row: TimelineRow) -> None:
    on_session(teller, "checkout", row.by, task, {key: row.params[key] for key in ("product", "plan", "price", "interval", "quantity")})


ACTIONS: dict[str, Action] = {
    "pay": _pay,
    "retry": _retry,
    "change_plan": _change_plan,
    "cancel": _cancel,
    "remove_card": _remove_card,
    "attach_card": _attach_card,
    "update_profile": _update_profile,
    "checkout": _checkout,
    "call": calls(DASHBOARD),
}
