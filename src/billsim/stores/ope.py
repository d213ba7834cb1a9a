"""OPE: the engine's subscriptions of record; the authority on what was bought."""

from __future__ import annotations

import msgspec

from billsim.stores.base import Row, Schema


class OpeItem(msgspec.Struct, frozen=True, gc=False):
    """One bought thing: a product on a plan. `price` is minor units an interval."""

    product: str
    plan: str
    price: int
    quantity: int = 1


class OpeSubscription(Row, frozen=True, gc=False):
    """A subscription of record (`key` is its id); `status` is `active` or `canceled`. `stripe_subscription` is its counterpart."""

    key: str
    status: str = "active"
    stripe_subscription: str = ""
    interval: str = "month"
    items: tuple[OpeItem, ...] = ()


SCHEMA = Schema("ope", OpeSubscription, frozenset({"engine"}), many=True)
