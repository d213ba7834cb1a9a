"""What has ended at Stripe, and is not owed for, is not bought any more: a cancel there is terminal, and whoever comes back buys anew.

While something is owed for it, dunning says what becomes of it.
"""

from __future__ import annotations

from billsim.engine.payments import has_ended
from billsim.ports import AccountState, CompareAndSet, Steps
from billsim.stores.ope import ACTIVE, CANCELED, OpeSubscription

_OWED = ("open", "uncollectible")


def ended_unowed(state: AccountState) -> list[OpeSubscription]:
    """The subscriptions of record in force whose counterpart has ended, without a change on its way and without a debt."""
    at_stripe, over = state.stripe.subscriptions, []
    for row in state.ope.values():
        if row.status != ACTIVE or row.scheduled is not None:
            continue
        if has_ended(at_stripe.get(row.stripe_subscription)) and not _is_owed_for(state, row.stripe_subscription):
            over.append(row)
    return over


def in_vain(state: AccountState, row: OpeSubscription) -> bool:
    """Whether a change waits for a day that the subscription has not lived to see."""
    change = row.scheduled
    return change is not None and change.due_ms is not None and has_ended(state.stripe.subscriptions.get(row.stripe_subscription))


def follow(state: AccountState, over: list[OpeSubscription]) -> Steps:
    """Say in OPE that these are over. Another gather is due then."""
    for row in over:
        yield CompareAndSet("ope", state.account, row.version, {"status": CANCELED}, row.key)


def _is_owed_for(state: AccountState, subscription: str) -> bool:
    invoices = state.stripe.invoices.values()
    return any(each.subscription == subscription and each.status in _OWED and each.amount_remaining > 0 for each in invoices)
