"""Makes an account that owes nothing: its rows in every store, and its customer at Stripe. Such accounts sleep until somebody asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import msgspec

from billsim.core.policy import HEALTHY
from billsim.core.time import SECOND_MS
from billsim.scenario.backstory import (
    Deal,
    PastInvoice,
    billed,
    customer_of,
    ledger_of,
    ope_of,
    payment_method_of,
    profile_of,
    subscription_of,
)
from billsim.scenario.given import Backstage
from billsim.scenario.plan import Scenario
from billsim.stores.base import Shard, Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeSubscription
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow
from billsim.stripe.objects import Book, Card

# What is the same in the rows of everybody who sleeps, so that a list of who owes wakes nobody.
ALIKE = {"subs_dunning": {"status": HEALTHY, "retry_count": 0, "escalation_level": 0}}


class Running(msgspec.Struct, frozen=True, gc=False):
    """A subscription in a period that is paid for, or that was free. `begins`, `ends` (of the period) and the other instants are unix seconds."""

    deal: Deal
    started: int
    anchor: int
    begins: int
    ends: int
    paid: int
    amount: int
    reason: str = "subscription_cycle"
    interval: str = "month"


def move_in(
    shard: Shard, running: Sequence[Running], card: Card, vault: str, metadata: dict[str, str], stores: Stores, stripe: Backstage
) -> None:
    """Fill the shard of an account with these subscriptions, the first of them first, and place its customer at Stripe. `vault`: of its PayPal."""
    account, first = shard.account, running[0].deal
    began = running[0].started if len(running) == 1 else min([each.started for each in running])
    profile = profile_of(account)
    book = shard.stripe = Book(first.customer)
    book.customer = customer_of(first, profile, began, metadata=metadata)
    book.payment_methods[first.payment_method] = payment_method_of(first, began, card)
    ope: dict[str, OpeSubscription] = {}
    access: dict[str, EntitlementRow] = {}
    for each in running:
        deal = each.deal
        _bill(book, each)
        row = ope_of(deal, "active", interval=each.interval)
        ope[row.key] = row
        access[deal.product] = EntitlementRow(account, deal.product, deal.plan, version=1)
    stripe.take(book)
    stores.by_customer[first.customer] = (*stores.by_customer.get(first.customer, ()), account)
    zone, ledger = f"{account}.example", ledger_of(account, book.invoices.values(), book.charges.values())
    shard.rows = {
        "subs_account": profile,
        "subs_customer": CustomerRow(account, first.customer, first.plan, vault=vault, version=1),
        "subs_dunning": DunningRow(account, since_ms=began * SECOND_MS, version=1),
    }
    shard.many = {"ope": ope, "billing_prod": ledger, "cf_prod": access, "www": {zone: ZoneRow(account, zone, first.plan, version=1)}}


def _bill(book: Book, running: Running) -> None:
    """The subscription at Stripe, with the invoice of its running period."""
    deal, begins, paid = running.deal, running.begins, running.paid
    bill = billed(deal, PastInvoice(0, "paid", running.amount, begins, paid, (), paid, None, running.reason))
    period = (begins, running.ends)
    book.subscriptions[deal.subscription] = subscription_of(deal, "active", running.started, running.anchor, period, bill.invoice.id)
    book.invoices[bill.invoice.id] = bill.invoice
    if bill.intent is not None:
        book.payment_intents[bill.intent.id] = bill.intent
    for charge in bill.charges:
        book.charges[charge.id] = charge


class Sleepers:
    """The accounts of a population, `<prefix>_<number>`, that sleep. `make` builds one, by its number, into its shard when it is first asked for.

    Told accounts are not among them, whatever their names.
    """

    def __init__(self, scenario: Scenario, prefix: str, stores: Stores, stripe: Backstage, make: Callable[[Shard, int], None]) -> None:
        self._stores = stores
        self._stripe = stripe
        self._make = make
        self._number_at = len(prefix) + 1
        self._end_s = scenario.end // SECOND_MS
        self._id = _ids(prefix)

    def renews(self, stem: str, at_s: int) -> None:
        """The subscription `sub_<stem>` of one of them renews next at this instant."""
        if at_s <= self._end_s:
            self._stripe.expect(f"sub_{stem}", at_s * SECOND_MS)

    def lie_down(self, accounts: Iterable[str]) -> None:
        """These accounts are asleep from now on, but for those on whose customer a told account stands as well."""
        self._stores.sleep(accounts, self._wake, self._look_for, ALIKE)
        self._stripe.asleep(self._look_for)
        for customer in tuple(self._stores.by_customer):
            self._look_for(customer)

    def _wake(self, shard: Shard) -> None:
        self._make(shard, int(shard.account[self._number_at :]))

    def _look_for(self, id: str) -> None:
        """Wake the account that an id at Stripe is of; '' stands for everybody."""
        named = self._id.match(id)
        if named is not None and self._stores.sleeps(named[1]):
            self._stores.shard(named[1])
        elif not id:
            self._stores.wake_all()


@lru_cache(maxsize=64)
def _ids(prefix: str) -> re.Pattern[str]:
    """What begins an id at Stripe of an account of this prefix, whose name it has as its group."""
    return re.compile(rf"[a-z]+_({re.escape(prefix)}_\d{{5,}})")
