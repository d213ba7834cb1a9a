"""Customers (https://docs.stripe.com/api/customers)."""

from __future__ import annotations

from typing import Any

from billsim.stripe.backend import Act
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Customer, InvoiceSettings
from billsim.stripe.params import Types, check, merged_metadata, refusal

PARAMS: Types = {"name": str, "email": str, "metadata": dict, "invoice_settings": dict}
_SETTINGS: Types = {"default_payment_method": str}


def create(act: Act, id: str, params: dict[str, Any]) -> Customer:
    """A new customer; a default payment method is set once one is attached."""
    if params.get("invoice_settings"):
        raise refusal("parameter_invalid", "Invalid invoice_settings: a new customer has no payment method yet.")
    metadata = merged_metadata({}, params.get("metadata"))
    customer = Customer(
        id=new_id(act.backend, "cus", id, act.task), created=act.now_s, name=params.get("name"), email=params.get("email"), metadata=metadata
    )
    act.put(customer)
    act.emit("customer.created", customer)
    return customer


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Customer:
    """Raises StripeError (404)."""
    return act.backend.customer(id)


def update(act: Act, id: str, params: dict[str, Any]) -> Customer:
    """Set what is given. Raises StripeError where the default payment method is not the customer's."""
    old = act.backend.customer(id)
    fields: dict[str, Any] = {name: params[name] or None for name in ("name", "email") if name in params}
    if "invoice_settings" in params:
        check(params["invoice_settings"], _SETTINGS)
        method = params["invoice_settings"].get("default_payment_method") or None
        fields["invoice_settings"] = InvoiceSettings(act.backend.owned_method(id, method) if method else None)
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    updated: Customer = act.update("customer.updated", old, **fields)
    return updated


def set_delinquent(act: Act, id: str, delinquent: bool) -> None:
    """`delinquent` follows the latest change of any invoice: an automatic failure or a due date sets it, a payment or a write-off clears it."""
    customer = act.backend.books[id].customer
    if customer is not None and customer.delinquent != delinquent:
        act.update("customer.updated", customer, delinquent=delinquent)
