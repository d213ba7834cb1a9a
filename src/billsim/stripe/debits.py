"""What a change of a flexible subscription comes to: time is given back at what was billed for it, once for each time that it was billed, and the
remaining time is charged at its price (https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations).

What was never billed is not given back. A credit names the debit that it is of, so that no time is given back twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.stripe import periods
from billsim.stripe.backend import Backend
from billsim.stripe.objects import Book, InvoiceItem, LineItem, Period, Subscription, SubscriptionItem
from billsim.stripe.prorations import Proration, is_same, price_of, prorated

# Under which name an item and its line keep the debit that they give back.
CREDITED = "credited"


class Entry(NamedTuple):
    """What was billed for an item of a subscription, or given back (`credited`: of which debit). `key` names it before and after it has come to stand
    on a `line` of an `invoice`.
    """

    key: str
    invoice: str | None
    line: str | None
    item: str
    amount: int
    quantity: int | None
    pricing: Any
    period: Period
    credited: str | None


def settled(
    backend: Backend, subscription: Subscription, wanted: Iterable[SubscriptionItem], at_s: int, *, ends: bool, free: bool = False
) -> tuple[Proration, ...]:
    """How a change into the items `wanted` at an instant is settled: as `prorations` does, from what was billed.

    `ends`: all periods end with it. `free`: in a trial, whose changes are told by lines over nothing.
    """
    before, after = {item.id: item for item in subscription.items.data}, {item.id: item for item in wanted}
    found: list[Proration] = []
    entries = [] if free else list(_entries(backend.books[subscription.customer], subscription))
    for item in before.values():
        if ends or not is_same(item, after.get(item.id)):
            found += _credits(backend, entries, item, at_s)
    for item in after.values():
        if not ends and not is_same(item, before.get(item.id)):
            found.append(_charge(subscription, item, at_s, free))
    return tuple([each for each in found if each.amount or free])


def unused(backend: Backend, subscription: Subscription, since: Mapping[str, int]) -> tuple[Proration, ...]:
    """What is given back of the time of a subscription's items, of each from the instant on that `since` has for it."""
    entries = list(_entries(backend.books[subscription.customer], subscription))
    return tuple([each for item in subscription.items.data for each in _credits(backend, entries, item, since[item.id]) if each.amount])


def moved_ends(
    backend: Backend, subscription: Subscription, items: Iterable[SubscriptionItem], ends: Mapping[str, int]
) -> tuple[Proration, ...]:
    """How it is settled that the periods of `items` end at other instants: what is cut off is given back, what is added is charged."""
    entries = list(_entries(backend.books[subscription.customer], subscription))
    found: list[Proration] = []
    for item in items:
        until, end = item.current_period_end, ends[item.id]
        if end < until:
            found += _credits(backend, entries, item, end)
        elif end > until:
            found.append(Proration(item, prorated(price_of(item), end - until, _whole(subscription, item)), Period(until, end)))
    return tuple([each for each in found if each.amount])


def _charge(subscription: Subscription, item: SubscriptionItem, at_s: int, free: bool) -> Proration:
    begun = max(at_s, item.current_period_start)
    period = Period(begun, item.current_period_end)
    if free:
        return Proration(item, 0, period)
    return Proration(item, prorated(price_of(item), period.end - begun, _whole(subscription, item)), period)


def _whole(subscription: Subscription, item: SubscriptionItem) -> int:
    """How long the whole period is that the item is in."""
    cycle = periods.cycle_of_item(subscription, item)
    return cycle.end - cycle.start


def _credits(backend: Backend, entries: Iterable[Entry], item: SubscriptionItem, from_s: int) -> Iterator[Proration]:
    """What was billed for an item's time from an instant on, and was not given back yet."""
    given = [each for each in entries if each.credited is not None]
    for debit in entries:
        if debit.item != item.id or debit.credited is not None or debit.amount <= 0:
            continue
        start, end = debit.period.start, debit.period.end
        until = min([end, *(each.period.start for each in given if each.credited == debit.key)])
        begun = max(from_s, start)
        if begun < until:
            share = prorated(debit.amount, until - begun, end - start)
            named = {"key": debit.key, "invoice": debit.invoice, "line": debit.line}
            yield Proration(_as_billed(backend, item, debit), -share, Period(begun, until), named)


def _as_billed(backend: Backend, item: SubscriptionItem, debit: Entry) -> SubscriptionItem:
    """The item at the price and quantity that were billed."""
    named = ((debit.pricing or {}).get("price_details") or {}).get("price")
    price = backend.prices.get(named or "", item.price)
    return replace(item, price=price, quantity=item.quantity if debit.quantity is None else debit.quantity)


def _entries(book: Book, subscription: Subscription) -> Iterator[Entry]:
    """What the invoices of a subscription have of its items, and what waits for one; what is void, or stands only once it is paid, does not count."""
    pending = subscription.latest_invoice if subscription.pending_update is not None else None
    for invoice in book.invoices.values():
        if invoice.subscription == subscription.id and invoice.status != "void" and invoice.id != pending:
            for line in invoice.lines.data:
                yield from _of_line(line, invoice.id)
    for item in book.invoice_items.values():
        if item.invoice is None and item.subscription == subscription.id:
            yield from _of_item(item)


def _of_line(line: LineItem, invoice: str) -> Iterator[Entry]:
    details = line.parent.subscription_item_details if line.parent is not None else None
    if details is not None and details.subscription_item and line.period is not None:
        key = details.invoice_item or line.id
        told = (line.amount, line.quantity, line.says("pricing"), line.period, _key(line))
        yield Entry(key, invoice, line.id, details.subscription_item, *told)


def _of_item(item: InvoiceItem) -> Iterator[Entry]:
    owner = item.parent.subscription_details if item.parent is not None else None
    if owner is not None and owner.subscription_item:
        yield Entry(item.id, None, None, owner.subscription_item, item.amount, item.quantity, item.says("pricing"), item.period, _key(item))


def _key(thing: LineItem | InvoiceItem) -> str | None:
    named = thing.says(CREDITED)
    return None if named is None else str(named["key"])
