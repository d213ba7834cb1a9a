"""The actors of a told story: one function for each thing that a row of a timeline may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from billsim.actors import catalog, dashboard, iapi, ninjapanel, product_teams
from billsim.actors.crons import run_driftcontrol, run_nightly
from billsim.actors.purchase import buy
from billsim.actors.stage import Action, Stage, Teller, new_card
from billsim.core.time import SECOND_MS
from billsim.scenario.actions import ACTORS, filled
from billsim.scenario.candidates import candidates_of
from billsim.scenario.plan import TimelineRow
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN
from billsim.stripe.objects import Emitted

CUSTOMER = "customer"
# A customer confirms at the bank this long after being asked; the browser comes back later still.
CONFIRMS_AFTER_MS = 5 * SECOND_MS
FLAGS = {"marketing_opt_in": MARKETING_OPT_IN, "email_verified": EMAIL_VERIFIED}


class Storyteller:
    """Performs the rows of a timeline; remembers whom the bank will challenge and when their browser comes back."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.returns_after_ms: dict[str, int] = {}
        self._confirms: Mapping[str, Callable[[str, str], None]] = {
            "payment_intent.requires_action": stage.stripe.confirm,
            "setup_intent.requires_action": stage.stripe.confirm_setup,
        }

    def perform(self, index: int, row: TimelineRow) -> None:
        """Do what the row at `index` of the timeline says, now."""
        self.do(f"story/row{index}", row)

    def do(self, task: str, row: TimelineRow) -> None:
        """Do what a row says, now, as the act `task` (without the letter before it)."""
        actor = row.by if row.by in ACTORS else CUSTOMER
        ACTIONS[actor, row.do](self, task, replace(row, params=filled(row)))

    def hear(self, emitted: Emitted) -> None:
        """A challenged customer goes to the bank and confirms: a payment, or that a payment method may be used."""
        confirms = self._confirms.get(emitted.event.type)
        if confirms is None:
            return
        asked, task = emitted.event.data.object.id, f"{emitted.origin}/bank/{emitted.name}"
        kernel = self.stage.kernel

        def confirm(_task: Any) -> None:
            self.stage.act("bank", task, lambda: confirms(asked, task))

        kernel.call_at(kernel.now + CONFIRMS_AFTER_MS, self.stage.choices.rank(task), confirm, task)


def _charge(teller: Teller, task: str, row: TimelineRow) -> None:
    stage, invoice = teller.stage, f"in_{row.params['invoice']}"
    stage.act("stripe", f"w/{task}", lambda: stage.stripe.attempt_now(invoice, row.params["result"], f"w/{task}"))


def _update_card(teller: Teller, task: str, row: TimelineRow) -> None:
    new_card(teller.stage, "customer", row.by, f"w/{task}", row.params["card"])


def _subscribe(teller: Teller, task: str, row: TimelineRow) -> None:
    """A further subscription, sold by the catalog: it is recorded in OPE as bought, whether or not its first payment goes through."""
    suffix, params = f"{row.by}-{task.rsplit('row', 1)[-1]}", row.params
    if f"ope_{suffix}" in teller.stage.stores.read("ope", row.by):
        # Somebody has bought something else, which was given that name.
        suffix += ".more"
    buy(teller.stage, row.by, suffix, params["plan"], params["price"], f"e/{task}", good=params["result"] == "paid")


def _set_flag(teller: Teller, task: str, row: TimelineRow) -> None:
    stage, bit = teller.stage, FLAGS[row.params["flag"]]
    flags = stage.flags_of(row.by)
    new = flags | bit if row.params["on"] else flags & ~bit
    stage.put("profile", "facade", f"e/{task}", "subs_account", row.by, None, {"flags": new})
    stage.announce("flags_changed", row.by, f"e/{task}")


def _change_account_type(teller: Teller, task: str, row: TimelineRow) -> None:
    account = row.params["account"]
    teller.stage.put("support", "facade", f"e/{task}", "subs_account", account, None, {"account_type": row.params["account_type"]})
    teller.stage.announce("account_type_changed", account, f"e/{task}")


def _merge(teller: Teller, task: str, row: TimelineRow) -> None:
    """Support puts an account on the Stripe customer of another: from then on whose the money is cannot be told."""
    stage, account = teller.stage, row.params["account"]
    stage.put("support", "facade", f"e/{task}", "subs_customer", account, None, {"stripe_customer": stage.customer_of(row.params["into"])})
    stage.announce("mapping_changed", account, f"e/{task}")


def _challenge(teller: Teller, _task: str, row: TimelineRow) -> None:
    account = row.params["account"]
    teller.returns_after_ms[account] = row.params["returns_after_s"] * SECOND_MS
    teller.stage.stripe.challenge(teller.stage.customer_of(account))


def _support_call(method: str) -> Action:
    def act(teller: Teller, task: str, row: TimelineRow) -> None:
        stage, invoice = teller.stage, f"in_{row.params['invoice']}"
        stage.act("support", f"e/{task}", lambda: stage.stripe.call(method, invoice, {}, key=None, task=f"e/{task}"))

    return act


def _hold(teller: Teller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.hold(row.params["event"], row.params["account"] or "")


def _release(teller: Teller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.release(row.params["event"], row.params["account"] or "")


def _duplicate(teller: Teller, _task: str, row: TimelineRow) -> None:
    teller.stage.pipe.duplicate(row.params["event"], row.params["account"] or "", row.params["times"])


def _run_job(teller: Teller, task: str, _row: TimelineRow) -> None:
    run_nightly(teller.stage, f"{task.replace('/', '.')}.nightly")


def _run_driftcontrol(teller: Teller, task: str, row: TimelineRow) -> None:
    """The candidates are told, instead of found by views."""
    told = {key: candidates_of(row.params[key] or "") for key in ("stripe", "www")}
    population = row.params["population"]
    body = {**told, "population": len(teller.stage.stores.names) if population is None else population, "yesterday": row.params["yesterday"]}
    run_driftcontrol(teller.stage, f"{task.replace('/', '.')}.driftcontrol", body)


ACTIONS: dict[tuple[str, str], Action] = {
    ("stripe", "charge"): _charge,
    **{(CUSTOMER, do): action for do, action in dashboard.ACTIONS.items()},
    (CUSTOMER, "update_card"): _update_card,
    (CUSTOMER, "subscribe"): _subscribe,
    (CUSTOMER, "set_flag"): _set_flag,
    ("bank", "challenge"): _challenge,
    ("support", "void"): _support_call("invoices.void_invoice"),
    ("support", "mark_uncollectible"): _support_call("invoices.mark_uncollectible"),
    ("support", "recompute"): ninjapanel.ACTIONS["recompute"],
    ("support", "change_account_type"): _change_account_type,
    ("support", "merge"): _merge,
    ("pipe", "hold"): _hold,
    ("pipe", "release"): _release,
    ("pipe", "duplicate"): _duplicate,
    ("cron", "run"): _run_job,
    ("cron", "driftcontrol"): _run_driftcontrol,
    **{("ninjapanel", do): action for do, action in ninjapanel.ACTIONS.items()},
    **{("iapi", do): action for do, action in iapi.ACTIONS.items()},
    **{("catalog", do): action for do, action in catalog.ACTIONS.items()},
    **{("product_team", do): action for do, action in product_teams.ACTIONS.items()},
}
