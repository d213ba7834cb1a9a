"""Builds many accounts at once: all of them healthy and paid up when the storm begins, differing in plan, renewal, card and number of subscriptions;
or, where a population names its `people`, as their data file says.

Which account is which is a fact under its own label, so the same seed gives the same people under every engine, and one account more makes no other
into somebody else.
"""

from __future__ import annotations

from typing import NamedTuple

from billsim.core.choices import Choices, Options, Quantiles
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_S, SECOND_MS, add_months
from billsim.scenario.backstory import (
    FIRST_PRODUCT,
    HOUR_S,
    Deal,
    PastInvoice,
    billed,
    customer_of,
    day_of_month,
    healthy_rows,
    ledger_of,
    ope_of,
    payment_method_of,
    price_of,
    subscription_of,
)
from billsim.scenario.given import Backstage, Truth
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.population_people import settle
from billsim.stores.base import Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeSubscription
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import Charge, Invoice, Price, StripeObject

SECOND_PRODUCT = "addon-2"
GOOD, DECLINES, LOST, NEVER_PAID = range(4)


class Tables(NamedTuple):
    """What the facts about accounts are answered with."""

    plans: tuple[str, ...]
    plan: Options
    kind: Options
    second: Options
    funds_after_s: Quantiles


class Member(NamedTuple):
    """One account of a population: its subscriptions, when each renews (unix seconds), and what kind of payer it is."""

    account: str
    deals: tuple[Deal, ...]
    renewals: tuple[int, ...]
    kind: int


def account_name(population: Population, number: int) -> str:
    """The name of an account, counted from 1."""
    return f"{population.prefix}_{number:05d}"


def populate(scenario: Scenario, stores: Stores, stripe: Backstage, choices: Choices, policy: DunningPolicy, truth: Truth) -> None:
    """Write the population's accounts into the stores and to Stripe. Truth is asked about those alone who owe at the start."""
    population = scenario.population
    if population is None:
        return
    if population.people:
        settle(scenario, stores, stripe, choices, policy, truth)
        return
    tables = _tables(population)
    prices = {}
    for plan, amount in population.plans.items():
        first = price_of(plan, amount, population.currency, FIRST_PRODUCT, 0)
        prices[plan] = (first, price_of(f"{plan}-2", amount, population.currency, SECOND_PRODUCT, 0))
        stripe.seed(*prices[plan])
    for number in range(1, population.accounts + 1):
        member = _member(population, number, scenario.start // SECOND_MS, tables, prices, choices)
        _place(member, stores, stripe, policy)
        _behave(member, stripe, choices, tables)


def _tables(population: Population) -> Tables:
    plans = tuple(population.plans)
    days = population.declines_days
    rest = 1000 - population.declines - population.lost - population.never_paid
    return Tables(
        plans,
        Options("plan", dict.fromkeys(range(len(plans)), 1)),
        Options("kind", {GOOD: rest, DECLINES: population.declines, LOST: population.lost, NEVER_PAID: population.never_paid}),
        Options("second_subscription", {1: population.second_subscription, 0: 1000 - population.second_subscription}),
        Quantiles("declines_days", [day * DAY_S for day in (days if len(days) > 1 else days * 2)]),
    )


def _member(population: Population, number: int, start: int, tables: Tables, prices: dict[str, tuple[Price, Price]], choices: Choices) -> Member:
    account = account_name(population, number)
    label = f"w/population/{account}/"
    spread = population.renewal_spread_days * DAY_S
    offset = (number - 1) * spread // population.accounts
    kind = choices.fact(f"{label}kind", tables.kind)
    plan = tables.plans[choices.fact(f"{label}plan", tables.plan)]
    deals = [Deal(account, account, FIRST_PRODUCT, plan, prices[plan][0])]
    renewals = [start + offset]
    if choices.fact(f"{label}second", tables.second):
        plan = tables.plans[choices.fact(f"{label}second_plan", tables.plan)]
        deals.append(Deal(account, f"{account}-2", SECOND_PRODUCT, plan, prices[plan][1]))
        renewals.append(start + (offset + spread // 2) % spread)
    return Member(account, tuple(deals), tuple(renewals), kind)


def _place(member: Member, stores: Stores, stripe: Backstage, policy: DunningPolicy) -> None:
    """Rows and Stripe objects of an account that is paid up, or that has had its first period for nothing."""
    account, deal = member.account, member.deals[0]
    shard = stores.shard(account)
    objects: list[StripeObject] = []
    invoices: list[Invoice] = []
    charges: list[Charge] = []
    ope: dict[str, OpeSubscription] = {}
    access: dict[str, EntitlementRow] = {}
    began = min(member.renewals)
    for each, renewal in zip(member.deals, member.renewals, strict=True):
        began = min(began, _subscribe(each, renewal, member.kind == NEVER_PAID, objects, invoices, charges))
        row = ope_of(each, "active")
        ope[row.key] = row
        access[each.product] = EntitlementRow(account, each.product, each.plan, version=1)
    metadata = {policy.account_type_key: "self_serve"}
    stripe.seed(customer_of(deal, began, metadata=metadata), payment_method_of(deal, began), *objects)
    shard.stripe = stripe.books[deal.customer]
    stores.by_customer[deal.customer] = (account,)
    healthy_rows(shard, deal, began, ope, ledger_of(account, invoices, charges), access)


def _subscribe(deal: Deal, renewal: int, free: bool, objects: list[StripeObject], invoices: list[Invoice], charges: list[Charge]) -> int:
    """A subscription that renews next at `renewal`, with the invoice of its running period; answers when that began, in unix seconds."""
    began = add_months(renewal, -1, day_of_month(renewal))
    paid = began + HOUR_S
    past = PastInvoice(0, "paid", 0 if free else deal.price.unit_amount, began, paid, settled=paid)
    bill = billed(deal, past)
    # The anchor is the renewal itself, so that a 31st stays the 31st after a shorter month.
    objects.append(subscription_of(deal, "active", began, renewal, (began, renewal), bill.invoice.id))
    objects.extend([bill.intent, bill.invoice, *bill.charges] if bill.intent is not None else [bill.invoice])
    invoices.append(bill.invoice)
    charges.extend(bill.charges)
    return began


def _behave(member: Member, stripe: Backstage, choices: Choices, tables: Tables) -> None:
    """How the account's card will answer when its first renewal falls due."""
    method = member.deals[0].payment_method
    if member.kind == LOST:
        stripe.behave(method, CardBehaviour("lost"))
    elif member.kind == DECLINES:
        without = choices.fact(f"w/population/{member.account}/declines_days", tables.funds_after_s)
        stripe.behave(method, CardBehaviour("insufficient_funds", until_s=member.renewals[0] + HOUR_S + without))
