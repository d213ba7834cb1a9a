"""What the books hold, by kind; and where what is done at Stripe is told."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from billsim.stripe.objects import Book, Emitted, LegacyCard, PaymentMethod, Source

# Where a Book keeps the objects of a kind.
SHELVES = {
    "payment_method": "payment_methods",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "payment_intent": "payment_intents",
    "charge": "charges",
    "invoiceitem": "invoice_items",
    "refund": "refunds",
    "credit_note": "credit_notes",
    "dispute": "disputes",
    "setup_intent": "setup_intents",
    "mandate": "mandates",
    "card": "sources",
    "source": "sources",
}
# What Stripe calls a kind where it says that there is none of an id.
CALLED = {"payment_method": "PaymentMethod", "setup_intent": "setupintent"}
# Objects that nobody's book holds.
OF_NOBODY = frozenset({"product", "price"})
# Objects that have no customer of their own, and the field that names the object whose customer they belong to.
BELONGS_BY = {"dispute": "charge", "mandate": "payment_method"}
# Objects that Stripe does something with by itself.
HAVE_TIMERS = frozenset({"invoice", "subscription", "dispute"})
# Objects that belong to one invoice alone: what happens to them is numbered as it is for the invoice.
OF_ONE_INVOICE = frozenset({"invoice", "payment_intent", "charge"})
# Objects that every renewal touches: they have a customer, and none changes it.
OF_THE_DAY = frozenset({"invoice", "payment_intent", "charge", "subscription"})


class Outbox(Protocol):
    """Where Stripe's changes and events go: the world."""

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        """An object of `kind` was made (`old` None) or replaced, by `task`, because of `cause`."""
        ...

    def emitted(self, emitted: Emitted) -> None:
        """An event was made; after all changes of the act that it tells of."""
        ...


def taken_out(book: Book, shelf: str, id: str) -> Any:
    """Take an object off its shelf; answers it."""
    left = dict(getattr(book, shelf))
    old = left.pop(id)
    setattr(book, shelf, left)
    return old


def as_method(source: LegacyCard | Source) -> PaymentMethod:
    """A card or source of the older kind as the payment method that it pays as, of the same id."""
    fields: dict[str, Any] = {"customer": source.customer, "metadata": source.metadata, "livemode": source.livemode}
    if isinstance(source, LegacyCard):
        return PaymentMethod(id=source.id, created=source.created, card=source.card, **fields)
    told = source.says(source.type)
    kept = {source.type: told} if told and source.type != "card" else msgspec.UNSET
    return PaymentMethod(id=source.id, created=source.created, type=source.type, card=source.card, kept=kept, **fields)
