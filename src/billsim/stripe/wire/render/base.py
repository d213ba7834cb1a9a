"""What every renderer stands on: `View`, the Stripe account that is looked at, and the table of renderers by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from billsim.stripe.objects import Book, Price

Rendered = dict[str, Any]
"""An object as it stands in an answer: every field of its kind by Stripe's name, nothing but what JSON has."""


class View(Protocol):
    """A Stripe account, as far as rendering looks at it. It is only read."""

    @property
    def livemode(self) -> bool:
        """What objects say under `livemode`."""
        ...

    @property
    def prices(self) -> Mapping[str, Price]:
        """The prices, by id."""
        ...

    @property
    def products(self) -> Mapping[str, Any]:
        """The products, by id."""
        ...

    def book(self, customer: str) -> Book | None:
        """Everything of one customer, deleted ones too; '' is what no customer has. None for a customer that is not known."""
        ...

    def find(self, id: str) -> Any | None:
        """The lean object of this id, of whatever kind; None for none, and for a deleted one."""
        ...

    def test_clock(self, customer: str) -> str | None:
        """The test clock that a customer lives under, None for none."""
        ...


Renderer = Callable[[Any, View], Rendered]
"""Renders lean objects of one kind."""

Include = Callable[[Any, View], Any]
"""Renders one field that Stripe leaves out of an object unless `expand` asks for it."""
