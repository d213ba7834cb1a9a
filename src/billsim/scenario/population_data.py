"""Who the people of a population are: the documented data files beside this module, as typed and checked values.

A file is named by a population's `people`. Its figures stand in the file, each with its source or marked as assumed; none stands in code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from billsim.scenario import touchpoints
from billsim.scenario.plan import Scenario

FOLDER = Path(__file__).with_name("data")
SLOTS = 1000
PAYPAL = "paypal"
MILLION = 1_000_000
MOST_SUBSCRIPTIONS = 9


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables of a data file have in common: an unknown key is an error."""


class PlanShare(Data, frozen=True, kw_only=True):
    """A plan: its price in minor units an interval, and how many of a thousand subscriptions are on it."""

    price: int
    share: int
    interval: Literal["month", "year"] = "month"


class Accounts(Data, frozen=True, kw_only=True):
    """`subscriptions`: accounts with 1, 2, 3 ... of them; `age_months`: quantiles; `never_paid`: accounts without any charge so far."""

    subscriptions: tuple[int, ...]
    age_months: tuple[int, ...]
    never_paid: int


class Anchors(Data, frozen=True, kw_only=True):
    """Weights of the 31 days of the month and of the 24 hours (UTC) at which subscriptions renew."""

    days: tuple[int, ...]
    hours: tuple[int, ...]


class PaymentMethods(Data, frozen=True, kw_only=True):
    """Shares of accounts by instrument, and of cards by brand. `wrong_vault`: accounts whose PayPal is in the vault of the wrong token."""

    instruments: dict[str, int]
    brands: dict[str, int]
    wrong_vault: int = 0


class Declines(Data, frozen=True, kw_only=True):
    """`on_a_day_ppm`: the chance that a good method fails on a day. `short`: accounts without funds at their first renewal, for
    `short_days` (quantiles). `lost`: accounts whose card declines for good.
    """

    on_a_day_ppm: int
    short: int
    short_days: tuple[int, ...]
    lost: int


class Dunning(Data, frozen=True, kw_only=True):
    """Accounts that owe at the start, since when (quantiles of days), when their card is good again, and how many of a thousand are lost cards."""

    accounts: int
    days_ago: tuple[int, ...]
    good_again_days: tuple[int, ...]
    lost: int


class People(Data, frozen=True, kw_only=True):
    """A whole data file. `callers`: what is done at the touchpoints, by caller and operation, a day for each million accounts."""

    about: str
    plans: dict[str, PlanShare]
    accounts: Accounts
    anchors: Anchors
    payment_methods: PaymentMethods
    declines: Declines
    dunning: Dunning
    callers: dict[str, dict[str, int]] = {}


def names() -> list[str]:
    """The data files that ship, by the names that a population calls them."""
    return sorted(file.stem for file in FOLDER.glob("*.toml") if file.name != touchpoints.FILE.name)


@cache
def people(name: str) -> People:
    """The people of a data file. Raises ValueError, with the file and the key, for one that does not add up."""
    file = FOLDER / f"{name}.toml"
    try:
        found = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), People, strict=True)
        _check(found)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    return found


def _check(found: People) -> None:
    shares: Mapping[str, Sequence[int]] = {
        "plans": [plan.share for plan in found.plans.values()],
        "accounts.subscriptions": found.accounts.subscriptions,
        "payment_methods.instruments": list(found.payment_methods.instruments.values()),
        "payment_methods.brands": list(found.payment_methods.brands.values()),
    }
    for key, given in shares.items():
        if sum(given) != SLOTS or min(given) < 0:
            raise ValueError(f"{key}: shares add up to {sum(given)}, not to {SLOTS}")
    for key, given in (("anchors.days", found.anchors.days), ("anchors.hours", found.anchors.hours)):
        if len(given) != (31 if key == "anchors.days" else 24) or min(given) < 0 or not sum(given):
            raise ValueError(f"{key}: needs {31 if key == 'anchors.days' else 24} weights of 0 or more")
    if len(found.accounts.subscriptions) > MOST_SUBSCRIPTIONS:
        raise ValueError(f"accounts.subscriptions: at most {MOST_SUBSCRIPTIONS} an account")
    if "month" not in {plan.interval for plan in found.plans.values()}:
        raise ValueError("plans: needs one that is paid by the month")
    if not 0 <= found.payment_methods.wrong_vault <= found.payment_methods.instruments.get(PAYPAL, 0):
        raise ValueError("payment_methods.wrong_vault: is a share of the accounts, and none but PayPal's")
    if found.declines.short + found.declines.lost + found.accounts.never_paid > SLOTS:
        raise ValueError("declines: short, lost and accounts.never_paid are shares of the same thousand accounts")
    _check_callers(found)
    _check_quantiles(found)


def _check_callers(found: People) -> None:
    known, rates = touchpoints.touchpoints(), 0
    for caller, operations in found.callers.items():
        for operation, rate in operations.items():
            rates += rate
            if f"{caller}.{operation}" not in known or rate < 0:
                raise ValueError(f"callers.{caller}.{operation}: is no touchpoint, or its rate is below 0")
    if rates > MILLION:
        raise ValueError(f"callers: at most one act a day for each account, {rates} for each million is more")


def _check_quantiles(found: People) -> None:
    quantiles: Mapping[str, tuple[int, ...]] = {
        "accounts.age_months": found.accounts.age_months,
        "declines.short_days": found.declines.short_days,
        "dunning.days_ago": found.dunning.days_ago,
        "dunning.good_again_days": found.dunning.good_again_days,
    }
    for key, given in quantiles.items():
        if len(given) < 2 or list(given) != sorted(given) or given[0] < 0:
            raise ValueError(f"{key}: quantiles must be two or more, rising, from 0")
    if found.dunning.days_ago[0] < 1:
        raise ValueError("dunning.days_ago: a debt of old is a day old at least")


def callers_of(scenario: Scenario) -> dict[str, int]:
    """What is done at the touchpoints of a scenario's population, by their names, a day for each million accounts."""
    population = scenario.population
    if population is None:
        return {}
    told = people(population.people).callers if population.people else population.callers
    return {f"{caller}.{operation}": rate for caller, rates in told.items() for operation, rate in rates.items() if rate}


def by_share(shares: Mapping[int, int]) -> tuple[int, ...]:
    """A thousand slots, each with one of the values, as many as its weight's part of all weights: what a drawn number below 1000 looks up."""
    total, upto = sum(shares.values()), 0
    slots: list[int] = []
    for value, weight in shares.items():
        upto += weight
        slots += [value] * (SLOTS * upto // total - len(slots))
    return tuple(slots)


def by_quantile(values: Sequence[int], unit: int = 1) -> tuple[int, ...]:
    """A thousand slots of an integer distribution that evenly spaced quantiles give, interpolated between them; in `unit`s of the values."""
    last = len(values) - 1
    slots = []
    for slot in range(SLOTS):
        index, rest = divmod(slot * last, SLOTS)
        slots.append(values[index] * unit + (values[index + 1] - values[index]) * unit * rest // SLOTS)
    return tuple(slots)
