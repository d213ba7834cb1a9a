"""An account of a population as a told story: who it is when the storm begins, and what Stripe, the bank and its customer did, as rows.

What Stripe and the engine do by themselves needs no row: renewals come when they came, and tries of the schedule. Only what a try came to is told,
where the card does not say it. Faults and latencies stay pinned under the names that they have in the story.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.actors.crowd import Doing, begins, row_of
from billsim.actors.customer import PAYS_DASHBOARD, PAYS_HOSTED
from billsim.core.platform import Platform
from billsim.core.time import HOUR_MS, SECOND_MS, add_months, day_of_month
from billsim.core.trace import WriteRecord
from billsim.explore.labels import Rename
from billsim.run import look_at, run_scenario
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario, TimelineRow
from billsim.scenario.population_data import callers_of
from billsim.stripe.cards import LOST_CARD
from billsim.stripe.objects import Book, Subscription
from billsim.world import World

_ATTEMPT = re.compile(r"w/stripe/in_(?P<invoice>.+)/attempt\d+")
_CUSTOMER = re.compile(r"w/customer/(?P<name>.+)/attach")


class Deed(NamedTuple):
    """Something that a row tells: what was asked of `name` is asked of the row instead."""

    at_ms: int
    by: str
    do: str
    params: dict[str, Any]
    name: str = ""


def narrated(scenario: Scenario, account: str, *, seed: int, engine: str, platform: Platform) -> Iterator[tuple[Scenario, Rename]]:
    """One account of a failing population, whose answers are all pinned, as a story: one for each of its monthly subscriptions, since a told account
    begins with one.
    """
    known, _ = look_at(scenario, scenario.start, _looker(account), seed=seed, engine=engine, tape=scenario.answers, platform=platform)
    book, account_type = known
    if book is None:
        return
    run = run_scenario(scenario, seed=seed, engine=engine, keep_records=True, bodies=False, platform=platform)
    writes = [record for record in run.records if record[0] == "writes" and record.account == account]
    for subscription in book.subscriptions.values():
        if _item(subscription).price.recurring.interval == "month":
            stem = subscription.id.removeprefix("sub_")
            deeds, card = _deeds(account, stem, writes, scenario.answers)
            deeds = sorted([*deeds, *_calls(scenario, account)], key=lambda deed: deed.at_ms)
            given = replace(_given(account, book, subscription, account_type, scenario.start // SECOND_MS), card=card)
            yield _story(replace(scenario, start=_start(scenario, subscription)), given, stem, deeds)


def _start(scenario: Scenario, subscription: Subscription) -> int:
    """When the story begins: earlier than its world for who renews at that very instant, since who is told of at an instant has renewed by then."""
    return scenario.start - HOUR_MS if _item(subscription).current_period_start * SECOND_MS >= scenario.start else scenario.start


def _looker(account: str) -> Callable[[World], tuple[Book | None, str]]:
    def look(world: World) -> tuple[Book | None, str]:
        shard = world.stores.shard(account)
        return shard.stripe, shard.rows["subs_account"].account_type

    return look


def _item(subscription: Subscription) -> Any:
    return subscription.items.data[0]


def _given(account: str, book: Book, subscription: Subscription, account_type: str, start: int) -> GivenAccount:
    """Who it is at the start: what it has, and what it owes."""
    price = _item(subscription).price
    owed = []
    for invoice in book.invoices.values():
        if invoice.subscription == subscription.id and invoice.status == "open" and invoice.attempt_count:
            failed = [charge.created for charge in book.charges.values() if charge.status == "failed"]
            owed.append(
                GivenInvoice(
                    invoice=f"{account}_{invoice.id.rpartition('_')[2]}",
                    failed_attempts=invoice.attempt_count,
                    last_attempt=max(failed, default=invoice.created) * SECOND_MS,
                )
            )
    method = book.payment_methods.get(subscription.default_payment_method or f"pm_{account}")
    return GivenAccount(
        account=account,
        account_type=account_type,
        instrument=method.type if method is not None else "card",
        plan=price.id.removeprefix("price_").partition("-")[0],
        price=price.unit_amount,
        currency=price.currency,
        paid_before=any(charge.status == "succeeded" and charge.amount for charge in book.charges.values()),
        invoices=tuple(owed),
        started=None if owed else _started(_item(subscription), start) * SECOND_MS,
    )


def _started(item: Any, start: int) -> int:
    """When a subscription began that renews as this one next does, on the same day of the months before, as far as they have it; unix seconds."""
    renews = item.current_period_start if item.current_period_start >= start else item.current_period_end
    day = day_of_month(renews)
    months = next(months for months in (1, 2) if day_of_month(add_months(renews, -months, day)) == day)
    return add_months(renews, -months, day)


def _deeds(account: str, stem: str, writes: Sequence[WriteRecord], answers: Mapping[str, int]) -> tuple[list[Deed], str]:
    """What was done, in order; and what kind of card the account began with."""
    deeds: list[Deed] = []
    tries: dict[str, tuple[int, str, bool]] = {}
    is_lost = False
    for record in writes:
        if found := _CUSTOMER.fullmatch(record.task):
            if record.store == "stripe.payment_method":
                deeds += _of_customer(account, stem, record.at_ms, found["name"], answers)
        elif (found := _ATTEMPT.fullmatch(record.task)) and record.store == "stripe.invoice" and _is_of(stem, found["invoice"]):
            tries.setdefault(record.task, (record.at_ms, found["invoice"], record.new.status == "paid"))
        is_lost |= record.store == "stripe.charge" and record.new.failure_message == LOST_CARD.message
    has_failed = next((not paid for _, _, paid in tries.values()), False)
    card = "lost" if is_lost else "declines" if has_failed else "good"
    renewed_ms = min([deed.at_ms for deed in deeds if deed.do == "update_card"], default=1 << 62)
    for at_ms, invoice, paid in tries.values():
        if paid != (card == "good" or at_ms > renewed_ms):
            invoice = f"{account}_{invoice.rpartition('_')[2]}"
            deeds.append(Deed(at_ms, "stripe", "charge", {"invoice": invoice, "result": "paid" if paid else "declined"}))
    return sorted(deeds, key=lambda deed: deed.at_ms), card


def _is_of(stem: str, invoice: str) -> bool:
    """The invoice is one of the subscription `sub_<stem>`."""
    return invoice.rpartition("_")[0] == stem


def _of_customer(account: str, stem: str, at_ms: int, name: str, answers: Mapping[str, int]) -> list[Deed]:
    """A customer who has been told of a failed try changes the card, and may pay with it."""
    does = answers.get(f"w/customer/{name}/does")
    deeds = [Deed(at_ms, account, "update_card", {}, name)]
    invoice = name.removeprefix("in_").partition(".")[0]
    if does in (PAYS_HOSTED, PAYS_DASHBOARD) and _is_of(stem, invoice):
        told = f"{account}_{invoice.rpartition('_')[2]}"
        deeds.append(Deed(at_ms + 1, account, "pay", {"invoice": told, **({"via": "hosted"} if does == PAYS_HOSTED else {})}, name))
    return deeds


def _calls(scenario: Scenario, account: str) -> Iterator[Deed]:
    """What callers did for the account during the storm."""
    points = tuple(callers_of(scenario))
    for day, begins_ms in begins(scenario):
        label = f"w/caller/{account}/day{day}"
        does, after_ms = scenario.answers.get(f"{label}/does", -1), scenario.answers.get(f"{label}/at")
        if 0 <= does < len(points) and after_ms is not None and begins_ms + after_ms <= scenario.until:
            row = row_of(Doing(account, day, points[does]), begins_ms + after_ms)
            yield Deed(row.at, row.by, row.do, row.params, f"caller/{account}/day{day}")


def _story(scenario: Scenario, given: GivenAccount, stem: str, deeds: Sequence[Deed]) -> tuple[Scenario, Rename]:
    rows, names = [], dict[str, str]()
    before = scenario.start - 1
    for number, deed in enumerate(deeds):
        before = max(deed.at_ms, before + 1)
        rows.append(TimelineRow(at=before, by=deed.by, do=deed.do, params=deed.params))
        if deed.do == "update_card":
            names[f"w/customer/{deed.name}"] = f"w/story/row{number}"
            names[f"pm_{given.account}.{deed.name}"] = f"pm_{given.account}.row{number}"
        elif deed.do == "call":
            names[deed.name] = f"story/row{number}"
            names[deed.name.replace("/", ".")] = f"story.row{number}"
            names[f"pm_{given.account}.{deed.name.rpartition('/')[2]}"] = f"pm_{given.account}.row{number}"
        elif deed.do == "pay":
            names[f"w/customer/{deed.name}/pay"] = f"w/story/row{number}"
            names[f"{deed.name}.pay"] = f"story.row{number}.pay"
    until = max([scenario.until, *(row.at + 1 for row in rows)])
    faults = {name: replace(dial, accounts=()) for name, dial in scenario.faults.items()}
    story = replace(scenario, given=(given,), timeline=tuple(rows), population=None, faults=faults, until=until)
    return story, _renamer(given.account, stem, names)


def _renamer(account: str, stem: str, names: Mapping[str, str]) -> Rename:
    """How labels are called in the story: acts after their rows, and what belongs to the subscription `stem` as if it were the first; the labels of
    the one that was first then name nothing.
    """
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    act = re.compile(rf"({'|'.join(map(re.escape, longest_first))})(?![0-9a-z_])") if names else None
    gone = re.compile(rf"(?<![0-9a-z])(in|sub|si|pi|ch|ope)_{re.escape(account)}(?![0-9a-z-])")
    own = re.compile(rf"(?<![0-9a-z]){re.escape(stem)}(?![0-9a-z])")

    def rename(path: str) -> str:
        path = act.sub(lambda found: names[found[1]], path) if act is not None else path
        return path if stem == account else own.sub(account, gone.sub(r"\1_gone", path))

    return rename
