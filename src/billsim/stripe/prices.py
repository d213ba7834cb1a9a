"""Prices (https://docs.stripe.com/api/prices): what a subscription's item costs, and how often."""

from __future__ import annotations

from typing import Any

from billsim.stripe.backend import Act
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Price, Recurring
from billsim.stripe.params import Types, check, merged_metadata, refusal

INTERVALS = ("day", "week", "month", "year")
CREATE: Types = {"currency": str, "product": str, "unit_amount": int, "recurring": dict, "metadata": dict}
_RECURRING: Types = {"interval": INTERVALS, "interval_count": int}


def create(act: Act, id: str, params: dict[str, Any]) -> Price:
    """A recurring price, monthly where it does not say otherwise. Prices belong to no customer: nothing is recorded, no event leaves."""
    recurring = params.get("recurring") or {}
    check(recurring, _RECURRING)
    if params["unit_amount"] < 0 or recurring.get("interval_count", 1) < 1:
        raise refusal("parameter_invalid_integer", "unit_amount must be 0 or more, and interval_count 1 or more.")
    price = Price(
        id=new_id(act.backend, "price", id, act.task),
        created=act.now_s,
        currency=params["currency"],
        product=params["product"],
        unit_amount=params["unit_amount"],
        recurring=Recurring(**recurring),
        metadata=merged_metadata({}, params.get("metadata")),
    )
    act.backend.prices[price.id] = price
    return price


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Price:
    """Raises StripeError (404)."""
    return act.backend.price(id)
