"""What callers do in a tale: changes of what is bought, by every door; profiles and payment methods; what support does to money and flags."""

from __future__ import annotations

from typing import Any

from billsim.core.choices import Options
from billsim.scenario.plan import GivenAccount
from billsim.scenario.tale_cast import Cast, evenly
from billsim.scenario.tale_rows import COIN, Act, Telling
from billsim.scenario.touchpoints import CALLERS, CATALOG, DASHBOARD, IAPI, NINJAPANEL, PRODUCT_TEAM, operations_of

UP, DOWN, BY_THE_YEAR, MORE = range(4)
TURN = Options("turn", {UP: 400, DOWN: 300, BY_THE_YEAR: 150, MORE: 150})
# Whether a change waits for the end of the period.
DELAYED = Options("delayed", {0: 700, 1: 300})
# By which door: the Dashboard, iAPI, or the queue.
DOOR = Options("door", {0: 400, 1: 350, 2: 250})
# Whether the bank asks to confirm, and whether a second change follows.
ASKED = Options("asked", {0: 700, 1: 300})
AGAIN = Options("again", {0: 600, 1: 400})
OF_MONEY = Options("of_money", {0: 500, 1: 300, 2: 200})
FIELD = Options("field", {0: 350, 1: 350, 2: 100, 3: 100, 4: 100})
INSTRUMENT = Options("new_instrument", {0: 600, 1: 250, 2: 150})
WORTH = Options("worth", {0: 500, 1: 300, 2: 200})
# Two clicks, or two tabs, are this far apart.
SOON_MS = 400
_DOORS = (DASHBOARD, IAPI, PRODUCT_TEAM)
_INSTRUMENTS = ("card", "paypal", "sepa_debit")
_CARDS = ("good", "declines", "lost")
_PROFILE: tuple[tuple[str, tuple[Any, Any]], ...] = (
    ("email", ("new@example.org", "other@example.org")),
    ("name", ("Ada King", "A. Lovelace")),
    ("country", ("FR", "GB")),
    ("marketing_opt_in", (True, False)),
    ("email_verified", (True, False)),
)
_FLAGS = ("bad_debt", "no_successful_payment")
MONTHS_OF_A_YEAR = 10


def _change(telling: Telling, cast: Cast) -> None:
    """A change of the subscription; now and then the bank wants a confirmation, or a second one follows at once."""
    name = cast.account.account
    if cast.account.stripe_customer and telling.ask("asked", ASKED):
        telling.row("bank", "challenge", account=name, returns_after_s=telling.within("returns", 120))
    when = ("now", "period_end")[telling.ask("when", DELAYED)]
    _by_door(telling, cast.account, telling.ask("turn", TURN), _DOORS[telling.ask("door", DOOR)], when, 1)
    if telling.ask("again", AGAIN):
        door, later_ms = _DOORS[telling.ask("then_door", DOOR)], 1 + telling.within("later", SOON_MS)
        _by_door(telling, cast.account, telling.ask("then", TURN), door, "now", later_ms)


def _by_door(telling: Telling, account: GivenAccount, turn: int, door: str, when: str, after_ms: int) -> None:
    wanted = _wanted(account, turn)
    if door == DASHBOARD:
        telling.row(account.account, "change_plan", after_ms, **wanted, when=when)
        return
    op = {DOWN: "downgrade", MORE: "quantity"}.get(turn, "upgrade")
    wanted = {"quantity": wanted["quantity"]} if turn == MORE else {key: wanted[key] for key in ("plan", "price", "interval")}
    telling.row(door, "change", after_ms, account=account.account, op=op, **wanted, when=when)


def _wanted(account: GivenAccount, turn: int) -> dict[str, Any]:
    plan, price = account.plan.removesuffix("_monthly"), account.price
    if turn == BY_THE_YEAR:
        return {"plan": f"{plan}_yearly", "price": price * MONTHS_OF_A_YEAR, "interval": "year", "quantity": 1}
    sizes = {UP: (f"{plan}_plus", price * 2, 1), DOWN: (f"{plan}_lite", price // 2, 1), MORE: (account.plan, price, 3)}
    name, costs, quantity = sizes[turn]
    return {"plan": name, "price": costs, "interval": "month", "quantity": quantity}


def _cancel(telling: Telling, cast: Cast) -> None:
    name, when = cast.account.account, ("now", "period_end")[telling.ask("when", DELAYED)]
    door = _DOORS[telling.ask("door", DOOR)]
    if door == DASHBOARD:
        telling.row(name, "cancel", when=when)
    else:
        telling.row(door, "change", account=name, op="cancel", when=when)


def _buy(telling: Telling, cast: Cast) -> None:
    """A further product, at the checkout, from the catalog or by a product team; now and then twice in a row."""
    name = cast.account.account
    sold = {"product": "storage", "plan": "storage_monthly", "price": 700}
    told = {"account": name, **sold}
    doors = ((name, "checkout", sold), (CATALOG, "sell", told), (PRODUCT_TEAM, "change", {"op": "create", **told}))
    by, do, params = doors[telling.ask("door", DOOR)]
    if by == name and telling.ask("asked", ASKED):
        telling.row("bank", "challenge", account=name, returns_after_s=telling.within("returns", 120))
    telling.row(by, do, 1, **params)
    if telling.ask("again", AGAIN):
        by, do, params = doors[telling.ask("then_door", DOOR)]
        telling.row(by, do, 1 + telling.within("later", SOON_MS), **params)


def _money(telling: Telling, cast: Cast) -> None:
    """Support credits part of an invoice or all of it, pays back, or answers a dispute."""
    account, invoice = cast.account, telling.invoice(cast)
    what = telling.ask("what", OF_MONEY)
    if what == 2:
        result = ("won", "lost")[telling.ask("how", COIN)]
        telling.row(NINJAPANEL, "dispute", account=account.account, charge_of=invoice, result=result)
        return
    amount = max(1, account.price // (1, 2, 4)[telling.ask("part", WORTH)])
    telling.row(NINJAPANEL, ("credit", "refund")[what], account=account.account, invoice=invoice, amount=amount)


def _clear_flag(telling: Telling, cast: Cast) -> None:
    telling.row(NINJAPANEL, "clear_flag", account=cast.account.account, flag=_FLAGS[telling.ask("which", COIN)])


def _retry(telling: Telling, cast: Cast) -> None:
    """Pressed once or, by the impatient, twice."""
    name, invoice = cast.account.account, telling.invoice(cast)
    telling.row(name, "update_card", card="good")
    telling.row(name, "retry", SOON_MS, invoice=invoice)
    if telling.ask("again", AGAIN):
        telling.row(name, "retry", SOON_MS + 1 + telling.within("later", SOON_MS), invoice=invoice)


def _update_profile(telling: Telling, cast: Cast) -> None:
    """On the Dashboard or by iAPI; and often another value soon after, by the other of the two."""
    name, (field, values) = cast.account.account, _PROFILE[telling.ask("field", FIELD)]
    first = telling.ask("door", COIN)
    for place in range(1 + telling.ask("again", AGAIN)):
        told = {"field": field, "value": values[place]}
        after_ms = place * (1 + telling.within("later", SOON_MS))
        if (first + place) % 2:
            telling.row(IAPI, "update_profile", after_ms, account=name, **told)
        else:
            telling.row(name, "update_profile", after_ms, **told)


def _method(telling: Telling, cast: Cast) -> None:
    """Another payment method, or the one there is away."""
    name = cast.account.account
    if telling.ask("which", AGAIN):
        telling.row(name, "remove_card")
        return
    card = _CARDS[telling.ask("how", WORTH)]
    telling.row(name, "attach_card", card=card, instrument=_INSTRUMENTS[telling.ask("new", INSTRUMENT)])


def _call(telling: Telling, cast: Cast) -> None:
    """Anything at any touchpoint, as the table has it."""
    caller = CALLERS[telling.ask("caller", evenly("caller", len(CALLERS)))]
    operations = operations_of(caller)
    operation = operations[telling.ask("operation", evenly(f"operations_{caller}", len(operations)))]
    if caller == DASHBOARD:
        telling.row(cast.account.account, "call", operation=operation)
    else:
        telling.row(caller, "call", account=cast.account.account, operation=operation)


# What the names of `[tales] actions` stand for, besides those of `tale_rows`.
CALLS: dict[str, Act] = {
    "change": _change,
    "cancel": _cancel,
    "buy": _buy,
    "money": _money,
    "clear_flag": _clear_flag,
    "retry": _retry,
    "update_profile": _update_profile,
    "method": _method,
    "call": _call,
}
