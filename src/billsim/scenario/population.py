"""Builds many accounts at once: all of them healthy and paid up when the storm begins, differing in plan, renewal, card and number of subscriptions;
or, where a population names its `people`, as their data file says.

Which account is which is a fact under its own label, so the same seed gives the same people under every engine, and one account more makes no other
into somebody else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from billsim.core.choices import Choices, Options, Quantiles
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_S, SECOND_MS, add_months, day_of_month
from billsim.scenario.backstory import CARD, FIRST_PRODUCT, HOUR_S, Deal, price_of
from billsim.scenario.flaws import place_flawed
from billsim.scenario.given import Backstage, Truth
from billsim.scenario.paid_up import Running, Sleepers, move_in
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.population_people import settle
from billsim.stores.base import Shard, Stores
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import Price

SECOND_PRODUCT = "addon-2"
GOOD, DECLINES, LOST, NEVER_PAID, NEWCOMER = range(5)


class Tables(NamedTuple):
    """What the facts about accounts are answered with."""

    plans: tuple[str, ...]
    plan: Options
    kind: Options
    second: Options
    funds_after_s: Quantiles


class Known(NamedTuple):
    """What was asked about an account at the start: what kind of payer it is, its plans (-1: no second one), and for how long, in seconds, its card
    lacks funds.
    """

    kind: int
    plan: int
    second_plan: int
    without_s: int


def account_name(population: Population, number: int) -> str:
    """The name of an account, counted from 1."""
    return f"{population.prefix}_{number:05d}"


def populate(scenario: Scenario, stores: Stores, stripe: Backstage, choices: Choices, policy: DunningPolicy, truth: Truth) -> None:
    """Put the population's accounts to sleep in the stores and at Stripe: everything that is asked about one is asked now, and it is built when it is
    first looked for. Truth is asked about those alone who owe at the start, and they are built at once.
    """
    population = scenario.population
    if population is None:
        return
    place_flawed(scenario, population, stores, stripe, choices, policy, truth, account_name)
    if population.people:
        settle(scenario, stores, stripe, choices, policy, truth)
        return
    crowd = _Crowd(scenario, population, stores, stripe, policy)
    sleepers = Sleepers(scenario, population.prefix, stores, stripe, crowd.make)
    told, names = frozenset(stores.names), []
    for number in range(1, population.accounts + 1):
        account = account_name(population, number)
        if account not in told:
            known = crowd.ask(account, number, choices)
            names.append(account)
            sleepers.renews(account, crowd.renewal(number))
            if known.second_plan >= 0:
                sleepers.renews(f"{account}-2", crowd.renewal(number, of_second=True))
    sleepers.lie_down(names)


class _Crowd:
    """What all accounts of one population are built with, and what was asked about each."""

    def __init__(self, scenario: Scenario, population: Population, stores: Stores, stripe: Backstage, policy: DunningPolicy) -> None:
        self._stores = stores
        self._stripe = stripe
        self._accounts = population.accounts
        self._start = scenario.start // SECOND_MS
        self._spread = population.renewal_spread_days * DAY_S
        self._tables = _tables(population)
        self._metadata = {policy.account_type_key: "self_serve"}
        self._known: dict[int, Known] = {}
        self._prices: list[tuple[Price, Price]] = []
        for plan, amount in population.plans.items():
            first = price_of(plan, amount, population.currency, FIRST_PRODUCT, 0)
            second = price_of(f"{plan}-2", amount, population.currency, SECOND_PRODUCT, 0)
            stripe.seed(first, second)
            self._prices.append((first, second))

    def ask(self, account: str, number: int, choices: Choices) -> Known:
        """Everything that is open about an account."""
        label, tables, ask = f"w/population/{account}/", self._tables, choices.ask
        kind, plan = ask(f"{label}kind", tables.kind), ask(f"{label}plan", tables.plan)
        second_plan = ask(f"{label}second_plan", tables.plan) if ask(f"{label}second", tables.second) else -1
        without_s = ask(f"{label}declines_days", tables.funds_after_s) if kind == DECLINES else 0
        known = self._known[number] = Known(kind, plan, second_plan, without_s)
        return known

    def renewal(self, number: int, *, of_second: bool = False) -> int:
        """When an account's subscription renews next: they are spread evenly, a second one half the spread from the first. Unix seconds."""
        offset = (number - 1) * self._spread // self._accounts
        return self._start + ((offset + self._spread // 2) % self._spread if of_second else offset)

    def make(self, shard: Shard, number: int) -> None:
        """Build an account."""
        account, known, plans = shard.account, self._known.pop(number), self._tables.plans
        is_free, renewal = known.kind in (NEVER_PAID, NEWCOMER), self.renewal(number)
        deal = Deal(account, account, FIRST_PRODUCT, plans[known.plan], self._prices[known.plan][0])
        running = [_running(deal, renewal, is_free)]
        if known.second_plan >= 0:
            second = Deal(account, f"{account}-2", SECOND_PRODUCT, plans[known.second_plan], self._prices[known.second_plan][1])
            running.append(_running(second, self.renewal(number, of_second=True), is_free))
        move_in(shard, running, CARD, "", self._metadata, self._stores, self._stripe)
        if known.kind == LOST:
            self._stripe.behave(deal.payment_method, CardBehaviour("lost"))
        elif known.kind == NEWCOMER:
            self._stripe.behave(deal.payment_method, CardBehaviour("insufficient_funds"))
        elif known.kind == DECLINES:
            self._stripe.behave(deal.payment_method, CardBehaviour("insufficient_funds", until_s=renewal + HOUR_S + known.without_s))


def _tables(population: Population) -> Tables:
    newcomers = population.newcomers.accounts if population.newcomers is not None else 0
    rest = 1000 - population.declines - population.lost - population.never_paid - newcomers
    kinds = (rest, population.declines, population.lost, population.never_paid, newcomers)
    return _tables_of(tuple(population.plans), kinds, population.second_subscription, tuple(population.declines_days))


@lru_cache(maxsize=64)
def _tables_of(plans: tuple[str, ...], kinds: tuple[int, ...], second: int, days: tuple[int, ...]) -> Tables:
    """Of many small worlds that run one after the other most have the same. `kinds`: shares of a thousand, in the order of the kinds' numbers."""
    return Tables(
        plans,
        Options("plan", dict.fromkeys(range(len(plans)), 1)),
        Options("kind", dict(enumerate(kinds))),
        Options("second_subscription", {1: second, 0: 1000 - second}),
        Quantiles("declines_days", [day * DAY_S for day in (days if len(days) > 1 else days * 2)]),
    )


@lru_cache(maxsize=64)
def _month_before(day: int) -> int:
    """Midnight a month before a day, which is counted since the epoch; unix seconds."""
    return add_months(day * DAY_S, -1, day_of_month(day * DAY_S))


def _running(deal: Deal, renewal: int, is_free: bool) -> Running:
    """A subscription that renews next at `renewal`, and whose last bill was paid, or was of nothing."""
    day, second = divmod(renewal, DAY_S)
    began = _month_before(day) + second
    # The anchor is the renewal itself, so that a 31st stays the 31st after a shorter month.
    return Running(deal, began, renewal, began, renewal, began + HOUR_S, 0 if is_free else deal.price.unit_amount)
