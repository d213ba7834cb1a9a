"""Every request that the simulated Stripe answers: its name as in Stripe's client libraries, its parameters, and the function that performs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from billsim.stripe import (
    attachments,
    beginnings,
    billing_mode,
    charges,
    collection,
    credit_notes,
    customer_balances,
    customers,
    departures,
    direct_charges,
    disputes,
    invoice_item_requests,
    invoice_lines,
    invoice_payments,
    invoices,
    mandates,
    one_off_invoices,
    pausing,
    paying,
    payment_intents,
    payment_methods,
    previews,
    prices,
    products,
    refunds,
    setup_intents,
    sources,
    subscription_items,
    subscriptions,
    updates,
)
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGE_PARAMS, PAGES
from billsim.stripe.params import Types, refusal


class Method(NamedTuple):
    """A request. `reads`: it changes nothing, and an idempotency key means nothing to it."""

    perform: Callable[[Act, str, dict[str, Any]], Any]
    params: Types
    required: tuple[str, ...] = ()
    reads: bool = False


NONE: Types = {}


def _read(perform: Callable[[Act, str, dict[str, Any]], Any], params: Types = NONE, required: tuple[str, ...] = ()) -> Method:
    return Method(perform, params, required, reads=True)


METHODS: Mapping[str, Method] = {
    "customers.create": Method(customers.create, customers.CREATE),
    "customers.retrieve": _read(customers.retrieve),
    "customers.update": Method(customers.update, customers.UPDATE),
    "customers.delete": Method(departures.delete, NONE),
    "customers.list": _read(customers.list_, customers.LIST),
    "customers.payment_methods.list": _read(payment_methods.list_of_customer, payment_methods.LIST, ("customer",)),
    "customers.payment_methods.retrieve": _read(payment_methods.retrieve_of_customer, payment_methods.OF_CUSTOMER, ("customer",)),
    "customers.payment_sources.create": Method(sources.create_card, sources.CREATE_CARD, ("customer", "source")),
    "customers.payment_sources.retrieve": _read(sources.retrieve_card, sources.OF_CUSTOMER, ("customer",)),
    "customers.payment_sources.update": Method(sources.update_card, sources.UPDATE_CARD, ("customer",)),
    "customers.payment_sources.delete": Method(sources.delete_card, sources.OF_CUSTOMER, ("customer",)),
    "customers.payment_sources.list": _read(sources.list_cards, sources.LIST, ("customer",)),
    "customers.balance_transactions.create": Method(
        customer_balances.create, customer_balances.CREATE, ("customer", "amount", "currency")
    ),
    "customers.balance_transactions.retrieve": _read(customer_balances.retrieve, customer_balances.OF_CUSTOMER, ("customer",)),
    "customers.balance_transactions.update": Method(customer_balances.update, customer_balances.UPDATE, ("customer",)),
    "customers.balance_transactions.list": _read(customer_balances.list_, customer_balances.LIST, ("customer",)),
    "sources.create": Method(sources.create, sources.CREATE),
    "sources.retrieve": _read(sources.retrieve, {"client_secret": str}),
    "sources.update": Method(sources.update, sources.UPDATE),
    "sources.detach": Method(sources.delete_card, sources.OF_CUSTOMER, ("customer",)),
    "payment_methods.create": Method(payment_methods.create, payment_methods.CREATE, ("type",)),
    "payment_methods.retrieve": _read(payment_methods.retrieve),
    "payment_methods.update": Method(payment_methods.update, payment_methods.UPDATE),
    "payment_methods.list": _read(payment_methods.list_, payment_methods.LIST),
    "payment_methods.attach": Method(payment_methods.attach, payment_methods.ATTACH, ("customer",)),
    "payment_methods.detach": Method(payment_methods.detach, NONE),
    "products.create": Method(products.create, products.CREATE, ("name",)),
    "products.retrieve": _read(products.retrieve),
    "products.update": Method(products.update, products.UPDATE),
    "products.delete": Method(products.delete, NONE),
    "products.list": _read(products.list_, products.LIST),
    "prices.create": Method(prices.create, prices.CREATE, ("currency",)),
    "prices.retrieve": _read(prices.retrieve),
    "prices.update": Method(prices.update, prices.UPDATE),
    "prices.list": _read(prices.list_, prices.LIST),
    "subscriptions.create": Method(beginnings.start, beginnings.CREATE, ("customer", "items")),
    "subscriptions.retrieve": _read(subscriptions.retrieve),
    "subscriptions.update": Method(updates.update, updates.UPDATE),
    "subscriptions.cancel": Method(subscriptions.cancel, subscriptions.CANCEL),
    "subscriptions.pause": Method(pausing.pause_by_request, pausing.PAUSE),
    "subscriptions.resume": Method(pausing.resume, pausing.RESUME),
    "subscriptions.migrate": Method(billing_mode.migrate, billing_mode.MIGRATE, ("billing_mode",)),
    "subscriptions.list": _read(subscriptions.list_, {**PAGE_PARAMS, **subscriptions.LIST}),
    "subscription_items.create": Method(subscription_items.create, subscription_items.CREATE, ("subscription",)),
    "subscription_items.retrieve": _read(subscription_items.retrieve),
    "subscription_items.update": Method(subscription_items.update, subscription_items.UPDATE),
    "subscription_items.delete": Method(subscription_items.delete, subscription_items.DELETE),
    "subscription_items.list": _read(subscription_items.list_, {**PAGES, **subscription_items.LIST}, ("subscription",)),
    "invoices.create": Method(one_off_invoices.create, one_off_invoices.CREATE),
    "invoices.retrieve": _read(invoices.retrieve),
    "invoices.list": _read(invoices.list_, {**PAGE_PARAMS, **invoices.LIST}),
    "invoices.update": Method(invoices.update, invoices.UPDATE),
    "invoices.pay": Method(collection.pay, collection.PAY),
    "invoices.attach_payment": Method(attachments.attach, attachments.ATTACH),
    "invoices.void_invoice": Method(collection.void, NONE),
    "invoices.mark_uncollectible": Method(collection.mark_uncollectible, NONE),
    "invoices.finalize_invoice": Method(invoices.finalize_by_hand, {"auto_advance": bool}),
    "invoices.delete": Method(one_off_invoices.delete, NONE),
    "invoices.send_invoice": Method(one_off_invoices.send, NONE),
    "invoices.add_lines": Method(invoice_lines.add_lines, invoice_lines.LINES, ("lines",)),
    "invoices.update_lines": Method(invoice_lines.update_lines, invoice_lines.LINES, ("lines",)),
    "invoices.remove_lines": Method(invoice_lines.remove_lines, invoice_lines.LINES, ("lines",)),
    "invoices.line_items.list": _read(invoice_lines.list_, {**PAGES, "invoice": str}, ("invoice",)),
    "invoices.line_items.update": Method(invoice_lines.update, invoice_lines.UPDATE, ("invoice",)),
    "invoices.create_preview": _read(previews.create_preview, previews.PREVIEW),
    "invoice_items.create": Method(invoice_item_requests.create, invoice_item_requests.CREATE, ("customer",)),
    "invoice_items.retrieve": _read(invoice_item_requests.retrieve),
    "invoice_items.update": Method(invoice_item_requests.update, invoice_item_requests.UPDATE),
    "invoice_items.delete": Method(invoice_item_requests.delete, NONE),
    "invoice_items.list": _read(invoice_item_requests.list_, {**PAGE_PARAMS, **invoice_item_requests.LIST}),
    "invoice_payments.retrieve": _read(invoice_payments.retrieve),
    "invoice_payments.list": _read(invoice_payments.list_, {**PAGES, "created": int | dict, **invoice_payments.LIST}),
    "payment_intents.create": Method(paying.create, paying.CREATE, ("amount", "currency")),
    "payment_intents.retrieve": _read(payment_intents.retrieve, {"client_secret": str}),
    "payment_intents.update": Method(paying.update, paying.UPDATE),
    "payment_intents.list": _read(paying.list_, PAGE_PARAMS),
    "payment_intents.confirm": Method(paying.confirm, paying.CONFIRM),
    "payment_intents.capture": Method(paying.capture, paying.CAPTURE),
    "payment_intents.cancel": Method(paying.cancel, paying.CANCEL),
    "setup_intents.create": Method(setup_intents.create, setup_intents.CREATE),
    "setup_intents.retrieve": _read(setup_intents.retrieve, {"client_secret": str}),
    "setup_intents.update": Method(setup_intents.update, setup_intents.UPDATE),
    "setup_intents.list": _read(setup_intents.list_, setup_intents.LIST),
    "setup_intents.confirm": Method(setup_intents.confirm, setup_intents.CONFIRM),
    "setup_intents.cancel": Method(setup_intents.cancel, setup_intents.CANCEL),
    "mandates.retrieve": _read(mandates.retrieve),
    "refunds.create": Method(refunds.create, refunds.CREATE),
    "refunds.retrieve": _read(refunds.retrieve),
    "refunds.list": _read(refunds.list_, {**PAGE_PARAMS, **refunds.LIST}),
    "refunds.update": Method(refunds.update, refunds.UPDATE),
    "refunds.cancel": Method(refunds.cancel, NONE),
    "credit_notes.create": Method(credit_notes.create, credit_notes.CREATE, ("invoice",)),
    "credit_notes.retrieve": _read(credit_notes.retrieve),
    "credit_notes.list": _read(credit_notes.list_, {**PAGE_PARAMS, **credit_notes.LIST}),
    "credit_notes.update": Method(credit_notes.update, credit_notes.UPDATE),
    "credit_notes.void_credit_note": Method(credit_notes.void, NONE),
    "disputes.retrieve": _read(disputes.retrieve),
    "disputes.list": _read(disputes.list_, {**PAGE_PARAMS, **disputes.LIST}),
    "disputes.update": Method(disputes.update, disputes.UPDATE),
    "disputes.close": Method(disputes.close, NONE),
    "charges.create": Method(direct_charges.create, direct_charges.CREATE, ("amount", "currency")),
    "charges.retrieve": _read(charges.retrieve),
    "charges.update": Method(charges.update, charges.UPDATE),
    "charges.list": _read(charges.list_, charges.LIST),
    "charges.capture": Method(direct_charges.capture, paying.CAPTURE_CHARGE),
}


def method(name: str) -> Method:
    """The method of this name. Raises StripeError (404 `url_invalid`) with the nearest one."""
    found = METHODS.get(name)
    if found is None:
        near = get_close_matches(name, list(METHODS), 1)
        raise refusal("url_invalid", f"Unrecognized request: {name}.{f' Did you mean {near[0]}?' if near else ''}", 404)
    return found
