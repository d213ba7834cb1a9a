"""A simulated Stripe as rendering looks at it, without a sandbox around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billsim.stripe.api import Stripe
from billsim.stripe.objects import Book, Price


def shelves_of(book: Book) -> list[dict[str, Any]]:
    """The objects of a book by id, a kind at a time."""
    return [shelf for name in Book.__slots__ if isinstance(shelf := getattr(book, name), dict)]


class CoreView:
    """The books of one core, nobody under a test clock unless told."""

    def __init__(self, stripe: Stripe, clock: str | None = None) -> None:
        self.stripe = stripe
        self.livemode = False
        self.clock = clock

    @property
    def prices(self) -> Mapping[str, Price]:
        return self.stripe.prices

    @property
    def products(self) -> Mapping[str, Any]:
        return self.stripe.products

    def book(self, customer: str) -> Book | None:
        return self.stripe.books.get(customer) if customer else self.stripe.unattached

    def find(self, id: str) -> Any | None:
        for book in (*self.stripe.books.values(), self.stripe.unattached):
            if book.id == id:
                return book.customer
            for shelf in shelves_of(book):
                if id in shelf:
                    return shelf[id]
        return self.prices.get(id) or self.products.get(id)

    def test_clock(self, customer: str) -> str | None:
        return self.clock
