"""What happens in a tale: one row of its timeline after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from billsim.core.choices import Options, Quantiles, Table
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.scenario.plan import Scenario, Tales, TimelineRow
from billsim.scenario.tale_cast import MILLION, SHARE, Cast, Facts, evenly

TYPES = ("self_serve", "jdc", "msp", "cloudflare_ent")
# What an engine may hear of late, or twice.
EVENTS = (
    "invoice.payment_failed",
    "invoice.paid",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.finalized",
    "invoice.updated",
    "invoice.payment_action_required",
    "charge.failed",
    "charge.succeeded",
    "customer.updated",
)
TYPE = Options("type", {1: 400, 0: 300, 2: 150, 3: 150})
WAVERS = Options("wavers", {0: 800, 1: 200})
WHICH = Options("which", {0: 700, 1: 300})
# Whether a row of a burst is about another account than the row above.
OTHER = Options("other", {0: 700, 1: 300})
RESULT = Options("result", {0: 350, 1: 250, 2: 120, 3: 140, 4: 140})
NEW_CARD = Options("new_card", {0: 550, 1: 450})
CARD = Options("card", {0: 650, 1: 200, 2: 150})
COIN = evenly("coin", 2)
EVENT = Options("event", {n: 300 if n < 2 else 60 for n in range(len(EVENTS))})
# Beside which of the rows that follow a held event is let go (0: some time after).
RELEASED = Options("released", {1: 450, 2: 300, 3: 150, 0: 100})
HOURS, MINUTES, SECONDS, SAME, MEETS = range(5)
# How far from the instant that it meets a row stands: on it, or while what happened then is on its way through the pipe and the engine.
NEARNESS = Quantiles("nearness", (-2 * SECOND_MS, -300, 0, 0, 0, 150, 400, 700, 1_000, 1_600, 4 * SECOND_MS))
_CARDS = ("good", "declines", "lost")
_RESULTS = ("declined", "paid", "lost_card", "requires_action", "processing")
_DOORS = ("dashboard", "hosted")
_FLAGS = ("marketing_opt_in", "email_verified")


class Held(NamedTuple):
    """An event type that the pipe holds, until beside the `rows`-th row from now, or until an instant."""

    params: dict[str, Any]
    rows: int
    until_ms: int


class Telling:
    """Makes up the rows of a tale, in the order in which they happen."""

    def __init__(self, scenario: Scenario, tales: Tales, facts: Facts, casts: list[Cast], does: Mapping[str, Act]) -> None:
        self.does = does
        self.facts = facts
        self.casts = casts
        self.most = tales.rows
        self.at = scenario.start + HOUR_MS
        self.end_ms = scenario.until - HOUR_MS
        self.actions = tuple(tales.actions)
        self.action = Options("action", {n: tales.actions[name] for n, name in enumerate(self.actions)})
        apart = 1000 - tales.bursts
        weights = {HOURS: apart * 5, MINUTES: apart * 2, SECONDS: tales.bursts * 4, SAME: tales.bursts * 6, MEETS: apart * 3}
        self.gap = Options("gap", weights)
        self.nights = tuple(range(scenario.start // DAY_MS * DAY_MS + scenario.cron_minute * MINUTE_MS, scenario.until, DAY_MS))
        self.rows: list[TimelineRow] = []
        self.held: list[Held] = []
        self.n = 0

    def tell(self) -> list[TimelineRow]:
        """All rows. What is held is let go at the storm's end where no row does it."""
        cast = self.casts[0]
        while len(self.rows) < self.most and self.ask("more", Options("more", {0: 1, 1: 2 * (self.most - len(self.rows))})):
            gap = self.ask("gap", self.gap)
            if gap not in (SAME, SECONDS) or self.ask("other", OTHER):
                cast = self.casts[self.ask("who", evenly("who", len(self.casts)))]
            action = self.actions[self.ask("does", self.action)]
            at = self.instant(gap, cast)
            if at > self.end_ms:
                break
            self.at = at
            self.does[action](self, cast)
            self.let_go(at)
            self.n += 1
        return sorted(self.rows, key=lambda row: row.at)[: self.most]

    def ask(self, what: str, table: Table) -> int:
        """The answer to a question about the row that is being told."""
        return self.facts.fact(f"w/tale/row{self.n}/{what}", table)

    def within(self, what: str, length_ms: int) -> int:
        """Milliseconds from 0 to `length_ms`."""
        return self.ask(what, SHARE) * length_ms // MILLION

    def instant(self, gap: int, cast: Cast) -> int:
        """When the row happens: with the one above it, soon or some time after, or when something happens by itself."""
        if gap == MEETS:
            ahead = [*(moment for moment in cast.moments if moment > self.at), *self.nights[bisect_right(self.nights, self.at) :][:1]]
            if ahead:
                return max(self.at, ahead[self.ask("meets", WHICH) % len(ahead)] + self.ask("near", NEARNESS))
        if gap == SAME:
            return self.at
        if gap == SECONDS:
            return self.at + 100 + self.within("after", 8 * SECOND_MS)
        unit = MINUTE_MS if gap == MINUTES else HOUR_MS
        return self.at + unit * (1 + self.within("after", 20 * SECOND_MS) // SECOND_MS)

    def row(self, by: str, do: str, after_ms: int = 0, **params: Any) -> None:
        """A row, now or a little later."""
        self.rows.append(TimelineRow(at=self.at + after_ms, by=by, do=do, params=params))

    def let_go(self, at: int) -> None:
        """Release, beside the row of this instant, what was to be held no longer."""
        held = [Held(held.params, held.rows - 1, held.until_ms) for held in self.held]
        for over in [held for held in held if held.rows == -1 or (held.rows < -1 and held.until_ms <= at)]:
            self.row("pipe", "release", **over.params)
        self.held = [held for held in held if held.rows >= 0 or (held.rows < -1 and held.until_ms > at)]

    def invoice(self, cast: Cast) -> str:
        """One of the account's invoices."""
        return cast.invoices[self.ask("which", WHICH) % len(cast.invoices)]


# Makes up the rows of one action.
Act = Callable[[Telling, Cast], None]


def _charge(telling: Telling, cast: Cast) -> None:
    telling.row("stripe", "charge", invoice=telling.invoice(cast), result=_RESULTS[telling.ask("how", RESULT)])


def _pay(telling: Telling, cast: Cast) -> None:
    """Customers who pay have often changed their card just before."""
    name, later_ms = cast.account.account, 0
    if telling.ask("new_card", NEW_CARD):
        telling.row(name, "update_card", card="good")
        later_ms = 500
    telling.row(name, "pay", later_ms, invoice=telling.invoice(cast), via=_DOORS[telling.ask("how", COIN)])


def _update_card(telling: Telling, cast: Cast) -> None:
    telling.row(cast.account.account, "update_card", card=_CARDS[telling.ask("how", CARD)])


def _void(telling: Telling, cast: Cast) -> None:
    telling.row("support", "void", invoice=telling.invoice(cast))


def _mark_uncollectible(telling: Telling, cast: Cast) -> None:
    telling.row("support", "mark_uncollectible", invoice=telling.invoice(cast))


def _recompute(telling: Telling, cast: Cast) -> None:
    telling.row("support", "recompute", account=cast.account.account)


def _set_flag(telling: Telling, cast: Cast) -> None:
    telling.row(cast.account.account, "set_flag", flag=_FLAGS[telling.ask("which", COIN)], on=not telling.ask("how", COIN))


def _change_account_type(telling: Telling, cast: Cast) -> None:
    """Support changes the type; now and then it wavers, takes that back soon after, and then does it all the same."""
    account, account_type = cast.account.account, TYPES[telling.ask("how", TYPE)]
    telling.row("support", "change_account_type", account=account, account_type=account_type)
    if telling.ask("wavers", WAVERS):
        telling.row("support", "change_account_type", 10 * MINUTE_MS, account=account, account_type=cast.account.account_type)
        telling.row("support", "change_account_type", 20 * MINUTE_MS, account=account, account_type=account_type)


def _subscribe(telling: Telling, cast: Cast) -> None:
    if cast.account.stripe_customer:
        telling.row(cast.account.account, "subscribe", plan="addon_monthly", price=500, result=("paid", "declined")[telling.ask("how", COIN)])


def _challenge(telling: Telling, cast: Cast) -> None:
    """The bank wants a confirmation of the next payment on session, and there is one."""
    if not cast.account.stripe_customer:
        return
    name = cast.account.account
    telling.row("bank", "challenge", account=name, returns_after_s=telling.within("returns", 120))
    telling.row(name, "pay", 1, invoice=telling.invoice(cast), via=_DOORS[telling.ask("how", COIN)])


def _hold(telling: Telling, cast: Cast) -> None:
    params: dict[str, Any] = {"event": EVENTS[telling.ask("how", EVENT)], "account": cast.account.account}
    telling.row("pipe", "hold", **params)
    telling.held.append(Held(params, telling.ask("released", RELEASED), telling.at + HOUR_MS + telling.within("until", DAY_MS)))


def _duplicate(telling: Telling, cast: Cast) -> None:
    telling.row("pipe", "duplicate", event=EVENTS[telling.ask("how", EVENT)], account=cast.account.account)


def _cron(telling: Telling, _cast: Cast) -> None:
    telling.row("cron", "run", job="nightly")


# What the names of `[tales] actions` stand for.
ACTIONS: dict[str, Act] = {
    "charge": _charge,
    "pay": _pay,
    "update_card": _update_card,
    "void": _void,
    "mark_uncollectible": _mark_uncollectible,
    "recompute": _recompute,
    "set_flag": _set_flag,
    "change_account_type": _change_account_type,
    "subscribe": _subscribe,
    "challenge": _challenge,
    "hold": _hold,
    "duplicate": _duplicate,
    "cron": _cron,
}
