"""The actors of a told story: one function for each thing that a row of a timeline may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from billsim.actors.crons import run_nightly
from billsim.actors.stage import Stage, new_card
from billsim.core.time import SECOND_MS
from billsim.scenario.actions import filled
from billsim.scenario.plan import TimelineRow
from billsim.stores.ope import OpeItem
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN
from billsim.stripe.api import CardBehaviour
from billsim.stripe.objects import Emitted

Action = Callable[["Storyteller", str, TimelineRow], None]

# A customer confirms at the bank this long after being asked; the browser comes back later still.
CONFIRMS_AFTER_MS = 5 * SECOND_MS
FLAGS = {"marketing_opt_in": MARKETING_OPT_IN, "email_verified": EMAIL_VERIFIED}


class Storyteller:
    """Performs the rows of a timeline; remembers whom the bank will challenge and when their browser comes back."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.returns_after_ms: dict[str, int] = {}

    def perform(self, index: int, row: TimelineRow) -> None:
        """Do what the row at `index` of the timeline says, now."""
        actor = row.by if row.by in ("stripe", "bank", "support", "pipe", "cron") else "customer"
        ACTIONS[actor, row.do](self, f"story/row{index}", replace(row, params=filled(row)))

    def hear(self, emitted: Emitted) -> None:
        """A challenged customer goes to the bank and confirms."""
        if emitted.event.type == "payment_intent.requires_action":
            intent = emitted.event.data.object.id
            task = f"{emitted.origin}/bank/{emitted.name}"
            kernel = self.stage.kernel

            def confirm(_task: Any) -> None:
                self.stage.act("bank", task, lambda: self.stage.stripe.confirm(intent, task))

            kernel.call_at(kernel.now + CONFIRMS_AFTER_MS, self.stage.choices.rank(task), confirm, task)


def _charge(teller: Storyteller, task: str, row: TimelineRow) -> None:
    stage, invoice = teller.stage, f"in_{row.params['invoice']}"
    stage.act("stripe", f"w/{task}", lambda: stage.stripe.attempt_now(invoice, row.params["result"], f"w/{task}"))


def _pay(teller: Storyteller, task: str, row: TimelineRow) -> None:
    stage, invoice = teller.stage, f"in_{row.params['invoice']}"
    if row.params["via"] == "hosted":
        stage.act("customer", f"w/{task}", lambda: stage.stripe.call("invoices.pay", invoice, {"off_session": False}, key=None, task=f"w/{task}"))
        return
    body = {"invoice": invoice, "returns_after_ms": teller.returns_after_ms.get(row.by, 0)}
    stage.request("request.pay", row.by, f"{task.replace('/', '.')}.pay", body)


def _update_card(teller: Storyteller, task: str, row: TimelineRow) -> None:
    new_card(teller.stage, "customer", row.by, f"w/{task}", row.params["card"])


def _subscribe(teller: Storyteller, task: str, row: TimelineRow) -> None:
    """A further subscription, sold by the catalog: it is recorded in OPE as bought, whether or not its first payment goes through."""
    stage, account, plan, price = teller.stage, row.by, row.params["plan"], row.params["price"]
    customer, suffix = stage.customer_of(account), f"{account}-{task.rsplit('row', 1)[-1]}"
    subscription = f"sub_{suffix}"
    card = f"pm_{suffix}"
    kind = "good" if row.params["result"] == "paid" else "insufficient_funds"
    stage.stripe.behave(card, CardBehaviour(kind))  # type: ignore[arg-type]

    def call(method: str, id: str, params: dict[str, Any], step: str) -> None:
        stage.act("catalog", f"e/{task}", lambda: stage.stripe.call(method, id, params, key=None, task=f"e/{task}/{step}"))

    call("payment_methods.create", card, {"type": "card"}, "card")
    call("payment_methods.attach", card, {"customer": customer}, "attach")
    currency = stage.stripe.books[customer].customer.currency or "usd"  # type: ignore[union-attr]
    terms = {"currency": currency, "unit_amount": price, "product": f"addon-{suffix}", "recurring": {"interval": "month"}}
    call("prices.create", f"price_{suffix}", terms, "price")
    params = {"customer": customer, "items": [{"price": f"price_{suffix}"}], "default_payment_method": card, "payment_behavior": "allow_incomplete"}
    call("subscriptions.create", subscription, params, "subscribe")
    fields = {"stripe_subscription": subscription, "items": (OpeItem(f"addon-{suffix}", plan, price),)}
    stage.put("catalog", "engine", f"e/{task}", "ope", account, f"ope_{suffix}", fields)
    stage.put("catalog", "facade", f"e/{task}", "cf_prod", account, f"addon-{suffix}", {"plan": plan})


def _set_flag(teller: Storyteller, task: str, row: TimelineRow) -> None:
    stage, bit = teller.stage, FLAGS[row.params["flag"]]
    flags = stage.flags_of(row.by)
    new = flags | bit if row.params["on"] else flags & ~bit
    stage.put("profile", "facade", f"e/{task}", "subs_account", row.by, None, {"flags": new})
    stage.announce("flags_changed", row.by, f"e/{task}")


def _change_account_type(teller: Storyteller, task: str, row: TimelineRow) -> None:
    account = row.params["account"]
    teller.stage.put("support", "facade", f"e/{task}", "subs_account", account, None, {"account_type": row.params["account_type"]})
    teller.stage.announce("account_type_changed", account, f"e/{task}")


def _merge(teller: Storyteller, task: str, row: TimelineRow) -> None:
    """Support puts an account on the Stripe customer of another: from then on whose the money is cannot be told."""
    stage, account = teller.stage, row.params["account"]
    stage.put("support", "facade", f"e/{task}", "subs_customer", account, None, {"stripe_customer": stage.customer_of(row.params["into"])})
    stage.announce("mapping_changed", account, f"e/{task}")


def _challenge(teller: Storyteller, _task: str, row: TimelineRow) -> None:
    account = row.params["account"]
    teller.returns_after_ms[account] = row.params["returns_after_s"] * SECOND_MS
    teller.stage.stripe.challenge(teller.stage.customer_of(account))


def _support_call(method: str) -> Action:
    def act(teller: Storyteller, task: str, row: TimelineRow) -> None:
        stage, invoice = teller.stage, f"in_{row.params['invoice']}"
        stage.act("support", f"e/{task}", lambda: stage.stripe.call(method, invoice, {}, key=None, task=f"e/{task}"))

    return act


def _recompute(teller: Storyteller, task: str, row: TimelineRow) -> None:
    teller.stage.request("request.recompute", row.params["account"], f"{task.replace('/', '.')}.recompute", {})


def _hold(teller: Storyteller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.hold(row.params["event"], row.params["account"] or "")


def _release(teller: Storyteller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.release(row.params["event"], row.params["account"] or "")


def _duplicate(teller: Storyteller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.duplicate(row.params["event"], row.params["account"] or "", row.params["times"])


def _run_job(teller: Storyteller, task: str, _row: TimelineRow) -> None:
    run_nightly(teller.stage, f"{task.replace('/', '.')}.nightly")


ACTIONS: dict[tuple[str, str], Action] = {
    ("stripe", "charge"): _charge,
    ("customer", "pay"): _pay,
    ("customer", "update_card"): _update_card,
    ("customer", "subscribe"): _subscribe,
    ("customer", "set_flag"): _set_flag,
    ("bank", "challenge"): _challenge,
    ("support", "void"): _support_call("invoices.void_invoice"),
    ("support", "mark_uncollectible"): _support_call("invoices.mark_uncollectible"),
    ("support", "recompute"): _recompute,
    ("support", "change_account_type"): _change_account_type,
    ("support", "merge"): _merge,
    ("pipe", "hold"): _hold,
    ("pipe", "release"): _release,
    ("pipe", "duplicate"): _duplicate,
    ("cron", "run"): _run_job,
}
