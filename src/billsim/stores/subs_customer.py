"""subs_customer: which Stripe customer an account is, and checkout data. Written by engine and facade."""

from __future__ import annotations

from billsim.stores.base import Row, Schema

# The vault of the wrong token.
BRAINTREE = "braintree"


class CustomerRow(Row, frozen=True, gc=False):
    """The mapping. `stripe_customer` is empty for an account that Stripe does not know.

    `braintree_paid`: a PayPal charge of old succeeded outside Stripe. `payment_method` is the default one as the facade last noted it for
    pm-view, '' where it has noted none and asks Stripe. `setup_intent` is the one whose payment method becomes the default once it has succeeded.
    `vault` is `braintree` where PayPal was vaulted through the wrong token, which makes the old dunning take it for a card; '' is Stripe's own.
    `checkout_plan` is the plan of the last checkout, bought or not.
    """

    stripe_customer: str = ""
    checkout_plan: str = ""
    braintree_paid: bool = False
    payment_method: str = ""
    setup_intent: str = ""
    vault: str = ""


SCHEMA = Schema("subs_customer", CustomerRow, frozenset({"engine", "facade"}))
