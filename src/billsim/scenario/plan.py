"""A scenario as typed values: what `load` makes of a TOML file and `dump` writes back.

Two kinds of content, either or both: a *told story* (`given`, `timeline`, `expect`) and a *population*.
Instants are milliseconds here and TOML datetimes in the file.
"""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.core.time import HOUR_MS
from billsim.faults.base import Dial
from billsim.stripe.settings import StripeSettings


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a scenario have in common: a typo in a key is an error."""


class GivenInvoice(Plan, frozen=True, kw_only=True):
    """An invoice of the past. `invoice` is `<account>_<n>`; amounts are minor units.

    `failed_attempts` were made at the schedule's instants, the last of them at `last_attempt`
    (default: so that the next try lies after the story's start). `status` is `open`, `paid`, `void` or `uncollectible`:
    `uncollectible` was marked so at its last attempt, `paid` and `void` became so an hour after it. `amount` is the plan's price by default.
    """

    invoice: str
    status: str = "open"
    amount: int | None = None
    failed_attempts: int = 0
    last_attempt: int | None = None


class GivenAccount(Plan, frozen=True, kw_only=True):
    """An account as the story finds it: every store agrees with truth, whatever its past was, unless `rows` says otherwise.

    `card` is `good`, `declines` (insufficient funds) or `lost` (a hard decline); `None` is good, or `declines` where an attempt has failed.
    `paid_before`: an earlier charge succeeded. `failed_attempts` is short for one open invoice `<account>_1` with as many.
    `started`: when the subscription began (default: 40 days before, or a month before the first given invoice).
    `subscription`: Stripe's status where it is not what the invoices imply (`incomplete`).
    `rows` plants fields that differ: store -> fields. In `cf_prod`, `www` and `ope` a field is a key (product, zone, OPE subscription) and its value
    the plan or status; in `stripe_metadata` a key of the customer, or `<account>_<n>/<key>` of an invoice, and '' removes it.
    """

    account: str
    account_type: str = "self_serve"
    country: str = "US"
    instrument: str = "card"
    plan: str = "pro_monthly"
    price: int = 2000
    currency: str = "usd"
    card: str | None = None
    paid_before: bool = True
    failed_attempts: int = 0
    invoices: tuple[GivenInvoice, ...] = ()
    started: int | None = None
    subscription: str | None = None
    stripe_customer: bool = True
    rows: dict[str, dict[str, Any]] = {}


class TimelineRow(Plan, frozen=True, kw_only=True):
    """Something that happens at an instant. Rows with one `at` race.

    `by` is an account's name or `stripe`, `bank`, `support`, `pipe`, `cron`; `do` is one of that actor's actions; `params` are the action's own keys.
    `line` is where the row stands in its file (0: made by a program); it is not part of the row's value when files are compared.
    """

    at: int
    by: str
    do: str
    params: dict[str, Any] = {}
    line: int = 0


class ExpectedDrift(Plan, frozen=True, kw_only=True):
    """A drift that is expected to stand open at quiescence; `cause` is compared only where it is given."""

    account: str
    code: str
    cause: str | None = None


class Outcome(Plan, frozen=True, kw_only=True):
    """What a story leads to: exactly this drift stands open at quiescence.

    `closed`, where it is given, is exactly the drift that opened and closed again on the way.
    """

    drift: tuple[ExpectedDrift, ...] = ()
    closed: tuple[ExpectedDrift, ...] | None = None


class Control(Plan, frozen=True, kw_only=True):
    """The race-free control of a story.

    It goes without the rows that `do` one of `without`, without the given invoices `without_invoices`, with every row at least `apart_minutes` after
    the one before, and without the story's pinned `answers`. `drift` and `closed` are as in an outcome.
    """

    without: tuple[str, ...] = ()
    without_invoices: tuple[str, ...] = ()
    apart_minutes: int = 0
    drift: tuple[ExpectedDrift, ...] = ()
    closed: tuple[ExpectedDrift, ...] | None = None


class Expect(Plan, frozen=True, kw_only=True):
    """What one engine does with the story: in every order, or in at least one, and in the control."""

    every_order: Outcome | None = None
    some_order: Outcome | None = None
    control: Control | None = None


class Judge(Plan, frozen=True, kw_only=True):
    """`sometimes`: marks that must be reached, else the verdict is unknown. `red_under`: engines under which the scenario must fall."""

    sometimes: tuple[str, ...] = ()
    red_under: tuple[str, ...] = ()


class Population(Plan, frozen=True, kw_only=True):
    """Many accounts, for some days. Shares are parts per thousand of the accounts; prices are minor units.

    `declines`: cards without funds when their renewal falls due, for `declines_days` days (quantiles are the population's own).
    `lost`: cards that decline for good. `second_subscription`: accounts with two. `never_paid`: accounts whose first charge has yet to succeed.
    Customers answer the first failed try of an invoice by updating the card (`updates_card`) or paying the invoice on Stripe's hosted page
    (`pays_hosted`) or on the
    Dashboard (`pays_dashboard`), the rest do nothing: shares of the failed payments. Renewals are spread evenly over `renewal_spread_days` from the
    start.

    `people` names a data file of the package (`saas`) that says instead who they are: plans, ages, payment methods, declines, debts of old, and on
    which day and hour they renew. Then only `accounts`, `days`, `prefix`, `currency` and what customers answer are told here.
    """

    accounts: int
    days: int
    people: str = ""
    prefix: str = "acct"
    plans: dict[str, int] = msgspec.field(default_factory=lambda: {"pro_monthly": 2000, "business_monthly": 20000})
    currency: str = "usd"
    declines: int = 60
    declines_days: tuple[int, ...] = (1, 2, 4, 9, 40)
    lost: int = 20
    second_subscription: int = 50
    never_paid: int = 20
    updates_card: int = 200
    pays_hosted: int = 200
    pays_dashboard: int = 0
    renewal_spread_days: int = 30


class Tales(Plan, frozen=True, kw_only=True):
    """Told stories by the thousand: each seed tells another one.

    A story has 1 to `accounts` accounts and up to `rows` rows over `days` days. `states` weighs how an account is found, `actions` what is done in a
    row (both: what a name stands for is told in `scenario/tales.py`); a weight of 0 leaves something out. `bursts`: parts per thousand of the rows
    that share their instant with the row above, or follow it within seconds.
    """

    accounts: int = 3
    rows: int = 12
    days: int = 6
    bursts: int = 500
    states: dict[str, int] = msgspec.field(
        default_factory=lambda: {
            "healthy": 60,
            "renewing": 120,
            "retrying": 280,
            "delinquent": 180,
            "bad_debt": 120,
            "ban_due": 50,
            "two_debts": 110,
            "uncollectible": 40,
            "incomplete": 20,
            "contract": 20,
            "no_customer": 10,
            "merged": 20,
        }
    )
    actions: dict[str, int] = msgspec.field(
        default_factory=lambda: {
            "charge": 200,
            "pay": 190,
            "update_card": 60,
            "void": 70,
            "mark_uncollectible": 50,
            "recompute": 60,
            "set_flag": 90,
            "change_account_type": 20,
            "subscribe": 30,
            "challenge": 40,
            "hold": 90,
            "duplicate": 60,
            "cron": 60,
        }
    )


class Scenario(Plan, frozen=True, kw_only=True):
    """A whole scenario. `source` is the file it came from ('' for none).

    `start`: the first instant of the storm (default: midnight before the first row). `until`: its last (default: a day after the last row, or
    `population.days` after the start). `calm_hours`: how long time runs on after it. `cron_minute`: minute of the day (UTC) at which the nightly job
    starts. `faults`: what befalls the pipe and the queues during the storm, by the fault's name (`billsim faults`).
    `events`: a file of imported events, beside the scenario's. `rows`: a file of what the stores held at `start`, beside it too; `reconstructed`
    names
    the stores of which it tells nothing: there truth stands in. In a file, `extends` names another that this one is laid over.
    `answers` pins choices by their labels, in every run: an order, a latency, a fault that strikes (one that is on at all strikes where its label is
    answered with 1).
    """

    id: str
    rule: str = ""
    from_: str = msgspec.field(default="hand", name="from")
    given: tuple[GivenAccount, ...] = ()
    timeline: tuple[TimelineRow, ...] = ()
    expect: dict[str, Expect] = {}
    judge: Judge = Judge()
    population: Population | None = None
    tales: Tales | None = None
    stripe: StripeSettings = StripeSettings()
    faults: dict[str, Dial] = {}
    answers: dict[str, int] = {}
    start: int
    until: int
    calm_hours: int = 48
    cron_minute: int = 120
    events: str | None = None
    rows: str | None = None
    reconstructed: tuple[str, ...] = ()
    source: str = ""

    @property
    def end(self) -> int:
        """The last instant of the calm: what would happen later, nobody lives to see."""
        return self.until + self.calm_hours * HOUR_MS
