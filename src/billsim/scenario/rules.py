"""What a scenario must satisfy beyond its types: names that refer to something, dates in order, actions that exist.

One rule a function, run in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points

from billsim.core.time import DAY_MS
from billsim.faults.base import MIRROR, PIPE, STRIPE, Dial, Fault
from billsim.faults.catalogue import CATALOGUE
from billsim.runtime.stripe_client import GATHER
from billsim.scenario import candidates, population_data, rules_before, rules_planted, shown
from billsim.scenario.actions import ACTORS, DOABLE, Param, accept, actions_of, allowed
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.locate import Spot
from billsim.scenario.plan import Control, ExpectedDrift, GivenAccount, GivenInvoice, Population, Scenario, Tales, TimelineRow
from billsim.scenario.population_data import MILLION, callers_of
from billsim.scenario.reading import Path, Reader
from billsim.scenario.touchpoints import CALLERS, operations_of
from billsim.scenario.vocabulary import (
    CARDS,
    CAUSES,
    CODES,
    ENGINES,
    EVENT_TYPES,
    INSTRUMENTS,
    INVOICE_STATUSES,
    MARKS,
    SUBSCRIPTION_STATUSES,
)
from billsim.stores import SCHEMAS, stripe_metadata
from billsim.stripe.methods import METHODS

ACCOUNT = re.compile(r"[a-z][a-z0-9_]{0,39}")
INVOICE = re.compile(r"(?P<account>[a-z][a-z0-9_]{0,39}?)(?:-(?P<nth>[1-9]\d?))?_(?P<n>\d{1,4})")
CURRENCY = re.compile(r"[a-z]{3}")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
LABEL = re.compile(r"[we]/\S{1,500}")
SPEC = re.compile(r"cmd:.*\S.*|[A-Za-z_][\w.]*:[A-Za-z_]\w*")
MOST_ACCOUNTS = 1_000_000
MOST_DAYS = 3_660
MOST_TOLD, MOST_TOLD_ROWS, MOST_TOLD_DAYS = 8, 200, 90
_PLAIN = Population(accounts=1, days=1)


class Rules:
    """A scenario under examination: `fail` makes the error for a path in it."""

    def __init__(self, scenario: Scenario, fail: Callable[..., InputError]) -> None:
        self.scenario = scenario
        self.fail = fail
        self.given = {account.account: account for account in scenario.given}

    def known(self, account: str) -> bool:
        """Whether the story or the population has this account."""
        population = self.scenario.population
        if account in self.given or population is None:
            return account in self.given
        prefix, _, number = account.rpartition("_")
        if prefix != population.prefix or not re.fullmatch(r"\d{5,7}", number):
            return False
        return account == f"{prefix}_{int(number):05d}" and 1 <= int(number) <= population.accounts

    def account(self, name: str, path: Path) -> None:
        """The name must be an account's."""
        if not self.known(name):
            raise self.fail(path, f"there is no account '{name}'", nearest(name, self.given))

    def invoice(self, name: str, path: Path) -> str:
        """The account of an invoice that stands in the story, or that a renewal within it may make."""
        found = INVOICE.fullmatch(name)
        if found is None:
            raise self.fail(path, f"'{name}' names no invoice: <account>_<number>, as in ada_1", nearest(name, self.invoices()))
        account = found["account"]
        if not self.known(account):
            raise self.fail(path, f"there is no invoice '{name}': no account '{account}'", nearest(name, self.invoices()))
        if found["nth"] and not 2 <= int(found["nth"]) <= self._subscriptions(account):
            raise self.fail(path, f"there is no invoice '{name}': '{account}' has no such subscription", nearest(name, self.invoices()))
        if int(found["n"]) > self._last_invoice(account):
            raise self.fail(path, f"there is no invoice '{name}' in the story's time", nearest(name, self.invoices()))
        return account

    def invoices(self) -> Iterator[str]:
        """The names of the invoices that the story gives."""
        for account in self.scenario.given:
            yield f"{account.account}_1"
            yield from (invoice.invoice for invoice in account.invoices)

    def _subscriptions(self, account: str) -> int:
        had = 1 if account in self.given else self._of_population()
        return had + sum(row.by == account and row.do == "subscribe" for row in self.scenario.timeline)

    def _of_population(self) -> int:
        """The most subscriptions that an account of the population may have."""
        population = self.scenario.population
        return len(population_data.people(population.people).accounts.subscriptions) if population is not None and population.people else 2

    def _last_invoice(self, account: str) -> int:
        """The highest number that an invoice of the account can reach: what is given, and one a month."""
        given = self.given.get(account)
        numbers = [int(found["n"]) for invoice in (given.invoices if given else ()) if (found := INVOICE.fullmatch(invoice.invoice))]
        months = (self.scenario.until + self.scenario.calm_hours * 3_600_000 - self.scenario.start) // (28 * DAY_MS)
        return max(numbers, default=1) + months + 1

    def one_of(self, value: str, allowed: Iterable[str], path: Path, what: str) -> None:
        """The value must be among these names."""
        names = tuple(allowed)
        if value not in names:
            raise self.fail(path, f"unknown {what} '{value}'", nearest(value, names))


def check(scenario: Scenario, fail: Callable[..., InputError] | None = None) -> None:
    """Raise InputError for the first rule that the scenario breaks; `fail(path, message, hint)` makes the error."""
    rules = Rules(scenario, fail or Reader(Spot(scenario.source, 0)).fail)
    for rule in RULES:
        rule(rules)


def _content(rules: Rules) -> None:
    scenario = rules.scenario
    if not ID.fullmatch(scenario.id):
        raise rules.fail(("id",), f"'{scenario.id}' is no id: letters, digits and _ . / - are allowed, as in dunning/late_failed_after_paid")
    for index, store in enumerate(scenario.reconstructed):
        rules.one_of(store, (*SCHEMAS, stripe_metadata.NAME), ("reconstructed", index), "store")
    if scenario.reconstructed and scenario.rows is None:
        raise rules.fail(("reconstructed",), "says what 'rows' leave open, and there are none")
    if not scenario.given and scenario.population is None and scenario.tales is None and scenario.events is None:
        raise rules.fail((), "there is nobody in it: it needs 'given' accounts, a 'population', 'tales' or 'events'")
    if scenario.cron_minute >= 24 * 60:
        raise rules.fail(("cron_minute",), "is the minute of a day, 0 to 1439")
    if scenario.warehouse is not None and scenario.warehouse.mirror_minute >= 24 * 60:
        raise rules.fail(("warehouse", "mirror_minute"), "is the minute of a day, 0 to 1439")
    if scenario.until <= scenario.start:
        raise rules.fail(("until",), "is not after the start")


def _accounts(rules: Rules) -> None:
    seen = set()
    for index, account in enumerate(rules.scenario.given):
        path: Path = ("given", index)
        name = account.account
        if name in ACTORS:
            raise rules.fail((*path, "account"), f"'{name}' is an actor's name, not an account's")
        if not ACCOUNT.fullmatch(name):
            raise rules.fail((*path, "account"), f"'{name}' is no account name: up to 40 of a-z, 0-9 and _, a letter first")
        if name in seen:
            raise rules.fail((*path, "account"), f"duplicate account '{name}'")
        seen.add(name)
        _account(rules, account, path)


def _account(rules: Rules, account: GivenAccount, path: Path) -> None:
    rules.one_of(account.instrument, INSTRUMENTS, (*path, "instrument"), "instrument")
    if account.card is not None:
        rules.one_of(account.card, CARDS, (*path, "card"), "card")
    if account.subscription is not None:
        rules.one_of(account.subscription, SUBSCRIPTION_STATUSES, (*path, "subscription"), "subscription status")
    if not CURRENCY.fullmatch(account.currency):
        raise rules.fail((*path, "currency"), f"'{account.currency}' is no currency: three small letters, as in usd")
    for key in ("account_type", "country", "plan"):
        if not getattr(account, key):
            raise rules.fail((*path, key), "must not be empty")
    if account.started is not None and account.started >= rules.scenario.start:
        raise rules.fail((*path, "started"), "is not before the story's start")
    if account.failed_attempts and account.invoices:
        raise rules.fail((*path, "failed_attempts"), "and 'invoices' exclude each other: say it for each invoice")
    if not account.stripe_customer and (account.failed_attempts or account.invoices or account.subscription):
        raise rules.fail((*path, "stripe_customer"), "an account without a Stripe customer has neither invoices nor a subscription there")
    _attempts(rules, account.failed_attempts, path)


def _attempts(rules: Rules, failed: int, path: Path) -> None:
    most = rules.scenario.stripe.max_attempts
    if failed > most:
        raise rules.fail((*path, "failed_attempts"), f"the retry schedule makes {most} attempts in all, not {failed}")


def _prices(rules: Rules) -> None:
    """A plan has one price, because Stripe's price objects are named by plan."""
    population = rules.scenario.population
    prices = {plan: (price, population.currency) for plan, price in population.plans.items()} if population else {}
    for index, account in enumerate(rules.scenario.given):
        price = prices.setdefault(account.plan, (account.price, account.currency))
        if price != (account.price, account.currency):
            raise rules.fail(("given", index, "price"), f"plan '{account.plan}' already has the price {price[0]} {price[1]}: a plan has one")


def _invoices(rules: Rules) -> None:
    for index, account in enumerate(rules.scenario.given):
        seen: dict[str, int] = {}
        for nth, invoice in enumerate(account.invoices):
            path: Path = ("given", index, "invoices", nth)
            found = INVOICE.fullmatch(invoice.invoice)
            if found is None or found["nth"] or found["account"] != account.account or int(found["n"]) == 0:
                raise rules.fail((*path, "invoice"), f"'{invoice.invoice}' must be '{account.account}_<number>', counted from 1")
            if invoice.invoice in seen:
                raise rules.fail((*path, "invoice"), f"duplicate invoice '{invoice.invoice}'")
            if seen and int(found["n"]) < max(seen.values()):
                raise rules.fail((*path, "invoice"), "invoices stand in the order of their numbers")
            seen[invoice.invoice] = int(found["n"])
            _invoice(rules, invoice, path)


def _invoice(rules: Rules, invoice: GivenInvoice, path: Path) -> None:
    rules.one_of(invoice.status, INVOICE_STATUSES, (*path, "status"), "invoice status")
    _attempts(rules, invoice.failed_attempts, path)
    if invoice.last_attempt is None:
        return
    if invoice.last_attempt >= rules.scenario.start:
        raise rules.fail((*path, "last_attempt"), "is not before the story's start")
    retry_days = rules.scenario.stripe.retry_days
    if invoice.status == "open" and 0 < invoice.failed_attempts <= len(retry_days):
        waited = retry_days[invoice.failed_attempts - 1] - (retry_days[invoice.failed_attempts - 2] if invoice.failed_attempts > 1 else 0)
        if invoice.last_attempt + waited * DAY_MS < rules.scenario.start:
            raise rules.fail((*path, "last_attempt"), f"the schedule would have tried again {waited} days later, before the story's start")


def _timeline(rules: Rules) -> None:
    scenario = rules.scenario
    before = scenario.start
    for index, row in enumerate(scenario.timeline):
        path: Path = ("timeline", index)
        if row.at < scenario.start:
            raise rules.fail((*path, "at"), "lies in the past of the story, before its start")
        if row.at < before:
            raise rules.fail((*path, "at"), "lies in the past of the story, before the row above it")
        if row.at > scenario.until:
            raise rules.fail((*path, "at"), "lies after the story's end, see 'until'")
        before = row.at
        _row(rules, row, path)


def _row(rules: Rules, row: TimelineRow, path: Path) -> None:
    if row.by not in ACTORS and not rules.known(row.by):
        raise rules.fail((*path, "by"), f"unknown actor '{row.by}'", nearest(row.by, (*ACTORS, *rules.given)))
    actions = actions_of(row.by)
    if row.do not in actions:
        raise rules.fail((*path, "do"), f"{row.by} has no action '{row.do}'", nearest(row.do, actions))
    params = actions[row.do]
    for key in row.params:
        if key not in params:
            raise rules.fail((*path, key), "unknown key", nearest(key, params))
    for key, param in params.items():
        if key not in row.params:
            if param.required:
                raise rules.fail(path, f"'{key}' is missing: {row.do} needs it")
            continue
        _param(rules, row, param, (*path, key))


def _param(rules: Rules, row: TimelineRow, param: Param, path: Path) -> None:
    value = row.params[str(path[-1])]
    if wrong := accept(param, value):
        raise rules.fail(path, wrong, nearest(value, allowed(param)) if isinstance(value, str) else "")
    if param.kind == "account":
        rules.account(value, path)
    elif param.kind == candidates.CANDIDATES:
        for account, _code, _entity in candidates.candidates_of(value):
            rules.account(account, path)
    elif param.kind == "invoice":
        owner = rules.invoice(value, path)
        if row.by not in ACTORS and owner != row.by:
            raise rules.fail(path, f"'{value}' is not an invoice of {row.by}")


def _expect(rules: Rules) -> None:
    for engine, expect in rules.scenario.expect.items():
        path: Path = ("expect", engine)
        _engine(rules, engine, path)
        for key in ("every_order", "some_order", "control"):
            outcome = getattr(expect, key)
            for list_key in ("drift", "closed"):
                for index, drift in enumerate((getattr(outcome, list_key) if outcome else ()) or ()):
                    _drift(rules, drift, (*path, key, list_key, index))
            for index, each in enumerate(getattr(outcome, "shows", ())):
                shown.check(rules, each, (*path, key, "shows", index))
        if expect.control is not None:
            _control(rules, expect.control, (*path, "control"))


def _engine(rules: Rules, engine: str, path: Path) -> None:
    if engine not in ENGINES and not SPEC.fullmatch(engine) and engine not in entry_points(group="billsim.engines").names:
        known = f"{', '.join(ENGINES)}, package.module:factory or cmd:program"
        raise rules.fail(path, f"unknown engine '{engine}': {known}", nearest(engine, ENGINES))


def _drift(rules: Rules, drift: ExpectedDrift, path: Path) -> None:
    rules.account(drift.account, (*path, "account"))
    rules.one_of(drift.code, CODES, (*path, "code"), "drift code")
    if drift.cause is not None:
        rules.one_of(drift.cause, CAUSES, (*path, "cause"), "cause")


def _control(rules: Rules, control: Control, path: Path) -> None:
    for index, do in enumerate(control.without):
        rules.one_of(do, DOABLE, (*path, "without", index), "action")
    given = [invoice.invoice for account in rules.scenario.given for invoice in account.invoices]
    for index, name in enumerate(control.without_invoices):
        rules.one_of(name, given, (*path, "without_invoices", index), "given invoice")
    if not (control.without or control.without_invoices or control.apart_minutes or rules.scenario.answers):
        raise rules.fail(path, "changes nothing: it needs 'without', 'without_invoices' or 'apart_minutes'")


def _judge(rules: Rules) -> None:
    judge = rules.scenario.judge
    if rules.scenario.before is not None:
        _engine(rules, rules.scenario.before.engine, ("before", "engine"))
    for index, mark in enumerate(judge.sometimes):
        rules.one_of(mark, MARKS, ("judge", "sometimes", index), "mark")
    for index, engine in enumerate(judge.red_under):
        if not re.fullmatch(r"mutant:[a-z_]+", engine):
            _engine(rules, engine, ("judge", "red_under", index))


def _population(rules: Rules) -> None:
    population = rules.scenario.population
    if population is None:
        return
    for key, most in (("accounts", MOST_ACCOUNTS), ("days", MOST_DAYS), ("renewal_spread_days", MOST_DAYS)):
        if not 1 <= getattr(population, key) <= most:
            raise rules.fail(("population", key), f"must be 1 to {most}")
    if not ACCOUNT.fullmatch(population.prefix) or len(population.prefix) > 30 or population.prefix in ACTORS:
        raise rules.fail(("population", "prefix"), f"'{population.prefix}' cannot begin an account's name")
    if not CURRENCY.fullmatch(population.currency):
        raise rules.fail(("population", "currency"), f"'{population.currency}' is no currency: three small letters, as in usd")
    _people(rules, population)
    _callers(rules, population)
    if not population.plans or not all(population.plans):
        raise rules.fail(("population", "plans"), "needs a plan and its price, as in { pro_monthly = 2000 }")
    days = population.declines_days
    if not days or list(days) != sorted(days):
        raise rules.fail(("population", "declines_days"), "must be one or more days, rising")
    for keys in (("declines", "lost", "never_paid"), ("second_subscription",), ("updates_card", "pays_hosted", "pays_dashboard")):
        if sum(getattr(population, key) for key in keys) > 1000:
            raise rules.fail(("population", keys[0]), f"parts per thousand: {' + '.join(keys)} must be at most 1000")
    for name in rules.given:
        if name.rpartition("_")[0] == population.prefix and name.rpartition("_")[2].isdigit():
            raise rules.fail(("population", "prefix"), f"the population's names would meet the given account '{name}'")


def _callers(rules: Rules, population: Population) -> None:
    for caller, rates in population.callers.items():
        rules.one_of(caller, CALLERS, ("population", "callers", caller), "caller")
        for operation in rates:
            rules.one_of(operation, operations_of(caller), ("population", "callers", caller, operation), f"operation of {caller}")
    if sum(callers_of(rules.scenario).values()) > MILLION:
        raise rules.fail(("population", "callers"), f"at most one act a day for each account: the rates must add up to at most {MILLION}")


def _tales(rules: Rules) -> None:
    tales, told = rules.scenario.tales, rules.scenario
    if tales is None:
        return
    for key in ("given", "timeline", "population", "events", "rows", "answers"):
        if getattr(told, key):
            raise rules.fail((key,), "and 'tales' exclude each other: tales say for themselves who there is and what happens")
    for key, least, most in (("accounts", 1, MOST_TOLD), ("rows", 0, MOST_TOLD_ROWS), ("days", 1, MOST_TOLD_DAYS), ("bursts", 0, 1000)):
        if not least <= getattr(tales, key) <= most:
            raise rules.fail(("tales", key), f"must be {least} to {most}")
    for key, known in (("states", Tales().states), ("actions", Tales().actions)):
        weights = getattr(tales, key)
        for name in weights:
            rules.one_of(name, known, ("tales", key, name), key.removesuffix("s"))
        if not any(weights.values()):
            raise rules.fail(("tales", key), "needs a weight above 0")


def _answers(rules: Rules) -> None:
    for label in rules.scenario.answers:
        if not LABEL.fullmatch(label):
            raise rules.fail(("answers", label), "is no label of a choice: it begins with w/ or e/, as in w/story/row0/offset")


def _faults(rules: Rules) -> None:
    for name, dial in rules.scenario.faults.items():
        rules.one_of(name, CATALOGUE, ("faults", name), "fault")
        _dial(rules, dial, CATALOGUE[name], ("faults", name))


def _dial(rules: Rules, dial: Dial, fault: type[Fault], path: Path) -> None:
    if dial.ppm > 1_000_000:
        raise rules.fail((*path, "ppm"), "parts per million: must be at most 1000000")
    if dial.minutes is not None and not fault.most_minutes:
        raise rules.fail((*path, "minutes"), f"'{fault.name}' has no duration")
    if dial.minutes is not None and not 1 <= dial.minutes <= fault.most_minutes:
        raise rules.fail((*path, "minutes"), f"must be 1 to {fault.most_minutes}")
    if dial.accounts and not fault.scoped:
        raise rules.fail((*path, "accounts"), f"'{fault.name}' strikes everybody")
    if dial.events and not (fault.scoped and fault.area == PIPE):
        raise rules.fail((*path, "events"), f"'{fault.name}' does not strike single event types")
    if dial.methods and fault.area != STRIPE:
        raise rules.fail((*path, "methods"), f"'{fault.name}' does not strike requests to Stripe")
    if fault.area == MIRROR and rules.scenario.warehouse is None:
        raise rules.fail(path, "strikes the nightly mirror, and there is none: see 'warehouse'")
    for index, name in enumerate(dial.methods):
        rules.one_of(name, (*METHODS, GATHER), (*path, "methods", index), "request to Stripe")
    for index, account in enumerate(dial.accounts):
        rules.account(account, (*path, "accounts", index))
    for index, event in enumerate(dial.events):
        rules.one_of(event, EVENT_TYPES, (*path, "events", index), "event type")


def _people(rules: Rules, population: Population) -> None:
    """A population whose people a data file describes does not describe them itself."""
    if not population.people:
        return
    rules.one_of(population.people, population_data.names(), ("population", "people"), "data file of people")
    for key in ("plans", "declines", "declines_days", "lost", "second_subscription", "never_paid", "renewal_spread_days", "callers"):
        if getattr(population, key) != getattr(_PLAIN, key):
            raise rules.fail(("population", key), f"is what the data file '{population.people}' says: leave it out, or leave out 'people'")


def _stripe(rules: Rules) -> None:
    days = rules.scenario.stripe.retry_days
    if any(later <= earlier for earlier, later in zip((0, *days), days, strict=False)):
        raise rules.fail(("stripe", "retry_days"), "must be days after the first attempt, from 1, rising")


RULES: tuple[Callable[[Rules], None], ...] = (
    _content,
    _stripe,
    _population,
    rules_before.people,
    rules_before.before,
    candidates.remediation,
    _tales,
    _faults,
    _answers,
    _accounts,
    _prices,
    _invoices,
    rules_planted.planted,
    _timeline,
    _expect,
    _judge,
)
