"""Every request that the simulated Stripe answers: its name as in Stripe's client libraries, its parameters, and the function that performs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from billsim.stripe import (
    billing_cycle,
    charges,
    collection,
    credit_notes,
    customers,
    disputes,
    invoice_items,
    invoices,
    mandates,
    payment_intents,
    payment_methods,
    previews,
    prices,
    refunds,
    setup_intents,
    subscriptions,
    updates,
)
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGE_PARAMS
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
    "customers.create": Method(customers.create, customers.PARAMS),
    "customers.retrieve": _read(customers.retrieve),
    "customers.update": Method(customers.update, customers.PARAMS),
    "payment_methods.create": Method(payment_methods.create, payment_methods.CREATE, ("type",)),
    "payment_methods.retrieve": _read(payment_methods.retrieve),
    "payment_methods.attach": Method(payment_methods.attach, payment_methods.ATTACH, ("customer",)),
    "payment_methods.detach": Method(payment_methods.detach, NONE),
    "prices.create": Method(prices.create, prices.CREATE, ("currency", "product", "unit_amount")),
    "prices.retrieve": _read(prices.retrieve),
    "subscriptions.create": Method(billing_cycle.start, billing_cycle.CREATE, ("customer", "items")),
    "subscriptions.retrieve": _read(subscriptions.retrieve),
    "subscriptions.update": Method(updates.update, updates.UPDATE),
    "subscriptions.cancel": Method(subscriptions.cancel, subscriptions.CANCEL),
    "subscriptions.list": _read(subscriptions.list_, {**PAGE_PARAMS, **subscriptions.LIST}),
    "invoices.retrieve": _read(invoices.retrieve),
    "invoices.list": _read(invoices.list_, {**PAGE_PARAMS, **invoices.LIST}),
    "invoices.update": Method(invoices.update, invoices.UPDATE),
    "invoices.pay": Method(collection.pay, collection.PAY),
    "invoices.void_invoice": Method(collection.void, NONE),
    "invoices.mark_uncollectible": Method(collection.mark_uncollectible, NONE),
    "invoices.finalize_invoice": Method(invoices.finalize_by_hand, {"auto_advance": bool}),
    "invoices.create_preview": _read(previews.create_preview, previews.PREVIEW, ("subscription",)),
    "invoice_items.create": Method(invoice_items.create, invoice_items.CREATE, ("customer", "amount", "currency")),
    "invoice_items.retrieve": _read(invoice_items.retrieve),
    "invoice_items.list": _read(invoice_items.list_, {**PAGE_PARAMS, **invoice_items.LIST}),
    "payment_intents.retrieve": _read(payment_intents.retrieve),
    "payment_intents.confirm": Method(collection.confirm_by_request, collection.PAY),
    "payment_intents.cancel": Method(payment_intents.cancel, NONE),
    "setup_intents.create": Method(setup_intents.create, setup_intents.CREATE),
    "setup_intents.retrieve": _read(setup_intents.retrieve),
    "setup_intents.confirm": Method(setup_intents.confirm, setup_intents.CONFIRM),
    "setup_intents.cancel": Method(setup_intents.cancel, NONE),
    "mandates.retrieve": _read(mandates.retrieve),
    "refunds.create": Method(refunds.create, refunds.CREATE),
    "refunds.retrieve": _read(refunds.retrieve),
    "refunds.list": _read(refunds.list_, {**PAGE_PARAMS, **refunds.LIST}),
    "refunds.update": Method(refunds.update, refunds.UPDATE),
    "credit_notes.create": Method(credit_notes.create, credit_notes.CREATE, ("invoice",)),
    "credit_notes.retrieve": _read(credit_notes.retrieve),
    "credit_notes.list": _read(credit_notes.list_, {**PAGE_PARAMS, **credit_notes.LIST}),
    "credit_notes.void_credit_note": Method(credit_notes.void, NONE),
    "disputes.retrieve": _read(disputes.retrieve),
    "disputes.list": _read(disputes.list_, {**PAGE_PARAMS, **disputes.LIST}),
    "disputes.update": Method(disputes.update, disputes.UPDATE),
    "disputes.close": Method(disputes.close, NONE),
    "charges.retrieve": _read(charges.retrieve),
    "charges.list": _read(charges.list_, {**PAGE_PARAMS, "payment_intent": str}),
}


def method(name: str) -> Method:
    """The method of this name. Raises StripeError (404 `url_invalid`) with the nearest one."""
    found = METHODS.get(name)
    if found is None:
        near = get_close_matches(name, list(METHODS), 1)
        raise refusal("url_invalid", f"Unrecognized request: {name}.{f' Did you mean {near[0]}?' if near else ''}", 404)
    return found
