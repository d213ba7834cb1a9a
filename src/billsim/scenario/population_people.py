"""Builds a population out of a data file: plans, ages, payment methods, renewals on their days and hours, and who owes when the scenario begins.

One question about each account and one about each of its subscriptions; every trait is read off the digits of the answer. Whoever owes nothing is
built without asking truth; who does is placed as a told account is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from billsim.core.choices import Choices
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_S, SECOND_MS, add_months, to_datetime
from billsim.scenario import given
from billsim.scenario.backstory import (
    FIRST_PRODUCT,
    HOUR_S,
    Deal,
    PastInvoice,
    billed,
    customer_of,
    healthy_rows,
    ledger_of,
    ope_of,
    payment_method_of,
    price_of,
    subscription_of,
)
from billsim.scenario.given import Backstage, Truth
from billsim.scenario.plan import GivenAccount, GivenInvoice, Population, Scenario
from billsim.scenario.population_data import MOST_SUBSCRIPTIONS, SLOTS, People, by_quantile, by_share, people
from billsim.stores.base import Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeSubscription
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import Card, Charge, Invoice, Price, StripeObject

GOOD, SHORT, LOST, NEVER_PAID = range(4)
_MONTHS = {"month": 1, "year": 12}


class Digits:
    """The answer to a question about a person: 63 bits, out of which the traits are read."""

    name = "digits"

    def answer(self, bits: int) -> int:
        """The high 63 bits, so that a tape's column of signed integers holds them."""
        return bits >> 1


DIGITS = Digits()


class Term(NamedTuple):
    """A plan as it is sold: its price at Stripe for each place among an account's subscriptions, and the months between renewals."""

    plan: str
    prices: tuple[Price, ...]
    months: int


class Bought(NamedTuple):
    """One subscription of an account: when it was bought, when it last and when it next renews (unix seconds), and the months between."""

    term: Term
    started: int
    renewed: int
    renews: int


class Calendar:
    """The instants at which subscriptions of each day of the month renew around a scenario's start; unix seconds."""

    def __init__(self, start: int) -> None:
        self.start = start
        moment = to_datetime(start * SECOND_MS)
        self._first_of_month = start - start % DAY_S - (moment.day - 1) * DAY_S
        self._midnights: dict[tuple[int, int], int] = {}

    def midnight(self, day: int, month: int) -> int:
        """The day of the month (its last day in a shorter month), `month` months after the one in which the scenario starts."""
        known = self._midnights.get((day, month))
        if known is None:
            known = self._midnights[day, month] = add_months(self._first_of_month, month, day)
        return known

    def bought(self, term: Term, day: int, second: int, age: int, part: int) -> Bought:
        """A subscription about `age` months old that renews on this day, as many seconds after midnight; `part` spreads yearly ones over the year."""
        month = 0 if self.midnight(day, 0) + second >= self.start else 1
        if term.months > 1:
            month += part % term.months
        last = month - term.months
        first = last - age // term.months * term.months
        if term.months == 1:
            # The day on which it was bought is the anchor: a 31st is not bought in a shorter month.
            while to_datetime(self.midnight(day, first) * SECOND_MS).day != day:
                first -= 1
        return Bought(term, self.midnight(day, first) + second, self.midnight(day, last) + second, self.midnight(day, month) + second)


class Traits(NamedTuple):
    """The thousand slots of each trait: a drawn number below 1000 looks its value up."""

    kinds: tuple[int, ...]
    counts: tuple[int, ...]
    ages: tuple[int, ...]
    plans: tuple[int, ...]
    days: tuple[int, ...]
    hours: tuple[int, ...]
    instruments: tuple[int, ...]
    brands: tuple[int, ...]
    short_s: tuple[int, ...]
    owed_since_days: tuple[int, ...]
    good_again_s: tuple[int, ...]


def settle(scenario: Scenario, stores: Stores, stripe: Backstage, choices: Choices, policy: DunningPolicy, truth: Truth) -> None:
    """Write the accounts of a scenario whose population has `people` into the stores and to Stripe."""
    population = scenario.population
    if population is None:
        return
    owing: list[GivenAccount] = []
    crowd = _Crowd(scenario, population, stores, stripe, policy)
    for number in range(1, population.accounts + 1):
        account = f"{population.prefix}_{number:05d}"
        told = crowd.settle(account, choices)
        if told is not None:
            owing.append(told)
    given.place(replace(scenario, given=tuple(owing)), stores, stripe, policy, truth)
    for account, behaviour in crowd.owing.items():
        stripe.behave(f"pm_{account}", behaviour)


class _Crowd:
    """What all accounts of one population are built with. `owing`: how the payment methods of those who owe will answer."""

    def __init__(self, scenario: Scenario, population: Population, stores: Stores, stripe: Backstage, policy: DunningPolicy) -> None:
        data = people(population.people)
        self.stores = stores
        self.stripe = stripe
        self.start = scenario.start // SECOND_MS
        self.retry_days = scenario.stripe.retry_days
        self.calendar = Calendar(self.start)
        self.traits = _traits(data)
        self.terms = _terms(data, population.currency)
        self.monthly = next(index for index, term in enumerate(self.terms) if term.months == 1)
        self.instruments = tuple(data.payment_methods.instruments)
        self.cards = tuple(Card(brand) for brand in data.payment_methods.brands)
        self.owes = data.dunning.accounts
        self.lost_of_owing = data.dunning.lost
        self.on_a_day_ppm = data.declines.on_a_day_ppm
        self.behaves = {GOOD: CardBehaviour("good", None, self.on_a_day_ppm), NEVER_PAID: CardBehaviour("good"), LOST: CardBehaviour("lost")}
        self.metadata = {policy.account_type_key: "self_serve"}
        self.owing: dict[str, CardBehaviour] = {}
        stripe.seed(*(price for term in self.terms for price in term.prices))

    def settle(self, account: str, choices: Choices) -> GivenAccount | None:
        """Build one account, or answer how it is to be told where it owes."""
        label = f"w/population/{account}/"
        rest, kind = divmod(choices.ask(f"{label}who", DIGITS), SLOTS)
        rest, count = divmod(rest, SLOTS)
        rest, owes = divmod(rest, SLOTS)
        rest, method = divmod(rest, SLOTS)
        rest, age = divmod(rest, SLOTS)
        traits = self.traits
        if owes < self.owes:
            return self._owing(account, choices, traits.instruments[method])
        bought = []
        for nth in range(1, traits.counts[count] + 1):
            bought.append(self._buys(choices.ask(f"{label}subscription{nth}", DIGITS), traits.ages[age]))
        # A brand is drawn by the digits that are left: it hangs on nothing else.
        self._place(account, bought, traits.kinds[kind], self.instruments[traits.instruments[method]], self.cards[traits.brands[rest % SLOTS]], rest)
        return None

    def _buys(self, digits: int, age: int) -> Bought:
        """A subscription: its plan, its age (the first is as old as the account or younger), and when it renews."""
        traits = self.traits
        rest, plan = divmod(digits, SLOTS)
        rest, day = divmod(rest, SLOTS)
        rest, hour = divmod(rest, SLOTS)
        rest, second = divmod(rest, HOUR_S)
        rest, part = divmod(rest, 12)
        return self.calendar.bought(self.terms[traits.plans[plan]], traits.days[day], traits.hours[hour] * HOUR_S + second, rest % (age + 1), part)

    def _place(self, account: str, bought: list[Bought], kind: int, instrument: str, card: Card, digits: int) -> None:
        """Rows and Stripe objects of an account that is paid up, or that has had its first period for nothing."""
        stores, stripe, start = self.stores, self.stripe, self.start
        shard = stores.shard(account)
        objects: list[StripeObject] = []
        invoices: list[Invoice] = []
        charges: list[Charge] = []
        ope: dict[str, OpeSubscription] = {}
        access: dict[str, EntitlementRow] = {}
        began = bought[0].started
        for nth, each in enumerate(bought, 1):
            stem = account if nth == 1 else f"{account}-{nth}"
            deal = Deal(account, stem, _product(nth), each.term.plan, each.term.prices[nth - 1], instrument)
            if nth == 1:
                first = deal
            began = min(began, each.started)
            _subscribe(deal, each, start, kind == NEVER_PAID, objects, invoices, charges)
            row = ope_of(deal, "active", interval="month" if each.term.months == 1 else "year")
            ope[row.key] = row
            access[deal.product] = EntitlementRow(account, deal.product, deal.plan, version=1)
        stripe.seed(customer_of(first, began, metadata=self.metadata), payment_method_of(first, began, card), *objects)
        shard.stripe = stripe.books[first.customer]
        stores.by_customer[first.customer] = (account,)
        healthy_rows(shard, first, began, ope, ledger_of(account, invoices, charges), access)
        self._behave(first.payment_method, kind, min(each.renews for each in bought), digits // SLOTS)

    def _behave(self, method: str, kind: int, renews: int, digits: int) -> None:
        """How the payment method will answer."""
        if kind == SHORT:
            until = renews + HOUR_S + self.traits.short_s[digits % SLOTS]
            self.stripe.behave(method, CardBehaviour("insufficient_funds", until, self.on_a_day_ppm))
        elif kind != NEVER_PAID:
            self.stripe.behave(method, self.behaves[kind])

    def _owing(self, account: str, choices: Choices, instrument: int) -> GivenAccount:
        """An account with one monthly subscription, whose renewal failed some days ago and was tried by the schedule since."""
        traits = self.traits
        rest, plan = divmod(choices.ask(f"w/population/{account}/debt", DIGITS), SLOTS)
        rest, since = divmod(rest, SLOTS)
        rest, hour = divmod(rest, SLOTS)
        rest, second = divmod(rest, HOUR_S)
        rest, lost = divmod(rest, SLOTS)
        today = self.start - self.start % DAY_S
        first = today - traits.owed_since_days[since] * DAY_S + traits.hours[hour] * HOUR_S + second
        tried = [day for day in (0, *self.retry_days) if first + day * DAY_S <= self.start]
        good_again = self.start + DAY_S + traits.good_again_s[rest % SLOTS]
        is_lost = lost < self.lost_of_owing
        self.owing[account] = self.behaves[LOST] if is_lost else CardBehaviour("insufficient_funds", good_again, self.on_a_day_ppm)
        term = self.terms[traits.plans[plan]]
        term = term if term.months == 1 else self.terms[self.monthly]
        last_attempt = (first + tried[-1] * DAY_S) * SECOND_MS
        return GivenAccount(
            account=account,
            instrument=self.instruments[instrument],
            plan=term.plan,
            price=term.prices[0].unit_amount,
            currency=term.prices[0].currency,
            card="lost" if is_lost else "declines",
            invoices=(GivenInvoice(invoice=f"{account}_1", failed_attempts=len(tried), last_attempt=last_attempt),),
        )


def _subscribe(
    deal: Deal, bought: Bought, start: int, free: bool, objects: list[StripeObject], invoices: list[Invoice], charges: list[Charge]
) -> None:
    """A subscription with the invoice of its running period: paid as it was bought, or an hour after the draft of its last renewal."""
    is_first = bought.started == bought.renewed
    paid = bought.renewed if is_first else min(bought.renewed + HOUR_S, start)
    amount, reason = 0 if free else deal.price.unit_amount, "subscription_create" if is_first else "subscription_cycle"
    bill = billed(deal, PastInvoice(0, "paid", amount, bought.renewed, paid, settled=paid, reason=reason))
    period = (bought.renewed, bought.renews)
    objects.append(subscription_of(deal, "active", bought.started, bought.started, period, bill.invoice.id))
    objects.extend([bill.intent, bill.invoice, *bill.charges] if bill.intent is not None else [bill.invoice])
    invoices.append(bill.invoice)
    charges.extend(bill.charges)


def _product(nth: int) -> str:
    return FIRST_PRODUCT if nth == 1 else f"addon-{nth}"


def _terms(data: People, currency: str) -> tuple[Term, ...]:
    """Every plan, with its price for an account's first subscription, its second, and so on."""
    return tuple(
        Term(
            plan,
            tuple(
                price_of(plan if nth == 1 else f"{plan}-{nth}", share.price, currency, _product(nth), 0, share.interval)
                for nth in range(1, MOST_SUBSCRIPTIONS + 1)
            ),
            _MONTHS[share.interval],
        )
        for plan, share in data.plans.items()
    )


def _traits(data: People) -> Traits:
    declines, never_paid = data.declines, data.accounts.never_paid
    kinds = {SHORT: declines.short, LOST: declines.lost, NEVER_PAID: never_paid}
    return Traits(
        kinds=by_share({**kinds, GOOD: SLOTS - sum(kinds.values())}),
        counts=by_share(dict(enumerate(data.accounts.subscriptions, 1))),
        ages=by_quantile(data.accounts.age_months),
        plans=by_share({index: plan.share for index, plan in enumerate(data.plans.values())}),
        days=by_share(dict(enumerate(data.anchors.days, 1))),
        hours=by_share(dict(enumerate(data.anchors.hours))),
        instruments=_indices(data.payment_methods.instruments),
        brands=_indices(data.payment_methods.brands),
        short_s=by_quantile(declines.short_days, DAY_S),
        owed_since_days=by_quantile(data.dunning.days_ago),
        good_again_s=by_quantile(data.dunning.good_again_days, DAY_S),
    )


def _indices(shares: Mapping[str, int]) -> tuple[int, ...]:
    return by_share(dict(enumerate(shares.values())))
