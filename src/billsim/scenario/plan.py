"""A scenario as typed values: what `load` makes of a TOML file and `dump` writes back.

Two kinds of content, either or both: a *told story* (`given`, `timeline`, `expect`) and a *population*.
Instants are milliseconds here and TOML datetimes in the file.
"""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.core.remediation import RemediationPolicy
from billsim.core.time import DAY_MS, HOUR_MS
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
    the plan or status, or `<key>/<what>` in `ope`, where what was bought is another `plan`, `price`, `quantity` or `interval` than is billed; in
    `stripe_metadata` a key of the customer, or `<account>_<n>/<key>` of an invoice, and '' removes it.
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


class Shown(Plan, frozen=True, kw_only=True):
    """A row that a view of the scenario's warehouse shows: one whose columns hold what `row` says of them, whatever the others hold. `night`: the
    date of the mirror, as in "2026-03-14"; '' is the last one.
    """

    view: str
    row: dict[str, Any]
    night: str = ""

    @property
    def wanted(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        """The view, and the columns with what they are to hold."""
        return self.view, tuple(self.row.items())


class Outcome(Plan, frozen=True, kw_only=True):
    """What a story leads to: exactly this drift stands open at quiescence.

    `closed`, where it is given, is exactly the drift that opened and closed again on the way. `shows`: rows that views show by night, among others.
    """

    drift: tuple[ExpectedDrift, ...] = ()
    closed: tuple[ExpectedDrift, ...] | None = None
    shows: tuple[Shown, ...] = ()


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


class Newcomers(Plan, frozen=True, kw_only=True):
    """Accounts whose free first period ends, and whose bank declines the first charge, for nobody is at the browser.

    `accounts`: how many of a thousand. `pays_dashboard`: how many of a thousand customers who have never paid anything then pay on the Dashboard.
    `cleared`: of a thousand of those who will, whom support helps first: it clears the flag of who has never paid by hand.
    """

    accounts: int
    pays_dashboard: int = 800
    cleared: int = 0


class Aftermath(Plan, frozen=True, kw_only=True):
    """What becomes of a debt, weeks after its last try has failed: shares of a thousand such debts, the rest stay owed.

    `pays`: the customer comes with a new card and pays on the Dashboard. `waived`: support voids the invoice. `waived_cleared`: it voids the invoice
    and clears the bad-debt flag by hand. `cleared`: it clears that flag by hand on a promise, and the debt stays. `returns`: of a thousand customers
    whose debt was waived, those who buy again, within weeks.
    """

    pays: int = 0
    waived: int = 0
    waived_cleared: int = 0
    cleared: int = 0
    returns: int = 0


class Flaws(Plan, frozen=True, kw_only=True):
    """Accounts whose data were wrong before the scenario began and stay so, of a thousand: standing on another account's Stripe customer (`merged`),
    mapped to none (`no_customer`), with nothing to pay with, or with something bought that has no price at Stripe. But for `no_payment_method` no
    engine could heal them: they are counted apart.
    """

    merged: int = 0
    no_customer: int = 0
    no_payment_method: int = 0
    missing_price: int = 0


class Population(Plan, frozen=True, kw_only=True):
    """Many accounts, for some days. Shares are parts per thousand of the accounts; prices are minor units.

    `declines`: cards without funds when their renewal falls due, for `declines_days` days (quantiles are the population's own).
    `lost`: cards that decline for good. `second_subscription`: accounts with two. `never_paid`: accounts whose first charge has yet to succeed.
    Customers answer the first failed try of an invoice by updating the card (`updates_card`) or paying the invoice on Stripe's hosted page
    (`pays_hosted`) or on the
    Dashboard (`pays_dashboard`), the rest do nothing: shares of the failed payments. Renewals are spread evenly over `renewal_spread_days` from the
    start.
    `challenged`: of a thousand payments on the Dashboard, those that the bank asks to confirm. `newcomers` and `aftermath` tell of more people,
    `flaws` of wrong data.
    `callers`: what is done at the touchpoints (`billsim touchpoints`) a day for each million accounts, by caller and operation.

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
    challenged: int = 0
    newcomers: Newcomers | None = None
    aftermath: Aftermath | None = None
    flaws: Flaws | None = None
    renewal_spread_days: int = 30
    callers: dict[str, dict[str, int]] = {}


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
            "healthy": 30,
            "renewing": 120,
            "retrying": 120,
            "delinquent": 100,
            "bad_debt": 60,
            "ban_due": 200,
            "two_debts": 170,
            "uncollectible": 100,
            "incomplete": 70,
            "contract": 30,
            "no_customer": 10,
            "merged": 40,
        }
    )
    actions: dict[str, int] = msgspec.field(
        default_factory=lambda: {
            "charge": 150,
            "pay": 170,
            "update_card": 40,
            "void": 90,
            "mark_uncollectible": 80,
            "recompute": 40,
            "set_flag": 70,
            "change_account_type": 60,
            "subscribe": 70,
            "challenge": 30,
            "hold": 90,
            "duplicate": 70,
            "cron": 30,
            "change": 0,
            "cancel": 0,
            "buy": 0,
            "money": 0,
            "clear_flag": 0,
            "retry": 0,
            "update_profile": 0,
            "method": 0,
            "call": 0,
        }
    )


class Before(Plan, frozen=True, kw_only=True):
    """What ran before: the first `days` of the scenario are another `engine`'s, whichever it is run under. Then nothing new is begun until all that
    is in flight has arrived, and the platform is handed over as it stands: no drift is mended for that, and no wake-up is ordered.

    What the run is judged by begins there. `accounts`, `debtors` (truly in bad debt) and `drift` (accounts by code) say what the platform that is
    handed over looks like, where they are told: of all who lived through the first part, those who are in most of it first and then by name, each
    belongs to it while there is room for all that it is in, and the others leave. Accounts do not touch each other, so that who leaves changes
    nothing for who stays.
    """

    engine: str
    days: int
    accounts: int = 0
    debtors: int = 0
    drift: dict[str, int] = {}


class Button(Plan, frozen=True, kw_only=True):
    """Support presses the recompute button, `after_days` from the handover, one account every `pace_s` seconds: for everybody who then disagrees with
    truth, and for everybody in dunning whom the clock will move and for whom no wake-up is ordered.
    """

    after_days: int
    pace_s: int = 2


class Warehouse(Plan, frozen=True, kw_only=True):
    """The platform is mirrored each night at `mirror_minute` of the day (UTC), and looked at through views: those that ship, or those of a Dataform
    project in the folder `views`, beside the scenario's file.
    """

    mirror_minute: int = 180
    views: str = ""


class Remediation(Plan, frozen=True, kw_only=True):
    """What runs beside the engine at night: `mode` is `on`, `off`, `dry-run` or `package.module:factory`; `rules`: its restrictions, gates and
    valves.
    """

    mode: str = "on"
    rules: RemediationPolicy = RemediationPolicy()


class Scenario(Plan, frozen=True, kw_only=True):
    """A whole scenario. `source` is the file it came from ('' for none).

    `start`: the first instant of the storm (default: midnight before the first row). `until`: its last (default: a day after the last row, or
    `population.days` after the start). `calm_hours`: how long time runs on after it. `cron_minute`: minute of the day (UTC) at which the nightly job
    starts. `faults`: what befalls the pipe and the queues during the storm, by the fault's name (`billsim faults`).
    `events`: a file of imported events, beside the scenario's. `rows`: a file of what the stores held at `start`, beside it too; `reconstructed`
    names
    the stores of which it tells nothing: there truth stands in. In a file, `extends` names another that this one is laid over.
    `before`: the platform is handed over by another engine, some days after `start`; `button`: what support does about it in the end.
    `remediation`: what mends by night, beside the engine.
    `warehouse`: what production sees of it by night.
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
    before: Before | None = None
    button: Button | None = None
    remediation: Remediation | None = None
    warehouse: Warehouse | None = None
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

    @property
    def handover(self) -> int:
        """The instant from which on the platform is handed over as soon as nothing is in flight; the start where it is not."""
        return self.start if self.before is None else self.start + self.before.days * DAY_MS
