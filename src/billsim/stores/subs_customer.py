"""subs_customer: which Stripe customer an account is, and checkout data. Written by engine and facade."""

from __future__ import annotations

from billsim.stores.base import Row, Schema


class CustomerRow(Row, frozen=True, gc=False):
    """The mapping. `stripe_customer` is empty for an account that Stripe does not know.

    `braintree_paid`: a PayPal charge of old succeeded outside Stripe.
    """

    stripe_customer: str = ""
    checkout_plan: str = ""
    braintree_paid: bool = False


SCHEMA = Schema("subs_customer", CustomerRow, frozenset({"engine", "facade"}))
