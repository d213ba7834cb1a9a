"""OPE: the engine's subscriptions of record; the authority on what was bought."""

from __future__ import annotations

import msgspec

from billsim.stores.base import Row, Schema

ACTIVE, PENDING, CANCELED = "active", "pending", "canceled"


class OpeItem(msgspec.Struct, frozen=True, gc=False):
    """One bought thing: a product on a plan. `price` is minor units an interval, for one."""

    product: str
    plan: str
    price: int
    quantity: int = 1


class OpeChange(msgspec.Struct, frozen=True, gc=False):
    """A change on its way between OPE and Stripe. `request` is the name of the message that asked for it.

    `items` and `interval` are what is to stand; without items the subscription ends. `due_ms`: it stands from then on; None: once it is through.
    `grows`: it stands at Stripe first, paid for, and in OPE then; one that shrinks stands in OPE first. `resets`: a period begins with it.
    `asked`: Stripe has been asked, and what is left is to wait. `at_s`: the unix second by which it is prorated. `replaces`: the change that Stripe
    waits to be paid for until it takes this one. The rest is how it is paid.
    """

    request: str
    items: tuple[OpeItem, ...] = ()
    interval: str = "month"
    due_ms: int | None = None
    grows: bool = False
    resets: bool = False
    asked: bool = False
    at_s: int = 0
    on_session: bool = False
    payment_behavior: str = "allow_incomplete"
    proration_behavior: str = "none"
    replaces: OpeChange | None = None


class OpeSubscription(Row, frozen=True, gc=False):
    """A subscription of record (`key` is its id), and its counterpart at Stripe, `stripe_subscription`.

    `status` is `active`, `canceled`, or `pending` for a purchase that is not confirmed. `scheduled` is a change that is not through; `requests`
    names the last ones that were taken up.
    """

    key: str
    status: str = ACTIVE
    stripe_subscription: str = ""
    interval: str = "month"
    items: tuple[OpeItem, ...] = ()
    scheduled: OpeChange | None = None
    requests: tuple[str, ...] = ()

    def is_unfinished(self, now_ms: int) -> bool:
        """Whether a change is to be carried on with: it is not through, and it does not merely wait for its day."""
        change = self.scheduled
        if change is None:
            return False
        return change.due_ms is None or now_ms >= change.due_ms or not (change.asked or change.resets)

    @property
    def billed_items(self) -> tuple[OpeItem, ...]:
        """What Stripe is to hold: what stands, unless a change that has been put to Stripe takes effect with the next period."""
        change = self.scheduled
        if change is not None and change.due_ms is not None and change.asked and change.items:
            return change.items
        return self.items


SCHEMA = Schema("ope", OpeSubscription, frozenset({"engine"}), many=True)
