"""Customers."""

from __future__ import annotations

from typing import Any

from billsim.stripe.naming import invoice_prefix
from billsim.stripe.objects import Customer, CustomerBalanceTransaction, Source
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.methods import legacy_card, source
from billsim.stripe.wire.render.parts import address, book_of, shipping, sublist
from billsim.stripe.wire.render.subscriptions import subscription

_ENDED = ("canceled", "incomplete_expired")
_TAX: Rendered = {"automatic_tax": "not_collecting", "ip_address": None, "location": None, "provider": "stripe"}


def customer(thing: Customer, view: View) -> Rendered:
    """https://docs.stripe.com/api/customers/object"""
    says = thing.says
    rendered = {
        "id": thing.id,
        "object": "customer",
        "address": address(says("address")),
        "balance": thing.balance,
        "created": thing.created,
        "currency": thing.currency,
        "customer_account": None,
        "default_source": thing.default_source,
        "delinquent": thing.delinquent,
        "description": says("description"),
        "discount": None,
        "email": thing.email,
        "invoice_prefix": invoice_prefix(thing),
        "invoice_settings": _invoice_settings(thing),
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "name": thing.name,
        "next_invoice_sequence": 1 + sum([invoice.number is not None for invoice in book_of(view, thing.id).invoices.values()]),
        "phone": says("phone"),
        "preferred_locales": says("preferred_locales") or [],
        "shipping": shipping(says("shipping")),
        "tax_exempt": says("tax_exempt") or "none",
        "test_clock": view.test_clock(thing.id),
    }
    for field in ("business_name", "individual_name"):
        if says(field):
            rendered[field] = says(field)
    return rendered


def _invoice_settings(thing: Customer) -> Rendered:
    given: Any = thing.says("invoice_settings") or {}
    return {
        "custom_fields": given.get("custom_fields"),
        "default_payment_method": thing.invoice_settings.default_payment_method,
        "footer": given.get("footer"),
        "rendering_options": given.get("rendering_options"),
    }


def subscriptions(thing: Customer, view: View) -> Any:
    """Those that have not ended."""
    known = [each for each in book_of(view, thing.id).subscriptions.values() if each.status not in _ENDED]
    newest = sorted(known, key=lambda each: each.created, reverse=True)
    return sublist([subscription(each, view) for each in newest[:10]], f"/v1/customers/{thing.id}/subscriptions", has_more=len(newest) > 10)


def sources(thing: Customer, view: View) -> Any:
    """Cards and sources of the time before payment methods, the default one first."""
    known = sorted(book_of(view, thing.id).sources.values(), key=lambda each: (each.id != thing.default_source, -each.created))
    shown = [source(each, view) if isinstance(each, Source) else legacy_card(each, view) for each in known[:10]]
    return sublist(shown, f"/v1/customers/{thing.id}/sources", has_more=len(known) > 10)


def tax(thing: Customer, view: View) -> Any:
    """Where the customer is taxed: nothing is known of that."""
    return _TAX


def tax_ids(thing: Customer, view: View) -> Any:
    """The customer has none."""
    return sublist([], f"/v1/customers/{thing.id}/tax_ids")


def nothing(thing: Customer, view: View) -> Any:
    """What is null for who has never used it: a cash balance."""
    return None


def no_credit(thing: Customer, view: View) -> Any:
    """The balances in other currencies, of which there is none."""
    return {thing.currency: thing.balance} if thing.currency else {}


def balance_transaction(thing: CustomerBalanceTransaction, view: View) -> Rendered:
    """https://docs.stripe.com/api/customer_balance_transactions/object"""
    return {
        "id": thing.id,
        "object": "customer_balance_transaction",
        "amount": thing.amount,
        "checkout_session": None,
        "created": thing.created,
        "credit_note": thing.credit_note,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "description": thing.says("description"),
        "ending_balance": thing.ending_balance,
        "invoice": thing.invoice,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "type": thing.type,
    }
