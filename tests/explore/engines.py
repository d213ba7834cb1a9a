"""Engines for the tests of exploration, each named as a user names their own: `tests.explore.engines:torn`."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import Recompute
from billsim.ports import AccountState, Act, CallStripe, Component, GatherAll, Message, Read, Steps, Write
from tests.explore.tiny import Tiny


def _chases_who_looks_torn(message: Message) -> Steps:
    """Bans whoever has moved without the new date, which never was so at any instant."""
    state: AccountState = yield GatherAll(message.account, ("subs_dunning", "subs_account"))
    moved = state.profile is not None and state.profile.country == "NZ"
    dated = state.dunning is not None and state.dunning.since_ms == 5
    if moved and not dated:
        yield Act("ban", message.account, "in_ada_1", "ban")


def _moves(message: Message) -> Steps:
    yield Write("subs_dunning", message.account, {"since_ms": 5})
    yield Write("subs_account", message.account, {"country": "NZ"})


def torn() -> Tiny:
    """Falls only where one gather reads its branches at different instants."""
    return Tiny([_chases_who_looks_torn, _moves])


def _counts(message: Message) -> Steps:
    """Counts by a read and a write; the last request bans whoever was counted once only."""
    row = yield Read("subs_account", message.account)
    if message.name.endswith("row2.recompute"):
        if row.country == "1":
            yield Act("ban", message.account, "in_ada_1", "ban")
    else:
        yield Write("subs_account", message.account, {"country": "2" if row.country == "1" else "1"})


def loses() -> Tiny:
    """Falls where one of two updates is lost between a read and a write."""
    return Tiny([_counts])


class Restless(Recompute):
    """`recompute`, and a handler of its own that is woken as well."""

    def __init__(self, handle: object, kinds: tuple[str, ...]) -> None:
        super().__init__(DunningPolicy())
        self.components = {**self.components, "restless": Component("restless", "engine", handle)}  # type: ignore[arg-type]
        self._kinds = kinds

    def wakes(self, message: Message) -> tuple[str, ...]:
        own = ("restless",) if message.kind in self._kinds else ()
        return (*super().wakes(message), *own)


def _counts_looks(message: Message) -> Steps:
    """Not idempotent: each request is counted in the profile."""
    row = yield Read("subs_account", message.account)
    yield Write("subs_account", message.account, {"country": row.country + "+"})


def counts_requests() -> Restless:
    """Writes at each request to recompute."""
    return Restless(_counts_looks, ("request.recompute",))


def _counts_failures(message: Message) -> Steps:
    """Not invariant: each delivery of a failure is an entry of the ledger."""
    told = {"kind": "charge", "object_id": message.name, "status": "failed", "currency": "usd"}
    amounts = {"amount_due": 2000, "amount_paid": 0, "amount_remaining": 0, "sequence": 0}
    yield Write("billing_prod", message.account, {**told, **amounts}, message.name)


class _Hears(Restless):
    def wakes(self, message: Message) -> tuple[str, ...]:
        return ("restless",) if message.kind == "stripe.charge.failed" else ()


def counts_deliveries() -> Restless:
    """Counts the failures that it hears of, a delivered copy for one more."""
    return _Hears(_counts_failures, ())


def _believes_the_last(message: Message) -> Steps:
    """Not invariant under splits: what the latest event said of the charge stands."""
    kind = message.kind.rpartition(".")[2]
    state: AccountState = yield GatherAll(message.account)
    told = {"account_type": f"{kind} {message.event.data.object.id}"}
    yield CallStripe("customers.update", message.account, state.stripe.customer.id, {"metadata": told})


class _Believes(Restless):
    def wakes(self, message: Message) -> tuple[str, ...]:
        return ("restless",) if message.kind.startswith("stripe.charge.") else ()


def believes_events() -> Restless:
    """The last arrival wins."""
    return _Believes(_believes_the_last, ())


def _writes_twice(message: Message) -> Steps:
    state: AccountState = yield GatherAll(message.account)
    if state.dunning is not None:
        yield Write("subs_dunning", message.account, {"status": state.dunning.status})


def _remembers_who_was_late(message: Message) -> Steps:
    """Not invariant under splits: the ledger has an entry for what was heard of late."""
    if message.at_ms - message.event.created * 1000 > 60_000:
        told = {"kind": "charge", "object_id": "late", "status": "failed", "currency": "usd"}
        amounts = {"amount_due": 2000, "amount_paid": 0, "amount_remaining": 0, "sequence": 0}
        yield Write("billing_prod", message.account, {**told, **amounts}, "late")


def minds_lateness() -> Restless:
    """Derives something from when it hears of things."""
    return _Hears(_remembers_who_was_late, ())


def writes_what_is() -> Restless:
    """Writes the status that it was shown."""
    return Restless(_writes_twice, ("request.recompute",))
