"""Who there is in a tale: its accounts, each in the state that is drawn for it, and near an edge of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from billsim.core.choices import Options, Quantiles, Table
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, add_months, day_of_month
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario, Tales
from billsim.stores import stripe_metadata
from billsim.stores.subs_account import EMAIL_VERIFIED

NAMES = ("ada", "bob", "cleo", "dan", "eve", "finn", "gia", "hal")
PLANS = {"pro_monthly": 2_000, "business_monthly": 20_000}
MILLION = 1_000_000


class Facts(Protocol):
    """Who is asked: a seed, or whoever else makes stories up."""

    def fact(self, label: str, table: Table) -> int:
        """The answer to a question about a subject, which may be put any number of times."""
        ...


def evenly(name: str, count: int) -> Options:
    """0 to `count` - 1, each as likely."""
    return Options(name, dict.fromkeys(range(count), 1))


SHARE = Quantiles("share", (0, MILLION))
PLAN = Options("plan", {0: 750, 1: 250})
INSTRUMENT = Options("instrument", {0: 700, 1: 170, 2: 130})
CARD = Options("card", {0: 500, 1: 350, 2: 150})
# Whether a charge has succeeded before: at Stripe (0), never (1), or elsewhere, of old (2).
PAID_BEFORE = Options("paid_before", {0: 780, 1: 130, 2: 90})
_ELSEWHERE = 2
_INSTRUMENTS = ("card", "paypal", "sepa_debit")
_CARDS = (None, "good", "lost")


class Cast(NamedTuple):
    """An account of a tale: its invoices, oldest first, with what a renewal will make; and when things happen to it by themselves."""

    account: GivenAccount
    invoices: tuple[str, ...]
    moments: tuple[int, ...]


class Casting:
    """Makes up the accounts of a tale."""

    def __init__(self, scenario: Scenario, tales: Tales, facts: Facts) -> None:
        self.facts = facts
        self.start_ms = scenario.start
        self.span_ms = min(tales.days * DAY_MS, scenario.until - scenario.start) - 4 * HOUR_MS
        self.settings = scenario.stripe
        self.policy = DunningPolicy(max_attempts=scenario.stripe.max_attempts)
        self.states = tuple(tales.states)
        self.state = Options("state", {n: tales.states[name] for n, name in enumerate(self.states)})

    def cast(self, n: int) -> Cast:
        """The n-th account."""
        state = self.states[self.ask(n, "state", self.state)]
        plan = tuple(PLANS)[self.ask(n, "plan", PLAN)]
        account = GivenAccount(
            account=NAMES[n],
            plan=plan,
            price=PLANS[plan],
            instrument=_INSTRUMENTS[self.ask(n, "instrument", INSTRUMENT)],
            card=_CARDS[self.ask(n, "card", CARD)],
            paid_before=not self.ask(n, "paid_before", PAID_BEFORE),
        )
        return _STATES[state](self, account, n)

    def ask(self, n: int, what: str, table: Table) -> int:
        """The answer to a question about the n-th account."""
        return self.facts.fact(f"w/tale/account{n}/{what}", table)

    def within(self, n: int, what: str, length_ms: int) -> int:
        """A whole number of seconds, in milliseconds, from 0 to `length_ms`."""
        return self.ask(n, what, SHARE) * (length_ms // SECOND_MS) // MILLION * SECOND_MS

    def in_story(self, n: int, what: str, most_ms: int = 10**15) -> int:
        """An instant within the story, an hour or more from its start, and at most `most_ms`."""
        return self.start_ms + HOUR_MS + self.within(n, what, min(self.span_ms, most_ms - HOUR_MS))

    def retried(self, n: int, nth: int, what: str) -> tuple[GivenInvoice, int]:
        """An open invoice with an attempt to come, and when that will be."""
        days = self.settings.retry_days
        failed = 1 + self.ask(n, f"{what}_attempts", evenly("attempts", len(days)))
        waits_ms = (days[failed - 1] - (days[failed - 2] if failed > 1 else 0)) * DAY_MS
        again = self.in_story(n, f"{what}_when", waits_ms)
        return GivenInvoice(invoice=f"{NAMES[n]}_{nth}", failed_attempts=failed, last_attempt=again - waits_ms), again

    def exhausted(self, n: int, boundary_ms: int, instrument: str, *, banned: bool = False) -> GivenInvoice:
        """An open invoice that was tried for the last time, so that its grace, or what leads to a ban, is over at an instant."""
        over_ms = self.policy.grace_of(instrument) + (self.policy.ban_after_ms if banned else 0)
        return GivenInvoice(invoice=f"{NAMES[n]}_1", failed_attempts=self.policy.max_attempts, last_attempt=boundary_ms - over_ms)


def _healthy(_casting: Casting, account: GivenAccount, _n: int) -> Cast:
    return Cast(replace(account, card=account.card or "good"), (f"{account.account}_1",), ())


def _renewing(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """The subscription renews within the story: the invoice is finalised, and tried, some time after."""
    renews_s = casting.in_story(n, "when") // SECOND_MS
    began_s = add_months(renews_s, -1, day_of_month(renews_s))
    renews_ms = add_months(began_s, 1, day_of_month(began_s)) * SECOND_MS
    tried_ms = renews_ms + casting.settings.finalize_after_minutes * MINUTE_MS
    card = ("declines", "good", "lost")[_CARDS.index(account.card)]
    return Cast(replace(account, started=began_s * SECOND_MS, card=card), (f"{account.account}_1",), (renews_ms, tried_ms))


def _retrying(casting: Casting, account: GivenAccount, n: int) -> Cast:
    invoice, again_ms = casting.retried(n, 1, "retry")
    if casting.ask(n, "paid_before", PAID_BEFORE) == _ELSEWHERE:
        account = replace(account, rows=_paid_elsewhere(casting.policy))
    return _owing(account, (invoice,), (again_ms,))


def _paid_elsewhere(policy: DunningPolicy) -> dict[str, dict[str, Any]]:
    """What the stores hold of an account, in debt but not bad, that paid by Braintree before it came to Stripe."""
    flags = {"flags": EMAIL_VERIFIED}
    return {"subs_customer": {"braintree_paid": True}, "subs_account": flags, stripe_metadata.NAME: {policy.no_success_key: ""}}


def _delinquent(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """The grace runs out within the story."""
    boundary_ms = casting.in_story(n, "when", casting.policy.grace_of(account.instrument))
    return _owing(account, (casting.exhausted(n, boundary_ms, account.instrument),), (boundary_ms,))


def _bad_debt(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """The grace is over, the ban far."""
    over_ms = casting.start_ms - HOUR_MS - casting.within(n, "when", casting.policy.ban_after_ms - 12 * DAY_MS)
    return _owing(account, (casting.exhausted(n, over_ms, account.instrument),), ())


def _ban_due(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """Bad debt for so long that the ban falls within the story."""
    boundary_ms = casting.in_story(n, "when", casting.policy.ban_after_ms)
    return _owing(account, (casting.exhausted(n, boundary_ms, account.instrument, banned=True),), (boundary_ms,))


def _two_debts(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """The schedule of an older invoice is used up, and that of a newer one is not."""
    boundary_ms = casting.in_story(n, "when", casting.policy.grace_of(account.instrument))
    newer, again_ms = casting.retried(n, 2, "second")
    return _owing(account, (casting.exhausted(n, boundary_ms, account.instrument), newer), (boundary_ms, again_ms))


def _uncollectible(casting: Casting, account: GivenAccount, n: int) -> Cast:
    at_ms = casting.start_ms - HOUR_MS - casting.within(n, "when", 20 * DAY_MS)
    failed = casting.policy.max_attempts
    invoice = GivenInvoice(invoice=f"{account.account}_1", status="uncollectible", failed_attempts=failed, last_attempt=at_ms)
    return _owing(account, (invoice,), ())


def _incomplete(_casting: Casting, account: GivenAccount, _n: int) -> Cast:
    """A purchase whose first payment failed: no debt, unless it is paid."""
    return Cast(replace(account, subscription="incomplete"), (f"{account.account}_1",), ())


def _contract(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """An account whose state contract paths set, in debt."""
    types = casting.policy.contract_types
    account_type = types[casting.ask(n, "type", evenly("contract", len(types)))]
    return _retrying(casting, replace(account, account_type=account_type), n)


def _no_customer(_casting: Casting, account: GivenAccount, _n: int) -> Cast:
    return Cast(replace(account, stripe_customer=False, card=None), (f"{account.account}_1",), ())


def _merged(casting: Casting, account: GivenAccount, n: int) -> Cast:
    """The account stands on the Stripe customer of the first one, if that has one."""
    if n == 0 or casting.states[casting.ask(0, "state", casting.state)] == "no_customer":
        return _retrying(casting, account, n)
    planted: dict[str, dict[str, Any]] = {"subs_customer": {"stripe_customer": f"cus_{NAMES[0]}"}}
    return Cast(replace(account, rows=planted), (f"{NAMES[n]}_1",), ())


def _owing(account: GivenAccount, invoices: tuple[GivenInvoice, ...], moments: tuple[int, ...]) -> Cast:
    return Cast(replace(account, invoices=invoices), tuple(invoice.invoice for invoice in invoices), moments)


# What the names of `[tales] states` stand for.
_STATES: dict[str, Callable[[Casting, GivenAccount, int], Cast]] = {
    "healthy": _healthy,
    "renewing": _renewing,
    "retrying": _retrying,
    "delinquent": _delinquent,
    "bad_debt": _bad_debt,
    "ban_due": _ban_due,
    "two_debts": _two_debts,
    "uncollectible": _uncollectible,
    "incomplete": _incomplete,
    "contract": _contract,
    "no_customer": _no_customer,
    "merged": _merged,
}
