"""What has ended at Stripe, and is not owed for, is not bought any more: a cancel there is terminal, and whoever comes back buys anew.

While something is owed for it, dunning says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.engine.payments import has_ended
from billsim.ports import AccountState, CompareAndSet, Effect
from billsim.stores.ope import ACTIVE, CANCELED, OpeSubscription

_OWED = ("open", "uncollectible")


def ended_unowed(state: AccountState) -> list[OpeSubscription]:
    """The subscriptions of record in force whose counterpart has ended, without a change on its way and without a debt."""
    at_stripe = state.stripe.subscriptions
    over = [row for row in state.ope.values() if row.status == ACTIVE and row.scheduled is None and has_ended(at_stripe.get(row.stripe_subscription))]
    return [row for row in over if not _is_owed_for(state, row.stripe_subscription)]


def in_vain(state: AccountState, row: OpeSubscription) -> bool:
    """Whether a change waits for a day that the subscription has not lived to see."""
    change = row.scheduled
    return change is not None and change.due_ms is not None and has_ended(state.stripe.subscriptions.get(row.stripe_subscription))


def follow(state: AccountState) -> Generator[Effect, Any, bool]:
    """Say so in OPE. Answer: whether there was anything to say, and so another gather is due."""
    over = ended_unowed(state)
    for row in over:
        yield CompareAndSet("ope", state.account, row.version, {"status": CANCELED}, row.key)
    return bool(over)


def _is_owed_for(state: AccountState, subscription: str) -> bool:
    invoices = state.stripe.invoices.values()
    return any(each.subscription == subscription and each.status in _OWED and each.amount_remaining > 0 for each in invoices)
