"""What the engine orders of itself through async-processing, to be done a little later and in batches."""

from __future__ import annotations

from billsim.ports import Consequence, Send

EMAIL = "async.email"
PLAN_LEVELS = "async.plan_levels"


def notice(account: str, consequence: Consequence) -> Send:
    """Tell the customer what a `notify` consequence says. Its key is all that travels: what it says is decided again when it is sent."""
    return Send(EMAIL, account, {"key": consequence.key})


def plan_levels(account: str) -> Send:
    """Bring the levels of the account's zones to its plan."""
    return Send(PLAN_LEVELS, account)
