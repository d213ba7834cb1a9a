"""What of a world a mirror is made of: the stores' rows and Stripe's objects, as rows of the raw tables.

Nobody tells of a change: rows, and the dicts that hold them, are never changed in place, so that whoever holds other ones than the last time has
changed. A world that is not mirrored pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from billsim.stores.base import Shard, Stores
from billsim.stores.ope import OpeItem
from billsim.stripe.objects import Book, Invoice, PaymentMethod, Price, Subscription
from billsim.warehouse import tables
from billsim.warehouse.tables import CURRENT, SCHEDULED, TABLES, Table

# One row: as many values as its table has columns. Instants are microseconds since the epoch.
Values = tuple[Any, ...]
_MICROSECONDS = 1_000_000
_encode = msgspec.json.Encoder().encode


class Delta(NamedTuple):
    """What has changed of a table: whose rows are not what they were (None: everybody's), and all rows that those have now."""

    table: Table
    owners: Sequence[str] | None
    rows: Sequence[Values]


class Extract:
    """Reads a world, table by table. The first look at a table takes everything, a later one what has changed since the one before."""

    def __init__(self, stores: Stores, books: Mapping[str, Book], prices: Mapping[str, Price]) -> None:
        self._stores = stores
        self._books = books
        self._prices = prices
        self._seen_accounts: dict[str, Any] = {}
        self._seen_customers: dict[str, Any] = {}
        self._seen_prices: list[Values] = []
        # By table: who has changed since it was last taken.
        self._changed: dict[str, dict[str, None]] = {table.name: {} for table in TABLES}

    def take(self, wanted: Sequence[Table] = TABLES) -> list[Delta]:
        """What has changed of these tables, as it stands now. Who sleeps is woken, which nobody notices."""
        owners = [table.owner for table in wanted]
        if "account" in owners:
            self._note("account", _moved(self._seen_accounts, self._stores.shards, _rows_of))
        if "customer" in owners:
            self._note("customer", _moved(self._seen_customers, self._books, _objects_of))
        return [self._take(table) for table in wanted]

    def _note(self, owner: str, changed: list[str]) -> None:
        for table in TABLES:
            if table.owner == owner:
                self._changed[table.name].update(dict.fromkeys(changed))

    def _take(self, table: Table) -> Delta:
        if not table.owner:
            rows = [_price(price) for price in self._prices.values()]
            same, self._seen_prices = rows == self._seen_prices, rows
            return Delta(table, (), ()) if same else Delta(table, None, rows)
        names, self._changed[table.name] = list(self._changed[table.name]), {}
        found: list[Values] = []
        if table.owner == "account":
            of_shard, shards = _OF_SHARD[table.name], self._stores.shards
            for name in names:
                if (shard := shards.get(name)) is not None:
                    found += of_shard(shard)
        else:
            of_book, books = _OF_BOOK[table.name], self._books
            for name in names:
                if (book := books.get(name)) is not None:
                    found += of_book(book)
        return Delta(table, names, found)


def _moved(seen: dict[str, Any], held: Mapping[str, Any], parts_of: Callable[[Any], Values]) -> list[str]:
    """Who holds other parts than the last time, or is new, or has gone; `seen` is brought up to date."""
    moved = []
    for name, holder in held.items():
        parts, before = parts_of(holder), seen.get(name)
        if before is None or not all(map(_is, parts, before)):
            seen[name] = parts
            moved.append(name)
    if len(seen) > len(held):
        gone = [name for name in seen if name not in held]
        for name in gone:
            del seen[name]
        moved += gone
    return moved


def _is(one: Any, other: Any) -> bool:
    return one is other


def _rows_of(shard: Shard) -> Values:
    return (shard.rows, shard.many)


def _objects_of(book: Book) -> Values:
    return (book.customer, book.subscriptions, book.invoices, book.charges, book.payment_intents, book.payment_methods)


# --- Stripe ----------------------------------------------------------------------------------------------------------------------------------


def _micros(second: int | None) -> int | None:
    return None if second is None else second * _MICROSECONDS


def _json(value: Any) -> str:
    return _encode(value).decode() if value else "{}"


def _type_of(methods: Mapping[str, PaymentMethod], id: str | None) -> str | None:
    method = methods.get(id) if id else None
    return None if method is None else method.type


def _customers(book: Book) -> Iterator[Values]:
    customer = book.customer
    if customer is not None:
        method = customer.invoice_settings.default_payment_method
        yield (
            customer.id, customer.created * _MICROSECONDS, customer.name, customer.email, customer.currency, customer.balance, customer.delinquent,
            method, _type_of(book.payment_methods, method), _json(customer.metadata),
        )  # fmt: skip


def _subscriptions(book: Book) -> Iterator[Values]:
    for each in book.subscriptions.values():
        first = each.items.data[0] if each.items.data else None
        yield (
            each.id, each.created * _MICROSECONDS, each.customer, each.status, each.currency, each.collection_method,
            each.default_payment_method, _type_of(book.payment_methods, each.default_payment_method), each.latest_invoice,
            _micros(each.billing_cycle_anchor), _micros(each.start_date),
            _micros(first.current_period_start) if first is not None else None, _micros(first.current_period_end) if first is not None else None,
            each.cancel_at_period_end, _micros(each.canceled_at), _micros(each.ended_at), _micros(each.trial_end), _pending(each),
            _json(each.metadata),
        )  # fmt: skip


def _pending(subscription: Subscription) -> str | None:
    return None if subscription.pending_update is None else _json(subscription.pending_update)


def _subscription_items(book: Book) -> Iterator[Values]:
    for subscription in book.subscriptions.values():
        for item in subscription.items.data:
            price = item.price
            yield (
                item.id, item.created * _MICROSECONDS, subscription.id, subscription.customer, price.id, price.product, price.unit_amount,
                price.recurring.interval if price.recurring is not None else None, item.quantity, _json(item.metadata),
            )  # fmt: skip


def _price(price: Price) -> Values:
    recurring = price.recurring
    return (
        price.id, price.created * _MICROSECONDS, price.active, price.currency, price.product, price.unit_amount,
        None if recurring is None else recurring.interval, None if recurring is None else recurring.interval_count, _json(price.metadata),
    )  # fmt: skip


def _invoices(book: Book) -> Iterator[Values]:
    for each in book.invoices.values():
        moments, intent = each.status_transitions, each.payments[-1].payment_intent if each.payments else None
        paid_by = book.payment_intents.get(intent) if intent is not None else None
        yield (
            each.id, each.created * _MICROSECONDS, each.customer, each.subscription, each.status, each.billing_reason, each.collection_method,
            each.currency, each.total, each.amount_due, each.amount_paid, each.amount_remaining, each.attempt_count, each.attempted,
            _micros(each.due_date), _micros(each.next_payment_attempt), each.period_start * _MICROSECONDS, each.period_end * _MICROSECONDS,
            _micros(moments.finalized_at), _micros(moments.marked_uncollectible_at), _micros(moments.paid_at), _micros(moments.voided_at),
            intent, None if paid_by is None else paid_by.status, _json(each.metadata),
        )  # fmt: skip


def _charges(book: Book) -> Iterator[Values]:
    invoice_of = _paid_by(book.invoices.values()) if book.charges else {}
    for each in book.charges.values():
        yield (
            each.id, each.created * _MICROSECONDS, each.customer, invoice_of.get(each.payment_intent), each.payment_intent, each.payment_method,
            _type_of(book.payment_methods, each.payment_method), each.amount, each.amount_refunded, each.currency, each.status, each.paid,
            each.refunded, each.disputed, each.failure_code, _json(each.metadata),
        )  # fmt: skip


def _paid_by(invoices: Any) -> dict[str | None, str]:
    """By payment intent: the invoice that it pays."""
    found: dict[str | None, str] = {}
    invoice: Invoice
    for invoice in invoices:
        for payment in invoice.payments:
            found[payment.payment_intent] = invoice.id
    return found


# --- the stores ------------------------------------------------------------------------------------------------------------------------------


def _ope_subscriptions(shard: Shard) -> Iterator[Values]:
    for row in shard.all("ope").values():
        change = row.scheduled
        head = (shard.account, row.key, row.status, row.interval, row.stripe_subscription or None)
        if change is None:
            yield (*head, None, None, None, None, None)
        else:
            due = None if change.due_ms is None else change.due_ms * 1000
            yield (*head, change.request, due, change.interval, change.grows, change.asked)


def _ope_items(shard: Shard) -> Iterator[Values]:
    for row in shard.all("ope").values():
        for item in row.items:
            yield _ope_item(shard.account, row.key, CURRENT, item)
        if row.scheduled is not None:
            for item in row.scheduled.items:
                yield _ope_item(shard.account, row.key, SCHEDULED, item)


def _ope_item(account: str, subscription: str, stage: str, item: OpeItem) -> Values:
    return (account, subscription, stage, item.product, item.plan, item.price, item.quantity)


def _zones(shard: Shard) -> Iterator[Values]:
    for row in shard.all("www").values():
        yield (shard.account, row.key, row.plan)


def _profile(shard: Shard) -> Iterator[Values]:
    row = shard.one("subs_account")
    if row is not None:
        yield (shard.account, row.name or None, row.email or None, row.country or None, row.account_type, row.flags)


def _dunning(shard: Shard) -> Iterator[Values]:
    row = shard.one("subs_dunning")
    if row is not None:
        boundary = None if row.next_boundary_ms is None else row.next_boundary_ms * 1000
        steps = [_encode(keys).decode() if keys else "[]" for keys in (row.intent, row.done)]
        yield (shard.account, row.status, row.retry_count, row.escalation_level, row.since_ms * 1000, *steps, boundary)


def _mapping(shard: Shard) -> Iterator[Values]:
    row = shard.one("subs_customer")
    if row is not None:
        yield (
            shard.account, row.stripe_customer or None, row.checkout_plan or None, row.braintree_paid, row.payment_method or None, row.vault or None,
        )  # fmt: skip


def _access(shard: Shard) -> Iterator[Values]:
    for row in shard.all("cf_prod").values():
        yield (shard.account, row.key, row.plan)


def _ledger(shard: Shard) -> Iterator[Values]:
    for row in shard.all("billing_prod").values():
        yield (
            shard.account, row.key, row.sequence, row.kind, row.object_id, row.status, row.currency, row.amount_due, row.amount_paid,
            row.amount_remaining,
        )  # fmt: skip


_OF_BOOK: dict[str, Callable[[Book], Iterator[Values]]] = {
    tables.STRIPE_CUSTOMERS.name: _customers,
    tables.STRIPE_SUBSCRIPTIONS.name: _subscriptions,
    tables.STRIPE_SUBSCRIPTION_ITEMS.name: _subscription_items,
    tables.STRIPE_INVOICES.name: _invoices,
    tables.STRIPE_CHARGES.name: _charges,
}
_OF_SHARD: dict[str, Callable[[Shard], Iterator[Values]]] = {
    tables.OPE_SUBSCRIPTIONS.name: _ope_subscriptions,
    tables.OPE_ITEMS.name: _ope_items,
    tables.WWW_ZONES.name: _zones,
    tables.SUBS_ACCOUNT.name: _profile,
    tables.SUBS_DUNNING.name: _dunning,
    tables.SUBS_CUSTOMER.name: _mapping,
    tables.CF_PROD.name: _access,
    tables.BILLING_PROD.name: _ledger,
}
