"""What several kinds have in common. Constants are shared between answers: nothing within them can be expanded, and nobody may change them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from xxhash import xxh3_128_intdigest

from billsim.stripe.objects import Book, LegacyCard, PaymentMethod, Source
from billsim.stripe.wire.render.base import Rendered, View

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# The account, as it stands in the addresses of what Stripe hosts.
ACCOUNT = "acct_1SimulatedAccount"
ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
NO_ADDRESS: Rendered = dict.fromkeys(ADDRESS_FIELDS)
NO_BILLING_DETAILS: Rendered = {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
# Who answers for an invoice: the account itself, for nobody is connected to it.
ISSUER: Rendered = {"type": "self"}
EMPTY_BOOK = Book("")


@lru_cache(maxsize=10_000)
def letters(text: str, count: int) -> str:
    """As many letters and digits as asked for, derived from a text: for secrets, fingerprints and addresses."""
    bits, made = 0, []
    for nth in range(count):
        if nth % 20 == 0:
            bits = xxh3_128_intdigest(f"{text}/{nth}".encode())
        bits, letter = divmod(bits, 62)
        made.append(_LETTERS[letter])
    return "".join(made)


def client_secret(id: str) -> str:
    """With what a browser may confirm an intent."""
    return f"{id}_secret_{letters(id, 25)}"


def address(given: Any) -> Rendered | None:
    """An address with all its fields, None for none."""
    return {field: given.get(field) for field in ADDRESS_FIELDS} if given else None


def shipping(given: Any) -> Rendered | None:
    """Where something is sent, with all its fields; None for nowhere."""
    if not given:
        return None
    own = {field: given.get(field) for field in ("carrier", "name", "phone", "tracking_number")}
    return {"address": address(given.get("address")) or NO_ADDRESS, **own}


def billing_details(given: Any) -> Rendered:
    """Whose a payment method is, with all its fields."""
    if not given:
        return NO_BILLING_DETAILS
    own = {field: given.get(field) for field in ("email", "name", "phone", "tax_id")}
    return {"address": address(given.get("address")) or NO_ADDRESS, **own}


def decimal(amount: int | None) -> str | None:
    """An amount as the API writes decimals."""
    return None if amount is None else str(amount)


def doc_url(code: str) -> str:
    """Where Stripe explains an error code."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def book_of(view: View, customer: str | None) -> Book:
    """The customer's book; an empty one where there is none."""
    return view.book(customer or "") or EMPTY_BOOK


def method_of(view: View, customer: str | None, id: str | None) -> PaymentMethod | None:
    """A payment method, attached to the customer or not; None where there is none."""
    if id is None:
        return None
    return as_method(book_of(view, customer).payment_methods.get(id) or view.find(id))


def as_method(found: Any) -> PaymentMethod | None:
    """A payment method; what came before payment methods as the one that it pays as; None for anything else."""
    if isinstance(found, PaymentMethod):
        return found
    if isinstance(found, LegacyCard):
        return PaymentMethod(id=found.id, created=found.created, customer=found.customer, card=found.card)
    if isinstance(found, Source):
        return PaymentMethod(id=found.id, created=found.created, customer=found.customer, type=found.type, card=found.card, kept=found.kept)
    return None


def sublist(data: list[Any], url: str, *, has_more: bool = False) -> Rendered:
    """A list object that stands within another object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}
