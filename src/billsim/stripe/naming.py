"""Derived ids of Stripe's objects: `sub_ada` bills with `in_ada_1`, collected by `pi_ada_1`, charged as `ch_ada_1.1`."""

from __future__ import annotations

from billsim.core.ids import short
from billsim.stripe.backend import Backend
from billsim.stripe.objects import Book, Customer, Invoice
from billsim.stripe.params import refusal


def stem(id: str) -> str:
    """What follows the prefix that tells an object's kind: `ada` of `sub_ada`."""
    return id.partition("_")[2] or id


def new_id(backend: Backend, prefix: str, asked: str, task: str) -> str:
    """The id of a new object: the one asked for, else one derived from the task that makes it. Raises StripeError where it is taken."""
    id = asked or backend.free(f"{prefix}_{short(task)}")
    if backend.exists(id):
        raise refusal("resource_already_exists", f"{id!r} already exists.")
    return id


def invoice_prefix(customer: Customer) -> str:
    """With what the numbers of a customer's invoices begin."""
    return str(customer.says("invoice_prefix") or short(customer.id)[:8].upper())


def invoice_number(backend: Backend, invoice: Invoice) -> str:
    """The number of an invoice that is finalised: the customer's next one; in a world, what its id says."""
    book = backend.books[invoice.customer]
    if not backend.is_whole or book.customer is None:
        return stem(invoice.id).upper()
    numbered = sum([each.number is not None for each in book.invoices.values()])
    return f"{invoice_prefix(book.customer)}-{numbered + 1:04d}"


def next_period(book: Book, subscription: str) -> int:
    """The ordinal of a subscription's next invoice: one more than the highest that is known."""
    prefix, highest = f"in_{stem(subscription)}_", 0
    for id in book.invoices:
        if id.startswith(prefix) and (tail := id[len(prefix) :]).isdecimal():
            highest = max(highest, int(tail))
    return highest + 1
