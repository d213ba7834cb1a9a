"""Puts given store rows into a world: first what the stores of record and Stripe held, then every store as it was told, drift and all.

What no row tells is reconstructed from truth, so that only what was given can be drift of the first moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from billsim.core.policy import BAD_DEBT, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.scenario.backstory import FIRST_PRODUCT, ledger_of
from billsim.scenario.given import Backstage, Expected, Truth
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.scenario.rows import Fields, Rows
from billsim.scenario.rows_stripe import ledger_rows, objects_of_ledger, ope_rows, subscription_objects
from billsim.stores.base import Shard, Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow
from billsim.stripe.objects import Book, StripeObject

_ROUNDS = 6


def place_rows(
    scenario: Scenario, rows: Rows, opening: Iterable[StripeObject], stores: Stores, stripe: Backstage, policy: DunningPolicy, expected: Truth
) -> None:
    """Lay the rows, and `opening` (what events show of Stripe at the moment), over the accounts that `given.place` has placed."""
    objects = tuple(opening)
    stripe.seed(*objects)
    ids = frozenset(found.id for found in objects)
    placing = [_Placing(scenario.start, rows, given, stores.shard(given.account), stripe, policy, ids) for given in scenario.given]
    for one in placing:
        one.map()
    _index(stores)
    for one in placing:
        one.authorities()
    for one in placing:
        one.derived(expected)


def _index(stores: Stores) -> None:
    """Which accounts stand on which customer, anew: rows may map otherwise than the accounts' names do."""
    stores.by_customer.clear()
    for account, shard in stores.shards.items():
        mapping = shard.one("subs_customer")
        if mapping is not None and mapping.stripe_customer:
            stores.by_customer[mapping.stripe_customer] = (*stores.by_customer.get(mapping.stripe_customer, ()), account)


class _Placing:
    """One account whose rows are put in their places."""

    def __init__(
        self, moment_ms: int, rows: Rows, given: GivenAccount, shard: Shard, stripe: Backstage, policy: DunningPolicy, shown: frozenset[str]
    ) -> None:
        self.moment_ms = moment_ms
        self.rows = rows
        self.account = given.account
        self.currency = given.currency
        self.shard = shard
        self.stripe = stripe
        self.policy = policy
        self.shown = shown

    def _told(self, store: str) -> list[Fields]:
        return self.rows.of(self.account, store)

    def _tells(self, store: str) -> bool:
        return self.rows.tells(self.account, store)

    # -- what truth is made of --

    def map(self) -> None:
        """Profile and mapping; an account that a given store does not have is missing there."""
        for store in ("subs_account", "subs_customer"):
            if self._tells(store) and not self._told(store):
                self.shard.rows.pop(store, None)
        for told in self._told("subs_account"):
            held: AccountRow = self.shard.rows["subs_account"]
            self.shard.rows["subs_account"] = replace(held, **told)
        for told in self._told("subs_customer"):
            self.shard.rows["subs_customer"] = CustomerRow(self.account, **told, version=1)

    def authorities(self) -> None:
        """Stripe's side of the account, and what was bought."""
        mapping = self.shard.rows.get("subs_customer")
        book = self.stripe.books.get(mapping.stripe_customer) if mapping is not None else None
        self.shard.stripe = book
        if self._tells("ope"):
            self.shard.many["ope"] = dict(ope_rows(self.account, self._told("ope")))
        if self._tells("billing_prod"):
            self.shard.many["billing_prod"] = dict(ledger_rows(self.account, self._told("billing_prod")))
        if book is None or book.id != f"cus_{self.account}":
            return
        self._name(book)
        if self._tells("billing_prod"):
            _forget_backstory(book, self.account)
            moment_s = self.moment_ms // SECOND_MS
            self.stripe.seed(*objects_of_ledger(book, self.shard.many["billing_prod"], moment_s, self.policy))
        if self._tells("ope"):
            self._seed_subscriptions(book)

    def _name(self, book: Book) -> None:
        """A customer whom no event shows is called what the account is called."""
        profile: AccountRow | None = self.shard.one("subs_account")
        if book.customer is not None and profile is not None and book.id not in self.shown:
            book.customer = replace(book.customer, name=profile.name, email=profile.email)

    def _seed_subscriptions(self, book: Book) -> None:
        newest = max(book.invoices.values(), key=lambda invoice: invoice.created, default=None)
        latest = newest.id if newest is not None else None
        for bought in self.shard.many["ope"].values():
            if bought.stripe_subscription and bought.stripe_subscription not in self.shown:
                self.stripe.seed(*subscription_objects(self.account, bought, self.moment_ms // SECOND_MS, self.currency, latest))

    # -- what follows from it --

    def derived(self, expected: Truth) -> None:
        """Every other store: as it was told, or as truth has it."""
        for _ in range(_ROUNDS):
            truth = expected(self.shard, self.moment_ms)
            if truth.applies:
                self._put(truth)
            if not truth.applies or not self._take_as_done(truth):
                break
        self._put_told()

    def _put(self, truth: Expected) -> None:
        self._dunning(truth)
        self._flags(truth)
        self._access(truth)
        if self.shard.stripe is not None:
            self._metadata(truth)
            if not self._tells("billing_prod"):
                book: Book = self.shard.stripe
                self.shard.many["billing_prod"] = dict(ledger_of(self.account, book.invoices.values(), book.charges.values()))

    def _dunning(self, truth: Expected) -> None:
        """The row, with the wake-up that is on its way at the next boundary, whoever told the rest."""
        held: DunningRow = self.shard.rows.get("subs_dunning") or DunningRow(self.account, version=1)
        if not self._tells("subs_dunning"):
            since = int(truth.metadata[self.policy.bad_debt_since_key]) * SECOND_MS if truth.status == BAD_DEBT else self.moment_ms
            held = replace(
                held, status=truth.status, retry_count=truth.retry_count, escalation_level=truth.escalation_level, since_ms=since
            )
        elif self._told("subs_dunning"):
            held = replace(held, **{"since_ms": self.moment_ms, "retry_count": 0, "escalation_level": 0, **self._told("subs_dunning")[0]})
        else:
            self.shard.rows.pop("subs_dunning", None)
            return
        self.shard.rows["subs_dunning"] = replace(held, next_boundary_ms=truth.next_boundary_ms)

    def _flags(self, truth: Expected) -> None:
        held: AccountRow | None = self.shard.rows.get("subs_account")
        if held is None or any("flags" in told for told in self._told("subs_account")):
            return
        policy = self.policy
        flags = held.flags & ~(policy.bad_debt_flag | policy.no_success_flag)
        flags |= policy.bad_debt_flag * truth.bad_debt | policy.no_success_flag * truth.no_successful_payment
        self.shard.rows["subs_account"] = replace(held, flags=flags)

    def _access(self, truth: Expected) -> None:
        plans = truth.entitlements
        if not self._tells("cf_prod"):
            self.shard.many["cf_prod"] = {product: EntitlementRow(self.account, product, plan, version=1) for product, plan in plans.items()}
        if not self._tells("www"):
            zone = f"{self.account}.example"
            plan = plans.get(FIRST_PRODUCT) or next(iter(plans.values()), "free")
            self.shard.many["www"] = {zone: ZoneRow(self.account, zone, plan, version=1)}

    def _metadata(self, truth: Expected) -> None:
        """The governed keys; all others stay as Stripe has them."""
        book: Book = self.shard.stripe
        if self._tells("stripe_metadata"):
            return
        policy = self.policy
        keys = (policy.bad_debt_key, policy.bad_debt_since_key, policy.no_success_key, policy.account_type_key, policy.bad_debt_amount_key)
        if book.customer is not None:
            book.customer = replace(book.customer, metadata={**_without(book.customer.metadata, keys), **truth.metadata})
        for id, invoice in book.invoices.items():
            wanted = {**_without(invoice.metadata, keys), **truth.invoice_metadata.get(id, {})}
            if wanted != invoice.metadata:
                book.invoices[id] = replace(invoice, metadata=wanted)

    def _put_told(self) -> None:
        """The stores whose rows stand for themselves."""
        name = self.account
        if self._tells("subs_dunning") and self._told("subs_dunning") and self.shard.one("subs_dunning") is not None:
            self.shard.rows["subs_dunning"] = replace(self.shard.rows["subs_dunning"], **self._told("subs_dunning")[0])
        if self._tells("cf_prod"):
            held = ((told["product"], told["plan"]) for told in self._told("cf_prod"))
            self.shard.many["cf_prod"] = {product: EntitlementRow(name, product, plan, version=1) for product, plan in held}
        if self._tells("www"):
            self.shard.many["www"] = {told["zone"]: ZoneRow(name, told["zone"], told["plan"], version=1) for told in self._told("www")}
        if self._tells("stripe_metadata") and self.shard.stripe is not None:
            self._put_metadata(self.shard.stripe)

    def _put_metadata(self, book: Book) -> None:
        told: dict[str, dict[str, str]] = {row["object_id"]: row["metadata"] for row in self._told("stripe_metadata")}
        if book.customer is not None:
            book.customer = replace(book.customer, metadata=told.get(book.id, {}))
        for id, invoice in book.invoices.items():
            book.invoices[id] = replace(invoice, metadata=told.get(id, {}))

    # -- consequences of the past --

    def _take_as_done(self, truth: Expected) -> bool:
        """Where the platform saw what truth sees, it had done what that calls for. Whether something was done that may call for more."""
        dunning: DunningRow | None = self.shard.one("subs_dunning")
        if dunning is None or dunning.status != truth.status:
            return False
        done = False
        for called in truth.consequences:
            if called.kind == "cancel" and self._tells("ope"):
                continue
            done = True
            self.shard.actions |= {f"{called.kind}|{called.debt}|{called.step}": 1, f"key {called.key}": 1}
            held: DunningRow = self.shard.rows["subs_dunning"]
            self.shard.rows["subs_dunning"] = replace(held, done=(*held.done, called.key))
            if called.kind == "cancel":
                self._cancel(called.subscription)
        return done

    def _cancel(self, key: str) -> None:
        """A bad debt's subscription had ended by the moment."""
        ope = self.shard.many["ope"]
        ope[key] = replace(ope[key], status="canceled")
        book: Book = self.shard.stripe
        held = book.subscriptions.get(ope[key].stripe_subscription)
        if held is not None and held.status != "canceled" and held.id not in self.shown:
            at = self.moment_ms // SECOND_MS
            book.subscriptions[held.id] = replace(held, status="canceled", canceled_at=at, ended_at=at)


def _without(metadata: dict[str, str], keys: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key not in keys}


def _forget_backstory(book: Book, account: str) -> None:
    """The paid invoice that a placed account has had: the audit trail that was given knows of none."""
    parts: tuple[tuple[dict[str, Any], str], ...] = (
        (book.invoices, f"in_{account}_0"),
        (book.payment_intents, f"pi_{account}_0"),
        (book.charges, f"ch_{account}_0.1"),
    )
    for part, id in parts:
        part.pop(id, None)
    for id, subscription in book.subscriptions.items():
        if subscription.latest_invoice == f"in_{account}_0":
            book.subscriptions[id] = replace(subscription, latest_invoice=None)
