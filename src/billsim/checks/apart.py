"""What is set apart: disagreements that stood from the beginning and that no engine could mend. They are counted by themselves, and are no drift."""

from __future__ import annotations

from billsim.checks.codes import LEDGER_DRIFT, STRIPE_DRIFT
from billsim.stores.base import Stores


def set_apart(stores: Stores) -> set[tuple[str, str]]:
    """Account and code of each: whose the account is at Stripe, entries of objects that Stripe never had, and what has no price there."""
    found = set()
    for shard in stores.awake():
        watch = shard.judged
        if watch is None:
            continue
        if not watch.expected.applies:
            found.update([(shard.account, code) for code in watch.copies.accepted])
        if watch.ledger.unhealable:
            found.add((shard.account, LEDGER_DRIFT))
        if watch.copies.unbilled:
            found.add((shard.account, STRIPE_DRIFT))
    return found
