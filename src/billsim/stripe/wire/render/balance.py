"""What a charge or a refund makes of the account's balance. The simulation keeps no balance: its transactions are derived from what moved it."""

from __future__ import annotations

from billsim.stripe.objects import BalanceTransaction, Charge, Refund
from billsim.stripe.wire.render.base import View

# A US account's price for cards, of https://stripe.com/pricing: 2.9% and 30 cents.
PER_MILLE, FIXED = 29, 30
_PREFIX = "txn_"
_MOVERS = ("ch_", "py_", "re_", "pyr_")


def moved_by(thing: Charge | Refund) -> BalanceTransaction | None:
    """The balance transaction of a charge that brought money, or of a refund that took it; None where nothing moved."""
    if isinstance(thing, Charge):
        amount, kind = (thing.amount_captured if thing.status == "succeeded" else 0), "charge"
        fee = (amount * PER_MILLE + 500) // 1000 + FIXED if amount else 0
    else:
        amount, fee, kind = (-thing.amount if thing.status == "succeeded" else 0), 0, "refund"
    if not amount or thing.says("balance_transaction", amount) is None:
        return None
    id = _PREFIX + thing.id.partition("_")[2]
    return BalanceTransaction(id=id, amount=amount, fee=fee, net=amount - fee, created=thing.created, currency=thing.currency, type=kind)


def mover(id: str, view: View) -> Charge | Refund | None:
    """The charge or refund that a balance transaction is of."""
    if id.startswith(_PREFIX):
        for prefix in _MOVERS:
            thing = view.find(prefix + id[len(_PREFIX) :])
            if isinstance(thing, (Charge, Refund)):
                return thing
    return None
