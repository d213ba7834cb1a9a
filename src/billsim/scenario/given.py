"""Places the accounts that a story begins with.

Every store agrees with truth, whatever an account's past was, unless the story plants something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from billsim.core.policy import BAD_DEBT, DELINQUENT, RETRYING, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.scenario.backstory import (
    FIRST_PRODUCT,
    Billed,
    Deal,
    billed,
    customer_of,
    ledger_of,
    ope_of,
    payment_method_of,
    price_of,
    profile_of,
    subscription_of,
)
from billsim.scenario.history import History, history_of
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.stores import stripe_metadata
from billsim.stores.base import Shard, Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.objects import Book, Price, StripeObject

_BEHAVIOURS = {"good": CardBehaviour("good"), "declines": CardBehaviour("insufficient_funds"), "lost": CardBehaviour("lost")}
_ROUNDS = 6


class Called(Protocol):
    """A consequence that is called for and not done: the attributes of `ports.Consequence`."""

    @property
    def kind(self) -> str: ...
    @property
    def debt(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def subscription(self) -> str: ...


class Expected(Protocol):
    """What truth expects of an account's derived fields: the attributes of `ports.Decision` that a backstory needs."""

    @property
    def applies(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def retry_count(self) -> int: ...
    @property
    def escalation_level(self) -> int: ...
    @property
    def bad_debt(self) -> bool: ...
    @property
    def no_successful_payment(self) -> bool: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def invoice_metadata(self) -> Mapping[str, Mapping[str, str]]: ...
    @property
    def entitlements(self) -> Mapping[str, str]: ...
    @property
    def consequences(self) -> Sequence[Called]: ...
    @property
    def next_boundary_ms(self) -> int | None: ...


class Backstage(Protocol):
    """The part of the simulated Stripe that takes objects of the past: no record, no event, no timer."""

    books: dict[str, Book]

    def seed(self, *objects: StripeObject) -> None:
        """Put objects where they belong."""

    def behave(self, payment_method: str, behaviour: CardBehaviour) -> None:
        """From now on the payment method answers like this."""

    def take(self, book: Book) -> None:
        """Place a whole customer, of whom nothing was placed so far."""

    def expect(self, subscription: str, instant_ms: int) -> None:
        """The subscription of a customer who sleeps renews at this instant."""

    def asleep(self, wake: Callable[[str], None]) -> None:
        """There are customers who sleep: `wake` is told of an id that is not known, before it is called missing; '' means all of them."""


Truth = Callable[[Shard, int], Expected]


def place(scenario: Scenario, stores: Stores, stripe: Backstage, policy: DunningPolicy, expected: Truth) -> None:
    """Write the past of each given account into the stores and to Stripe.

    Derived fields are what `expected(shard, start_ms)` says; a row's `next_boundary_ms` names a delayed message that the world has to set on its way.
    """
    prices: dict[str, Price] = {}
    for account in scenario.given:
        price = prices.get(account.plan)
        if price is None:
            price = prices[account.plan] = price_of(account.plan, account.price, account.currency, FIRST_PRODUCT, 0)
            stripe.seed(price)
        _Placing(scenario, account, price, stores.shard(account.account), policy).place(stores, stripe, expected)


class _Placing:
    """One account on its way into the world."""

    def __init__(self, scenario: Scenario, account: GivenAccount, price: Price, shard: Shard, policy: DunningPolicy) -> None:
        self.account = account
        self.shard = shard
        self.policy = policy
        self.start_ms = scenario.start
        self.deal = Deal(account.account, account.account, FIRST_PRODUCT, account.plan, price, account.instrument)
        self.history: History = history_of(account, scenario.stripe, scenario.start // SECOND_MS)

    def place(self, stores: Stores, stripe: Backstage, expected: Truth) -> None:
        """Authorities first, then what follows from them, then what the story plants."""
        self._authorities()
        self._settle(expected)
        self._plant()
        if self.account.stripe_customer:
            self._seed(stripe)
        if customer := self.shard.rows["subs_customer"].stripe_customer:
            stores.by_customer[customer] = (*stores.by_customer.get(customer, ()), self.shard.account)

    def _authorities(self) -> None:
        """Stripe's objects, the subscription of record, profile and mapping."""
        account, shard, known = self.account, self.shard, self.account.stripe_customer
        status = "canceled" if self.history.ended is not None else "active"
        ope = ope_of(self.deal, status, in_stripe=known)
        shard.rows["subs_account"] = profile_of(account.account, account.country, account.account_type)
        shard.rows["subs_customer"] = CustomerRow(account.account, self.deal.customer if known else "", account.plan, version=1)
        shard.rows["subs_dunning"] = DunningRow(account.account, version=1)
        shard.many["ope"] = {ope.key: ope}
        shard.many["billing_prod"] = {}
        if known:
            shard.stripe = self._book()
            shard.many["billing_prod"] = ledger_of(account.account, shard.stripe.invoices.values(), shard.stripe.charges.values())

    def _book(self) -> Book:
        history, deal = self.history, self.deal
        book = Book(deal.customer)
        bills = [billed(deal, invoice) for invoice in history.invoices]
        latest = bills[-1].invoice
        delinquent = latest.status in ("open", "uncollectible") and latest.attempt_count > 0
        book.customer = customer_of(deal, self.shard.rows["subs_account"], history.invoices[0].created, delinquent=delinquent)
        book.payment_methods[deal.payment_method] = payment_method_of(deal, history.invoices[0].created)
        subscription = subscription_of(deal, history.status, history.started, history.started, history.period, latest.id, history.ended)
        book.subscriptions[deal.subscription] = subscription
        for bill in bills:
            _enter(book, bill)
        return book

    def _settle(self, expected: Truth) -> None:
        """Write what truth expects and do what it calls for, until it calls for nothing more."""
        for _ in range(_ROUNDS):
            truth = expected(self.shard, self.start_ms)
            self._derive(truth)
            if not truth.applies or not truth.consequences:
                return
            for consequence in truth.consequences:
                self._do(consequence, truth)
            if all([consequence.kind == "notify" for consequence in truth.consequences]):
                # That a notice was sent is all that it changes.
                return
        raise RuntimeError(f"truth calls for ever more consequences of {self.account.account}'s past")

    def _derive(self, truth: Expected) -> None:
        shard, policy = self.shard, self.policy
        profile: AccountRow = shard.rows["subs_account"]
        flags = profile.flags & ~(policy.bad_debt_flag | policy.no_success_flag)
        if truth.applies:
            flags |= policy.bad_debt_flag * truth.bad_debt | policy.no_success_flag * truth.no_successful_payment
            shard.rows["subs_dunning"] = replace(
                shard.rows["subs_dunning"],
                status=truth.status,
                retry_count=truth.retry_count,
                escalation_level=truth.escalation_level,
                since_ms=self._since(truth),
                next_boundary_ms=truth.next_boundary_ms,
            )
        shard.rows["subs_account"] = replace(profile, flags=flags)
        self._access(truth.entitlements if truth.applies else {self.deal.product: self.deal.plan})
        if shard.stripe is not None:
            self._metadata(truth)

    def _access(self, plans: Mapping[str, str]) -> None:
        """Entitlements, and the zone's plan level after that of the first product."""
        name = self.account.account
        self.shard.many["cf_prod"] = {product: EntitlementRow(name, product, plan, version=1) for product, plan in plans.items()}
        zone = f"{name}.example"
        self.shard.many["www"] = {zone: ZoneRow(name, zone, plans.get(FIRST_PRODUCT, "free"), version=1)}

    def _metadata(self, truth: Expected) -> None:
        book: Book = self.shard.stripe
        governed = truth.metadata if truth.applies else {self.policy.account_type_key: self.account.account_type}
        if book.customer is not None:
            book.customer = replace(book.customer, metadata=dict(governed))
        for id, metadata in truth.invoice_metadata.items() if truth.applies else ():
            book.invoices[id] = replace(book.invoices[id], metadata=dict(metadata))

    def _since(self, truth: Expected) -> int:
        """When the status was entered, in milliseconds."""
        owed = [invoice for invoice in self.history.invoices if invoice.failed and invoice.status in ("open", "uncollectible")]
        if truth.status == BAD_DEBT:
            return int(truth.metadata[self.policy.bad_debt_since_key]) * SECOND_MS
        if truth.status == DELINQUENT:
            return min((invoice.failed_charges[-1] for invoice in owed if invoice.next_attempt is None), default=self.history.started) * SECOND_MS
        if truth.status == RETRYING:
            return min((invoice.failed[0] for invoice in owed), default=self.history.started) * SECOND_MS
        return self.history.started * SECOND_MS

    def _do(self, called: Called, truth: Expected) -> None:
        """A consequence of the past: it was executed, recorded, and had its effect on the authorities."""
        self.shard.actions |= {f"{called.kind}|{called.debt}|{called.step}": 1, f"key {called.key}": 1}
        dunning: DunningRow = self.shard.rows["subs_dunning"]
        self.shard.rows["subs_dunning"] = replace(dunning, done=(*dunning.done, called.key))
        if called.kind == "cancel":
            self._cancel(called.subscription, self._since(truth) // SECOND_MS)

    def _cancel(self, ope_key: str, at: int) -> None:
        """The subscription ended when the debt turned bad; Stripe stopped collecting."""
        ope = self.shard.many["ope"]
        ope[ope_key] = replace(ope[ope_key], status="canceled")
        book: Book = self.shard.stripe
        subscription = book.subscriptions[ope[ope_key].stripe_subscription]
        if subscription.status != "canceled":
            book.subscriptions[subscription.id] = replace(subscription, status="canceled", canceled_at=at, ended_at=at)
        for id, invoice in book.invoices.items():
            if invoice.status == "open" and invoice.subscription == subscription.id:
                book.invoices[id] = replace(invoice, auto_advance=False, next_payment_attempt=None)

    def _plant(self) -> None:
        """What the story says otherwise, whatever truth says."""
        for store, fields in self.account.rows.items():
            if store == stripe_metadata.NAME:
                self._plant_metadata(fields)
            elif store in self.shard.rows:
                told = {field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()}
                self.shard.rows[store] = replace(self.shard.rows[store], **told)
            else:
                self._plant_keys(store, fields)

    def _plant_keys(self, store: str, plans: Mapping[str, Any]) -> None:
        rows = self.shard.many.setdefault(store, {})
        name = self.account.account
        for key, value in plans.items():
            if store == "ope":
                _plant_bought(rows, key, value)
            else:
                row = EntitlementRow if store == "cf_prod" else ZoneRow
                rows[key] = row(name, key, value, version=1)

    def _plant_metadata(self, fields: Mapping[str, str]) -> None:
        book: Book = self.shard.stripe
        for path, value in fields.items():
            invoice, _, key = path.rpartition("/")
            if invoice:
                book.invoices[f"in_{invoice}"] = _with_key(book.invoices[f"in_{invoice}"], key, value)
            elif book.customer is not None:
                book.customer = _with_key(book.customer, key, value)

    def _seed(self, stripe: Backstage) -> None:
        book: Book = self.shard.stripe
        if book.id in stripe.books:
            parts = (book.payment_methods, book.subscriptions, book.payment_intents, book.invoices, book.charges)
            customer = [book.customer] if book.customer is not None else []
            stripe.seed(*customer, *(thing for part in parts for thing in part.values()))
            self.shard.stripe = stripe.books[book.id]
        else:
            stripe.take(book)
        failed = any(invoice.failed and invoice.status != "paid" for invoice in self.history.invoices)
        stripe.behave(self.deal.payment_method, _BEHAVIOURS[self.account.card or ("declines" if failed else "good")])


def _plant_bought(rows: dict[str, OpeSubscription], path: str, value: Any) -> None:
    """The status of a subscription of record; or, after a `/`, what it says of the interval or of the one item that it has."""
    key, _, what = path.partition("/")
    row = rows[key]
    if what in ("", "interval"):
        rows[key] = replace(row, **{what or "status": value})
    else:
        rows[key] = replace(row, items=(replace(row.items[0], **{what: value}),))


def _enter(book: Book, bill: Billed) -> None:
    book.invoices[bill.invoice.id] = bill.invoice
    if bill.intent is not None:
        book.payment_intents[bill.intent.id] = bill.intent
    book.charges.update({charge.id: charge for charge in bill.charges})


def _with_key(thing: Any, key: str, value: str) -> Any:
    metadata = {name: held for name, held in thing.metadata.items() if name != key}
    return replace(thing, metadata={**metadata, key: value} if value else metadata)
