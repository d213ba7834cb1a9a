"""What happens to an account's data during the storm, by nobody's request: somebody's mistake, which somebody puts right after a while."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from billsim.actors.stage import Stage, new_card
from billsim.scenario.backstory import price_of
from billsim.stores.ope import ACTIVE, OpeItem, OpeSubscription
from billsim.stripe.objects import Book

LIVE = ("trialing", "active", "past_due", "unpaid")
# What is sold by hand, in minor units an interval: assumed.
HANDMADE = 700


class Mishap(Protocol):
    """What happens to whom, how long after the storm began, and how long it stays so. `other`: a second account that it is about."""

    @property
    def fault(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def after_ms(self) -> int: ...
    @property
    def lasts_ms(self) -> int: ...
    @property
    def other(self) -> str: ...


class Fates(Protocol):
    """The faults that the data of accounts are exposed to."""

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> Sequence[Mishap]:
        """What happens to the data of accounts during a storm, in the order in which it does."""
        ...


Heal = Callable[[], None]


class Mishaps:
    """Strikes and heals. `end`: nothing more happens, and what has not been put right is, at once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._standing: dict[str, Heal] = {}
        # Whose mapping is wrong at present, and the customer that they are on by right.
        self._own: dict[str, str] = {}
        self._over = False

    def start(self, fates: Fates, accounts: Collection[str], storm_ms: int) -> None:
        """Whatever is to happen is on its way."""
        kernel, choices = self._stage.kernel, self._stage.choices
        for mishap in fates.mishaps(tuple(accounts), storm_ms):
            kernel.call_at(kernel.now + mishap.after_ms, choices.rank(f"w/{_task(mishap)}"), self._strike, mishap)

    def end(self) -> None:
        """The storm is over."""
        self._over = True
        for task in tuple(self._standing):
            self._heal(task)

    def _strike(self, mishap: Any) -> None:
        if self._over:
            return
        task = _task(mishap)
        heal = _STRIKES[mishap.fault](self, task, mishap)
        if heal is not None:
            self._standing[task] = heal
            self._stage.kernel.call_at(self._stage.kernel.now + mishap.lasts_ms, self._stage.choices.rank(f"w/{task}/healed"), self._heal, task)

    def _heal(self, task: Any) -> None:
        heal = self._standing.pop(task, None)
        if heal is not None:
            heal()

    # -- whose the customer is -----------------------------------------------------------------------------------------------------------

    def lose_customer(self, task: str, mishap: Mishap) -> Heal | None:
        """The mapping of an account is gone."""
        return self._map(task, mishap.account, "")

    def merge(self, task: str, mishap: Mishap) -> Heal | None:
        """An account is put on the customer of another, if that has one."""
        into = self._stage.customer_of(mishap.other)
        return self._map(task, mishap.account, into) if into else None

    def _map(self, task: str, account: str, customer: str) -> Heal | None:
        """Map an account to a customer. Nothing for one that has none of its own to come back to, or does not stand there alone: somebody would be
        left who takes another's invoices for his.
        """
        stage, own = self._stage, self._stage.customer_of(account)
        if not own or own == customer or account in self._own or stage.stores.by_customer.get(own) != (account,):
            return None
        self._own[account] = own
        self._put(f"w/{task}", account, customer)

        def heal() -> None:
            neighbours = stage.stores.by_customer.get(customer, ()) if customer else (account,)
            self._put(f"w/{task}/healed", account, self._own.pop(account))
            for each in neighbours:
                stage.announce("mapping_changed", each, f"w/{task}/healed/{each}")

        return heal

    def _put(self, task: str, account: str, customer: str) -> None:
        self._stage.put("operator", "facade", task, "subs_customer", account, None, {"stripe_customer": customer})

    # -- what is paid with -----------------------------------------------------------------------------------------------------------------

    def detach(self, task: str, mishap: Mishap) -> Heal | None:
        """Nothing is left to pay with."""
        account = mishap.account
        methods = [] if (book := self._book(account)) is None else [id for id, method in book.payment_methods.items() if method.customer is not None]
        for id in methods:
            self._call("issuer", f"w/{task}/{id}", "payment_methods.detach", id, {})
        return (lambda: self._new_card(account, f"w/{task}.new")) if methods else None

    def _new_card(self, account: str, task: str) -> None:
        """Given on a page of the account's own, which there is none of while nobody knows which customer it is on."""
        if account not in self._own and self._stage.customer_of(account):
            new_card(self._stage, "customer", account, task, "good")

    # -- what was bought -------------------------------------------------------------------------------------------------------------------

    def sell_by_hand(self, task: str, mishap: Mishap) -> Heal | None:
        """Something is bought that Stripe has no price for."""
        stage, account = self._stage, mishap.account
        rows: Sequence[OpeSubscription] = tuple((stage.stores.read("ope", account) or {}).values())
        key = next((row.key for row in rows if row.status == ACTIVE and row.scheduled is None and self._is_live(account, row)), "")
        if not key:
            return None
        item = OpeItem(f"handmade-{account}", f"handmade_{account}", HANDMADE)
        held: OpeSubscription = stage.stores.read("ope", account, key)
        stage.put("catalog", "engine", f"w/{task}", "ope", account, key, {"items": (*held.items, item)})
        stage.announce("bought", account, f"w/{task}")
        return lambda: self._bill(f"w/{task}/healed", account, key, item)

    def _bill(self, task: str, account: str, key: str, item: OpeItem) -> None:
        """Bring the price to Stripe, and the item to its subscription; nothing where that has ended, or has it."""
        row: OpeSubscription | None = self._stage.stores.read("ope", account, key)
        book = self._book(account)
        if book is None or row is None or row.status != ACTIVE or item not in row.items or not self._is_live(account, row):
            return
        subscription = book.subscriptions[row.stripe_subscription]
        if any(billed.price.product == item.product for billed in subscription.items.data):
            return
        price = price_of(item.plan, item.price, subscription.currency, item.product, 0, row.interval)
        terms = {"currency": price.currency, "product": item.product, "unit_amount": item.price, "recurring": {"interval": row.interval}}
        self._call("catalog", f"{task}/price", "prices.create", price.id, terms)
        added = {"items": [{"price": price.id, "quantity": 1}], "proration_behavior": "none"}
        self._call("catalog", f"{task}/item", "subscriptions.update", subscription.id, added)

    def _is_live(self, account: str, row: OpeSubscription) -> bool:
        book = self._book(account)
        billed = None if book is None else book.subscriptions.get(row.stripe_subscription)
        return billed is not None and billed.status in LIVE

    def _book(self, account: str) -> Book | None:
        """What Stripe holds of the customer that an account is on by right."""
        return self._stage.stripe.books.get(self._own.get(account) or self._stage.customer_of(account))

    def _call(self, actor: str, task: str, method: str, id: str, params: dict[str, Any]) -> None:
        self._stage.act(actor, task, lambda: self._stage.stripe.call(method, id, params, key=None, task=task))


_STRIKES: dict[str, Callable[[Mishaps, str, Mishap], Heal | None]] = {
    "missing_customer": Mishaps.lose_customer,
    "merged_account": Mishaps.merge,
    "no_payment_method": Mishaps.detach,
    "missing_price": Mishaps.sell_by_hand,
}


def _task(mishap: Mishap) -> str:
    return f"mishap/{mishap.fault}.{mishap.account}"
