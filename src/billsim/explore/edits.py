"""Edits that make a story smaller or plainer: each makes another scenario, and whether that still fails is for a run to say.

An edit that moves rows or renames accounts also says how labels are called after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.explore.labels import Rename, accounts_renamed, rows_moved
from billsim.faults.base import MIRROR, Dial
from billsim.faults.catalogue import CATALOGUE
from billsim.scenario.actions import ACTORS, actions_of
from billsim.scenario.orders import offset_label, racing_groups
from billsim.scenario.plan import GivenAccount, GivenInvoice, Judge, Scenario, TimelineRow
from billsim.scenario.rules import INVOICE
from billsim.stripe.settings import StripeSettings

Edit = Callable[[Scenario], Scenario]

NAMES = ("ada", "bob", "cem", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "lea", "max", "ned", "ola", "pat")
_CALM_HOURS = 48
# Instants are rounded down to the first, and stay the second apart: (hours, minutes), and so on.
_ROUND = ((HOUR_MS, MINUTE_MS), (HOUR_MS, SECOND_MS), (MINUTE_MS, MINUTE_MS), (MINUTE_MS, SECOND_MS), (SECOND_MS, SECOND_MS))


# -- accounts and rows


def owner(invoice: str) -> str:
    """The account of an invoice, by its name."""
    found = INVOICE.fullmatch(invoice)
    return found["account"] if found is not None else ""


def accounts_in(row: TimelineRow) -> tuple[str, ...]:
    """The accounts that a row names; none for one that is of everybody."""
    named = (row.by, row.params.get("account") or "", owner(str(row.params.get("invoice", ""))))
    return tuple(name for name in named if name and (name is not row.by or not _is_actor(row)))


def _is_actor(row: TimelineRow) -> bool:
    return row.by in ACTORS


def with_accounts(scenario: Scenario, names: Sequence[str]) -> tuple[Scenario, Rename]:
    """The story of these accounts alone, of those that are given."""
    gone = [account.account for account in scenario.given if account.account not in names]
    kept = [index for index, row in enumerate(scenario.timeline) if not any(name in gone for name in accounts_in(row))]
    faults = {}
    for fault, dial in scenario.faults.items():
        left = tuple(name for name in dial.accounts if name not in gone)
        if left or not dial.accounts:
            faults[fault] = replace(dial, accounts=left)
    smaller, rename = with_rows(scenario, kept)
    return replace(smaller, given=tuple(account for account in scenario.given if account.account not in gone), faults=faults), rename


def with_rows(scenario: Scenario, kept: Sequence[int]) -> tuple[Scenario, Rename]:
    """The story with these rows, by their indexes, in this order."""
    moved = {old: new for new, old in enumerate(kept)}
    subscribed = [(row.by, index) for index, row in enumerate(scenario.timeline) if row.do == "subscribe"]
    rename = rows_moved(moved, subscribed)
    rows = [scenario.timeline[index] for index in kept]
    return replace(scenario, timeline=tuple(_renamed_row(row, rename) for row in rows) if subscribed else tuple(rows)), rename


def with_people_named(scenario: Scenario) -> tuple[Scenario, Rename]:
    """The given accounts called ada, bob, and so on, in their order."""
    names = {account.account: NAMES[n] if n < len(NAMES) else f"ada{n}" for n, account in enumerate(scenario.given)}
    rename = accounts_renamed(names)
    given = [
        replace(
            account,
            account=names[account.account],
            invoices=tuple(replace(invoice, invoice=rename(invoice.invoice)) for invoice in account.invoices),
            rows={store: {rename(key): _renamed(value, rename) for key, value in fields.items()} for store, fields in account.rows.items()},
        )
        for account in scenario.given
    ]
    rows = [replace(_renamed_row(row, rename), by=names.get(row.by, row.by)) for row in scenario.timeline]
    faults = {fault: replace(dial, accounts=tuple(names.get(name, name) for name in dial.accounts)) for fault, dial in scenario.faults.items()}
    return replace(scenario, given=tuple(given), timeline=tuple(rows), faults=faults), rename


def _renamed_row(row: TimelineRow, rename: Rename) -> TimelineRow:
    names = ("account", "invoice", "charge_of")
    params = {key: rename(value) if key in names and isinstance(value, str) else value for key, value in row.params.items()}
    return replace(row, params=params)


def _renamed(value: Any, rename: Rename) -> Any:
    return rename(value) if isinstance(value, str) else value


def folded(scenario: Scenario) -> Iterator[tuple[Scenario, Rename]]:
    """The story with a declined try of its timeline told as past: the first row of an invoice that is already there."""
    for at, account in enumerate(scenario.given):
        name = f"{account.account}_1"
        first = next((index for index, row in enumerate(scenario.timeline) if row.params.get("invoice") == name), None)
        if first is None or scenario.timeline[first].do != "charge" or scenario.timeline[first].params.get("result", "declined") != "declined":
            continue
        smaller, rename = with_rows(scenario, [index for index in range(len(scenario.timeline)) if index != first])
        if account.invoices:
            owed = account.invoices[0]
            invoices = (replace(owed, failed_attempts=owed.failed_attempts + 1, last_attempt=None), *account.invoices[1:])
            older = replace(account, invoices=invoices)
        else:
            older = replace(account, failed_attempts=account.failed_attempts + 1)
        yield replace(smaller, given=(*scenario.given[:at], older, *scenario.given[at + 1 :])), rename


# -- instants


def shorter(scenario: Scenario, wrong_ms: int) -> Iterator[Scenario]:
    """The story ending soon after its last row and the instant at which something had gone wrong, the shortest first."""
    last = max([wrong_ms, *(row.at for row in scenario.timeline)])
    for after_ms, calm in ((HOUR_MS, 1), (DAY_MS, 1), (DAY_MS, _CALM_HOURS)):
        until = min(last // MINUTE_MS * MINUTE_MS + after_ms, scenario.until)
        if until < scenario.until or calm < scenario.calm_hours:
            yield replace(scenario, until=until, calm_hours=min(calm, scenario.calm_hours))


def smaller_populations(scenario: Scenario, account: str) -> Iterator[Scenario]:
    """The population without most of those who come after an account, and for no more days than the story lasts."""
    population = scenario.population
    if population is None:
        return
    days = max(1, -(-(scenario.until - scenario.start) // DAY_MS))
    number = account.rpartition("_")[2]
    for accounts in (int(number) if number.isdigit() else population.accounts, population.accounts):
        yield replace(scenario, population=replace(population, accounts=accounts, days=min(days, population.days)))


def of_usual_length(scenario: Scenario) -> Iterator[Scenario]:
    """The story from midnight before its first row until a day after the last, and two days of calm: what need not be told; or with one of these."""
    usual = {"calm_hours": _CALM_HOURS}
    if scenario.timeline:
        usual |= {"start": scenario.timeline[0].at // DAY_MS * DAY_MS, "until": scenario.timeline[-1].at + DAY_MS}
    yield replace(scenario, **usual)
    for key, value in usual.items():
        yield replace(scenario, **{key: value})


def apart(scenario: Scenario) -> tuple[Scenario, Rename]:
    """The story with each row that races at the instant at which it acted, so that none do."""
    racing = {index for group in racing_groups(scenario.timeline) for index in group}
    acted = [row.at + (scenario.answers.get(offset_label(n), 0) if n in racing else 0) for n, row in enumerate(scenario.timeline)]
    order = sorted(range(len(acted)), key=lambda index: (acted[index], index))
    pins = {label: answer for label, answer in scenario.answers.items() if not (label.startswith("w/story/row") and label.endswith("/offset"))}
    smaller, rename = with_rows(replace(scenario, answers=pins), order)
    rows, before = [], scenario.start - 1
    for old, row in zip(order, smaller.timeline, strict=True):
        before = max(acted[old], before + 1)
        rows.append(replace(row, at=before))
    return replace(smaller, timeline=tuple(rows)), rename


def rounded(scenario: Scenario) -> Iterator[Scenario]:
    """The story with all instants rounded down, the coarsest first; rows stay apart and in their order."""
    for unit, gap in _ROUND:
        yield _rounded(scenario, unit, gap, range(len(scenario.timeline)))


def rounded_row(scenario: Scenario, index: int) -> Iterator[Scenario]:
    """The story with one row's instant rounded down, the coarsest first."""
    for unit, gap in _ROUND:
        yield _rounded(scenario, unit, gap, (index,))


def _rounded(scenario: Scenario, unit: int, gap: int, which: Sequence[int]) -> Scenario:
    rows, before = [], scenario.start - gap
    for index, row in enumerate(scenario.timeline):
        at = max(row.at // unit * unit, before + gap) if index in which else row.at
        if index and row.at == scenario.timeline[index - 1].at:
            at = before  # rows that race go on racing
        rows.append(replace(row, at=at))
        before = at
    as_usual = rows and scenario.until == scenario.timeline[-1].at + DAY_MS
    return replace(scenario, timeline=tuple(rows), until=rows[-1].at + DAY_MS if as_usual else scenario.until)


# -- what is plain


def without_settings(scenario: Scenario) -> Iterator[Scenario]:
    """The story without what it sets up otherwise than usual, all of it and then one by one."""
    yield replace(scenario, stripe=StripeSettings(), cron_minute=120)
    yield replace(scenario, stripe=StripeSettings())
    yield replace(scenario, cron_minute=120)
    if scenario.warehouse is not None:
        faults = {name: dial for name, dial in scenario.faults.items() if CATALOGUE[name].area != MIRROR}
        yield replace(scenario, warehouse=None, faults=faults)


def untold(scenario: Scenario) -> Scenario:
    """The story without what decides nothing in a run: expectations, and parameters that are at their defaults."""
    rows = []
    for row in scenario.timeline:
        known = actions_of(row.by)[row.do]
        params = {name: value for name, value in row.params.items() if known[name].required or value != known[name].default}
        rows.append(replace(row, params=params, line=0))
    return replace(scenario, timeline=tuple(rows), expect={}, judge=Judge())


def usual_plans(scenario: Scenario) -> Scenario:
    """Everybody on the usual plan, at its price."""
    usual = GivenAccount(account="")
    given = [
        replace(
            account,
            plan=usual.plan,
            price=usual.price,
            currency=usual.currency,
            invoices=tuple(replace(invoice, amount=None) for invoice in account.invoices),
        )
        for account in scenario.given
    ]
    return replace(scenario, given=tuple(given))


def plainer_accounts(scenario: Scenario) -> Iterator[Edit]:
    """Each account with as little as possible, then without one thing after the other."""
    for at, account in enumerate(scenario.given):
        yield _on_account(at, _plainest)
        yield _on_account(at, _short_of_invoices)
        for number in range(len(account.invoices)):
            yield _on_account(at, lambda told, number=number: _without_invoice(told, number))  # type: ignore[misc]
        for field in msgspec.structs.fields(GivenAccount):
            if field.name not in ("account", "invoices", "failed_attempts", "plan", "price", "currency"):
                yield _on_account(at, lambda told, field=field: _reset(told, field))  # type: ignore[misc]
        for unit in (DAY_MS, HOUR_MS, MINUTE_MS):
            yield _on_account(at, lambda told, unit=unit: _started_at_round(told, unit))  # type: ignore[misc]
        for store, fields in account.rows.items():
            for key in fields:
                yield _on_account(at, lambda told, store=store, key=key: _without_planted(told, store, key))  # type: ignore[misc]
        for number, invoice in enumerate(account.invoices):
            for key in ("last_attempt", "amount"):
                yield _on_account(at, lambda told, number=number, key=key: _on_invoice(told, number, key))  # type: ignore[misc]
            for unit in (DAY_MS, HOUR_MS, MINUTE_MS):
                yield _on_account(at, lambda told, number=number, unit=unit: _tried_at_round(told, number, unit))  # type: ignore[misc]
            if invoice.failed_attempts:
                yield _on_account(at, lambda told, number=number: _on_invoice(told, number, "failed_attempts", 0))  # type: ignore[misc]
        yield _on_account(at, _short_of_invoices)


def _on_account(at: int, edit: Callable[[GivenAccount], GivenAccount]) -> Edit:
    def edited(scenario: Scenario) -> Scenario:
        account = edit(scenario.given[at])
        return replace(scenario, given=(*scenario.given[:at], account, *scenario.given[at + 1 :]))

    return edited


def _plainest(account: GivenAccount) -> GivenAccount:
    """Only what it owes."""
    invoices = tuple(GivenInvoice(invoice=told.invoice, status=told.status, failed_attempts=told.failed_attempts) for told in account.invoices)
    prices = {"plan": account.plan, "price": account.price, "currency": account.currency}
    return _short_of_invoices(GivenAccount(account=account.account, failed_attempts=account.failed_attempts, invoices=invoices, **prices))  # type: ignore[arg-type]


def _short_of_invoices(account: GivenAccount) -> GivenAccount:
    """One open invoice, told as the number of its failed attempts."""
    if len(account.invoices) != 1:
        return account
    (only,) = account.invoices
    short = only == GivenInvoice(invoice=f"{account.account}_1", failed_attempts=only.failed_attempts)
    return replace(account, invoices=(), failed_attempts=only.failed_attempts) if short else account


def _without_invoice(account: GivenAccount, number: int) -> GivenAccount:
    return replace(account, invoices=account.invoices[:number] + account.invoices[number + 1 :])


def _on_invoice(account: GivenAccount, number: int, key: str, value: Any = None) -> GivenAccount:
    if number >= len(account.invoices):
        return account
    invoice = replace(account.invoices[number], **{key: value})
    return replace(account, invoices=(*account.invoices[:number], invoice, *account.invoices[number + 1 :]))


def _tried_at_round(account: GivenAccount, number: int, unit: int) -> GivenAccount:
    last = account.invoices[number].last_attempt if number < len(account.invoices) else None
    return account if last is None or not last % unit else _on_invoice(account, number, "last_attempt", last // unit * unit)


def _started_at_round(account: GivenAccount, unit: int) -> GivenAccount:
    return account if account.started is None or not account.started % unit else replace(account, started=account.started // unit * unit)


def _reset(account: GivenAccount, field: Any) -> GivenAccount:
    default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    return replace(account, **{field.name: default})


def _without_planted(account: GivenAccount, store: str, key: str) -> GivenAccount:
    fields = {name: value for name, value in account.rows.get(store, {}).items() if name != key}
    rows = {name: held for name, held in account.rows.items() if name != store}
    return replace(account, rows={**rows, store: fields} if fields else rows)


def plainer_rows(scenario: Scenario) -> Iterator[Edit]:
    """Each row without one of the parameters that it need not have, or with a round number for one that it must."""
    for index, row in enumerate(scenario.timeline):
        for name, param in actions_of(row.by)[row.do].items():
            if name in row.params and not param.required:
                yield lambda told, index=index, name=name: _with_param(told, index, name, None)  # type: ignore[misc]
            elif name in row.params and param.kind == "number":
                for number in _rounder(row.params[name], (1_000, 100, 60, 10)):
                    yield lambda told, index=index, name=name, number=number: _with_param(told, index, name, number)  # type: ignore[misc]


def _with_param(scenario: Scenario, index: int, name: str, value: int | None) -> Scenario:
    row = scenario.timeline[index]
    params = {key: value if key == name else told for key, told in row.params.items() if key != name or value is not None}
    return replace(scenario, timeline=(*scenario.timeline[:index], replace(row, params=params), *scenario.timeline[index + 1 :]))


def _rounder(number: int, units: Sequence[int]) -> list[int]:
    """Round numbers near another, the roundest first, until it is one itself."""
    found: list[int] = []
    for unit in units:
        if not number % unit:
            break
        found += [whole for whole in (number // unit * unit, -(-number // unit) * unit) if whole and whole not in found]
    return found


# -- pins


def struck(answers: Mapping[str, int], fault: str) -> list[str]:
    """The labels under which a fault strikes."""
    return [label for label, answer in answers.items() if f"/fault/{fault}/" in label and answer == 1]


def with_faults_pinned(scenario: Scenario) -> Scenario:
    """Each fault strikes where it is pinned to, and is off where it strikes nowhere."""
    dials = {name: Dial(ppm=1, minutes=dial.minutes) for name, dial in scenario.faults.items() if struck(scenario.answers, name)}
    return replace(scenario, faults=dials)


def about(scenario: Scenario, account: str) -> list[str]:
    """The pins that name an account."""
    named = re.compile(rf"(?<![0-9a-z]){re.escape(account)}(?![0-9a-z])")
    return [label for label in scenario.answers if named.search(label)]


def with_pins(scenario: Scenario, labels: Sequence[str]) -> Scenario:
    """The story with these of its pins."""
    return replace(scenario, answers={label: scenario.answers[label] for label in labels})


def without_fault(scenario: Scenario, name: str) -> Scenario:
    """The story without a fault, and without its pins."""
    pins = {label: answer for label, answer in scenario.answers.items() if f"/fault/{name}/" not in label}
    return replace(scenario, faults={other: dial for other, dial in scenario.faults.items() if other != name}, answers=pins)


def rounded_pins(scenario: Scenario, label: str) -> Iterator[Scenario]:
    """The story with a pinned latency rounded, the roundest first."""
    for whole in _rounder(scenario.answers[label], (60_000, 10_000, 1_000, 100, 10)):
        yield replace(scenario, answers={**scenario.answers, label: whole})
