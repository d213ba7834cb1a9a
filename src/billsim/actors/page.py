"""The page that a caller has before them: what a touchpoint's body reads off it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from billsim.actors.stage import Stage, made_method
from billsim.stores.ope import CANCELED, OpeItem, OpeSubscription
from billsim.stores.www import LEVEL_OF
from billsim.stripe.objects import Book, Dispute, Invoice

SIGN = "$"
_NO_ITEM = OpeItem(LEVEL_OF, "none", 0)
_OWED = ("open", "uncollectible")


class Page:
    """An account as its page shows it now. `task` is the path of the act that looks at it."""

    def __init__(self, stage: Stage, account: str, task: str) -> None:
        self._stage = stage
        self._account = account
        self._task = task

    def read(self, value: Any) -> Any:
        """What a body says, with `$...` read off the page. '' stands for something that there is not."""
        if isinstance(value, str) and value.startswith(SIGN):
            return _READ[value.removeprefix(SIGN)](self)
        return value

    @property
    def book(self) -> Book | None:
        """The account's customer at Stripe, with all that belongs to it."""
        return self._stage.stripe.books.get(self._stage.customer_of(self._account))

    @property
    def bought(self) -> OpeSubscription | None:
        """The subscription that changes are about: the one with the account's plan, or else the first that is not over."""
        rows: Iterable[OpeSubscription] = self._stage.stores.read("ope", self._account).values()
        live = [row for row in rows if row.status != CANCELED]
        return next((row for row in live if any(item.product == LEVEL_OF for item in row.items)), live[0] if live else None)

    @property
    def item(self) -> OpeItem:
        """Its first item."""
        bought = self.bought
        return bought.items[0] if bought is not None and bought.items else _NO_ITEM

    @property
    def owed(self) -> Invoice | None:
        """The oldest invoice that is owed."""
        return next((invoice for invoice in self._invoices() if invoice.status in _OWED and invoice.amount_remaining), None)

    @property
    def paid(self) -> Invoice | None:
        """The latest invoice that something was paid for."""
        return next((invoice for invoice in reversed(self._invoices()) if invoice.status == "paid" and invoice.amount_paid), None)

    @property
    def part(self) -> int:
        """A tenth of what is owed, or else of what was paid last."""
        owed, paid = self.owed, self.paid
        amount = owed.amount_remaining if owed is not None else paid.amount_paid if paid is not None else 0
        return max(1, amount // 10)

    @property
    def dispute(self) -> Dispute | None:
        """The latest dispute that waits for an answer."""
        book = self.book
        waiting = [each for each in book.disputes.values() if each.status == "needs_response"] if book is not None else []
        return waiting[-1] if waiting else None

    @property
    def method(self) -> str:
        """The default payment method."""
        book = self.book
        default = book.customer.invoice_settings.default_payment_method if book is not None and book.customer is not None else None
        return default or ""

    @property
    def attached(self) -> str:
        """The payment method that was attached last, of those that are not the default."""
        book, default = self.book, self.method
        held = [method.id for method in book.payment_methods.values() if method.customer is not None] if book is not None else []
        return next((id for id in reversed(held) if id != default), default)

    def made(self, instrument: str) -> str:
        """A payment method that the browser makes at Stripe before it asks for anything."""
        return made_method(self._stage, "customer", self._account, f"w/{self._task}", "good", instrument)

    def _invoices(self) -> tuple[Invoice, ...]:
        book = self.book
        return tuple(book.invoices.values()) if book is not None else ()


def _id(thing: Any) -> str:
    return thing.id if thing is not None else ""


def _plan(page: Page, ending: str) -> str:
    """The name of another size of the same plan."""
    plan = page.item.plan
    other = "lite" if ending == "plus" else "plus"
    return plan.removesuffix(f"_{other}") if plan.endswith(f"_{other}") else f"{plan}_{ending}"


def _interval(page: Page) -> str:
    bought = page.bought
    return bought.interval if bought is not None else "month"


def _otherwise(page: Page) -> str:
    """The same plan, by the year instead of the month or the other way round."""
    plan, (old, new) = page.item.plan, ("_monthly", "_yearly") if _interval(page) == "month" else ("_yearly", "_monthly")
    return plan.replace(old, new) if old in plan else f"{plan}{new}"


# A plan is twice the one below it, and a year costs ten months: assumed.
_READ: dict[str, Callable[[Page], Any]] = {
    "subscription": lambda page: page.bought.key if page.bought is not None else "",
    "product": lambda page: page.item.product,
    "plus": lambda page: _plan(page, "plus"),
    "double": lambda page: page.item.price * 2,
    "lite": lambda page: _plan(page, "lite"),
    "half": lambda page: page.item.price // 2,
    "otherwise": _otherwise,
    "other_price": lambda page: page.item.price * 10 if _interval(page) == "month" else page.item.price // 10,
    "other_interval": lambda page: "year" if _interval(page) == "month" else "month",
    "one_more": lambda page: page.item.quantity + 1,
    "owed": lambda page: _id(page.owed),
    "paid": lambda page: _id(page.paid),
    "part": lambda page: page.part,
    "dispute": lambda page: _id(page.dispute),
    "method": lambda page: page.method,
    "attached": lambda page: page.attached,
    "card": lambda page: page.made("card"),
    "paypal": lambda page: page.made("paypal"),
    "sepa_debit": lambda page: page.made("sepa_debit"),
}
READABLE = tuple(_READ)
