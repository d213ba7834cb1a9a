"""What moves a customer's credit balance (https://docs.stripe.com/billing/customer/balance): by request, and whatever invoices and credit notes do.

Only a whole account keeps them; in worlds the balance alone is kept.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.objects import CustomerBalanceTransaction
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

_DETAILS: Types = {"customer": str, "description": str, "metadata": dict}
CREATE: Types = {**_DETAILS, "amount": int, "currency": str}
UPDATE: Types = _DETAILS
OF_CUSTOMER: Types = {"customer": str}
LIST: Types = {**PAGES, "customer": str, "created": int | dict, "invoice": str}
_KEPT = ("description",)


def noted(act: Act, customer: str, amount: int, why: str, named: str = "", currency: str = "usd", **of: Any) -> None:
    """The balance of a customer has been moved by an amount, for a reason that the API has (`applied_to_invoice`). `named` ends the id."""
    if amount and act.backend.is_whole:
        _put(act, f"cbtxn_{named or short(act.task)}", customer, amount, why, currency, of)


def _put(act: Act, id: str, customer: str, amount: int, why: str, currency: str, of: dict[str, Any]) -> CustomerBalanceTransaction:
    backend = act.backend
    known, taken, count = backend.balance_moves.setdefault(customer, {}), id, 1
    while taken in known:
        count += 1
        taken = f"{id}.{count}"
    moved = CustomerBalanceTransaction(
        id=taken,
        created=act.now_s,
        amount=amount,
        currency=currency,
        customer=customer,
        ending_balance=backend.customer(customer).balance,
        type=why,
        **of,
    )
    backend.made.setdefault(taken, len(backend.made))
    known[taken] = moved
    return moved


def create(act: Act, id: str, params: dict[str, Any]) -> CustomerBalanceTransaction:
    """Move a customer's balance: below zero is credit for the next invoice. Raises StripeError."""
    customer, currency = act.backend.customer(params["customer"]), params["currency"].lower()
    if customer.currency not in (None, currency):
        message = f"The customer's balance is in {customer.currency}: it cannot be moved by an amount in {currency}."
        raise refusal("", message, param="currency")
    act.update("customer.updated", customer, balance=customer.balance + params["amount"], currency=currency)
    told = {"metadata": merged_metadata({}, params.get("metadata")), "kept": kept_of(params, _KEPT)}
    return _put(act, id or f"cbtxn_{short(act.task)}", customer.id, params["amount"], "adjustment", currency, told)


def retrieve(act: Act, id: str, params: dict[str, Any]) -> CustomerBalanceTransaction:
    """Raises StripeError (404)."""
    customer = act.backend.customer(params["customer"])
    found = act.backend.balance_moves.get(customer.id, {}).get(id)
    if found is None:
        raise refusal("resource_missing", f"No such customer balance transaction: {id!r}", 404, param="id")
    return found


def update(act: Act, id: str, params: dict[str, Any]) -> CustomerBalanceTransaction:
    """Set what is told of it. Raises StripeError (404)."""
    old = retrieve(act, id, params)
    new = replace(old, kept=kept_of(params, _KEPT, old.kept), metadata=merged_metadata(old.metadata, params.get("metadata")))
    act.backend.balance_moves[old.customer][id] = new
    return new


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """What has moved a customer's balance, newest first; of one invoice where it is named. Raises StripeError."""
    customer, invoice = act.backend.customer(params["customer"]).id, params.get("invoice")
    found = [each for each in act.backend.balance_moves.get(customer, {}).values() if invoice in (None, "", each.invoice)]
    return page_of(act.backend, found, params, f"/v1/customers/{customer}/balance_transactions")
