"""Builds a population out of a data file: plans, ages, payment methods, renewals on their days and hours, and who owes when the scenario begins.

One question about each account and one about each of its subscriptions; every trait is read off the digits of the answer. Whoever owes nothing is
built without asking truth, and sleeps until somebody looks for it; who does is placed as a told account is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from billsim.core.choices import Choices
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_S, SECOND_MS, add_months, day_of_month, to_datetime
from billsim.scenario import given
from billsim.scenario.backstory import FIRST_PRODUCT, HOUR_S, Deal, price_of
from billsim.scenario.given import Backstage, Truth
from billsim.scenario.paid_up import Running, Sleepers, move_in
from billsim.scenario.plan import GivenAccount, GivenInvoice, Population, Scenario
from billsim.scenario.population_data import MOST_SUBSCRIPTIONS, PAYPAL, SLOTS, PaymentMethods, People, by_quantile, by_share, people
from billsim.stores.base import Shard, Stores
from billsim.stores.subs_customer import BRAINTREE
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import Card, Price

GOOD, SHORT, LOST, NEVER_PAID = range(4)
SHORTEST_MONTH = 28
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


class Bought(msgspec.Struct, frozen=True, gc=False):
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

    def renews(self, months: int, day: int, second: int, part: int) -> int:
        """The month, counted from the one in which the scenario starts, in which a subscription of so many months renews next on this day, as many
        seconds after midnight. `part` spreads yearly ones over the year.
        """
        month = 0 if self.midnight(day, 0) + second >= self.start else 1
        return month + part % months if months > 1 else month

    def may_renew(self, day: int, end: int) -> bool:
        """Whether anything that renews on this day of the month may do so between the start and `end`."""
        month = 0
        while (midnight := self.midnight(day, month)) <= end:
            if midnight + DAY_S > self.start:
                return True
            month += 1
        return False

    def bought(self, term: Term, day: int, second: int, age: int, part: int) -> Bought:
        """A subscription about `age` months old, and otherwise as in `renews`."""
        month = self.renews(term.months, day, second, part)
        last = month - term.months
        first = last - age // term.months * term.months
        if day > SHORTEST_MONTH and term.months == 1:
            # The day on which it was bought is the anchor: a 31st is not bought in a shorter month.
            while day_of_month(self.midnight(day, first)) != day:
                first -= 1
        return Bought(term, self.midnight(day, first) + second, self.midnight(day, last) + second, self.midnight(day, month) + second)


class Buys(msgspec.Struct, frozen=True, gc=False):
    """What the digits say of a subscription: its plan, on which day of the month and how many seconds after midnight it renews; `part` and `rest` as
    yet unread.
    """

    term: Term
    day: int
    second: int
    part: int
    rest: int


class Traits(NamedTuple):
    """The thousand slots of each trait: a drawn number below 1000 looks its value up."""

    kinds: tuple[int, ...]
    counts: tuple[int, ...]
    ages: tuple[int, ...]
    plans: tuple[int, ...]
    days: tuple[int, ...]
    hours: tuple[int, ...]
    instruments: tuple[int, ...]
    vaults: tuple[str, ...]
    brands: tuple[int, ...]
    short_s: tuple[int, ...]
    owed_since_days: tuple[int, ...]
    good_again_s: tuple[int, ...]


def settle(scenario: Scenario, stores: Stores, stripe: Backstage, choices: Choices, policy: DunningPolicy, truth: Truth) -> None:
    """Put the accounts of a scenario whose population has `people` to sleep in the stores and at Stripe, and write down those of them who owe."""
    population = scenario.population
    if population is None:
        return
    crowd = _Crowd(scenario, population, stores, stripe, policy)
    sleepers = Sleepers(scenario, population.prefix, stores, stripe, crowd.make)
    told, names, owing = frozenset(stores.names), [], []
    for number in range(1, population.accounts + 1):
        account = f"{population.prefix}_{number:05d}"
        if account in told:
            continue
        owes = crowd.ask(account, number, choices, sleepers)
        if owes is None:
            names.append(account)
        else:
            owing.append(owes)
    sleepers.lie_down(names)
    given.place(replace(scenario, given=tuple(owing)), stores, stripe, policy, truth)
    for account, behaviour in crowd.owing.items():
        stripe.behave(f"pm_{account}", behaviour)


class _Crowd:
    """What all accounts of one population are built with, and what was asked about each (`known`, by number).

    `owing`: how the payment methods of those who owe will answer.
    """

    def __init__(self, scenario: Scenario, population: Population, stores: Stores, stripe: Backstage, policy: DunningPolicy) -> None:
        data = people(population.people)
        self.stores = stores
        self.stripe = stripe
        self.start = scenario.start // SECOND_MS
        self.retry_days = scenario.stripe.retry_days
        self.calendar = Calendar(self.start)
        self.traits = _traits(population.people)
        days = {day: self.calendar.may_renew(day, scenario.end // SECOND_MS) for day in dict.fromkeys(self.traits.days)}
        # By the slots of the day.
        self.may_renew = tuple([days[day] for day in self.traits.days])
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
        self.known: dict[int, tuple[int, ...]] = {}
        stripe.seed(*(price for term in self.terms for price in term.prices))

    def ask(self, account: str, number: int, choices: Choices, sleepers: Sleepers) -> GivenAccount | None:
        """Ask everything that is open about one account; answers how it is to be told where it owes. Else `sleepers` hear when it renews."""
        label, ask, may_renew = f"w/population/{account}/", choices.ask, self.may_renew
        who = ask(f"{label}who", DIGITS)
        # Of the digits only that is read which is needed now; most is when the account wakes.
        if who // SLOTS**2 % SLOTS < self.owes:
            return self._owing(account, choices, _persona(who)[4])
        known = [who]
        for nth in range(1, self.traits.counts[who // SLOTS % SLOTS] + 1):
            digits = ask(f"{label}subscription{nth}", DIGITS)
            known.append(digits)
            if may_renew[digits // SLOTS % SLOTS]:
                buys = self._buys(digits)
                month = self.calendar.renews(buys.term.months, buys.day, buys.second, buys.part)
                sleepers.renews(_stem(account, nth), self.calendar.midnight(buys.day, month) + buys.second)
        self.known[number] = tuple(known)
        return None

    def _buys(self, digits: int) -> Buys:
        traits = self.traits
        rest, plan = divmod(digits, SLOTS)
        rest, day = divmod(rest, SLOTS)
        rest, hour = divmod(rest, SLOTS)
        rest, second = divmod(rest, HOUR_S)
        rest, part = divmod(rest, 12)
        return Buys(self.terms[traits.plans[plan]], traits.days[day], traits.hours[hour] * HOUR_S + second, part, rest)

    def make(self, shard: Shard, number: int) -> None:
        """Build an account that is paid up, or that has had its first period for nothing."""
        account, traits, known = shard.account, self.traits, self.known.pop(number)
        rest, kind_slot, _, _, method, age_slot = _persona(known[0])
        kind, age, instrument = traits.kinds[kind_slot], traits.ages[age_slot], self.instruments[traits.instruments[method]]
        running, renews = [], []
        for nth in range(1, len(known)):
            buys = self._buys(known[nth])
            term = buys.term
            # The first subscription is as old as the account or younger, as the others are.
            bought = self.calendar.bought(term, buys.day, buys.second, buys.rest % (age + 1), buys.part)
            deal = Deal(account, _stem(account, nth), _product(nth), term.plan, term.prices[nth - 1], instrument)
            running.append(_running(deal, bought, self.start, kind == NEVER_PAID))
            renews.append(bought.renews)
        # A brand is drawn by the digits that are left: it hangs on nothing else.
        card, vault = self.cards[traits.brands[rest % SLOTS]], traits.vaults[method]
        move_in(shard, running, card, vault, self.metadata, self.stores, self.stripe)
        self._behave(running[0].deal.payment_method, kind, min(renews), rest // SLOTS)

    def _behave(self, method: str, kind: int, renews: int, digits: int) -> None:
        """How the payment method will answer."""
        if kind == SHORT:
            until = renews + HOUR_S + self.traits.short_s[digits % SLOTS]
            self.stripe.behave(method, CardBehaviour("insufficient_funds", until, self.on_a_day_ppm))
        elif kind != NEVER_PAID:
            self.stripe.behave(method, self.behaves[kind])

    def _owing(self, account: str, choices: Choices, method: int) -> GivenAccount:
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
            instrument=self.instruments[traits.instruments[method]],
            plan=term.plan,
            price=term.prices[0].unit_amount,
            currency=term.prices[0].currency,
            card="lost" if is_lost else "declines",
            invoices=(GivenInvoice(invoice=f"{account}_1", failed_attempts=len(tried), last_attempt=last_attempt),),
            rows={"subs_customer": {"vault": BRAINTREE}} if traits.vaults[method] else {},
        )


def _persona(who: int) -> tuple[int, int, int, int, int, int]:
    """What the digits say of an account: (digits that are left, and the slots of kind, count, owes, method, age)."""
    rest, kind = divmod(who, SLOTS)
    rest, count = divmod(rest, SLOTS)
    rest, owes = divmod(rest, SLOTS)
    rest, method = divmod(rest, SLOTS)
    rest, age = divmod(rest, SLOTS)
    return rest, kind, count, owes, method, age


def _running(deal: Deal, bought: Bought, start: int, free: bool) -> Running:
    """A subscription in its running period: paid as it was bought, or an hour after the draft of its last renewal."""
    is_first = bought.started == bought.renewed
    paid = bought.renewed if is_first else min(bought.renewed + HOUR_S, start)
    amount, reason = 0 if free else deal.price.unit_amount, "subscription_create" if is_first else "subscription_cycle"
    interval = "month" if bought.term.months == 1 else "year"
    return Running(deal, bought.started, bought.started, bought.renewed, bought.renews, paid, amount, reason, interval)


def _stem(account: str, nth: int) -> str:
    return account if nth == 1 else f"{account}-{nth}"


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


@cache
def _traits(name: str) -> Traits:
    """The traits that a data file gives."""
    data = people(name)
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
        vaults=_vaults(data.payment_methods),
        brands=_indices(data.payment_methods.brands),
        short_s=by_quantile(declines.short_days, DAY_S),
        owed_since_days=by_quantile(data.dunning.days_ago),
        good_again_s=by_quantile(data.dunning.good_again_days, DAY_S),
    )


def _vaults(methods: PaymentMethods) -> tuple[str, ...]:
    """Of the slots of PayPal, the first are those in the wrong vault."""
    names = tuple(methods.instruments)
    slots = [slot for slot, index in enumerate(_indices(methods.instruments)) if names[index] == PAYPAL][: methods.wrong_vault]
    return tuple(BRAINTREE if slot in slots else "" for slot in range(SLOTS))


def _indices(shares: Mapping[str, int]) -> tuple[int, ...]:
    return by_share(dict(enumerate(shares.values())))
