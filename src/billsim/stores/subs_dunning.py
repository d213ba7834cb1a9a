"""subs_dunning: where the engine keeps an account's dunning state. Single writer, low drift risk."""

from __future__ import annotations

from billsim.core.policy import HEALTHY
from billsim.stores.base import Row, Schema


class DunningRow(Row, frozen=True, gc=False):
    """Dunning state of an account.

    `escalation_level`: 0 healthy, 1 notified, 2 notified again, 3 flagged and cancelled, 4 banned. `since_ms`: when the status was entered.
    `intent`: the keys of steps that a running apply has made durable and not yet finished. `done`: the keys of consequences that
    were executed, and of notices that were handed to e-mail. `next_boundary_ms`: the delayed message that is already on its way.
    """

    status: str = HEALTHY
    retry_count: int = 0
    escalation_level: int = 0
    since_ms: int = 0
    intent: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    next_boundary_ms: int | None = None


SCHEMA = Schema("subs_dunning", DunningRow, frozenset({"engine"}))
