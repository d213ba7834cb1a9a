"""What a world is at an instant, as a value: two orders that lead to equal states go on alike, so one of them will do.

A state is everything that what follows may depend on: rows, objects at Stripe, what waits, what each running task has been answered, what the parts of
the platform remember, and what the checks have seen. Of the clock it holds the instant, so states are equal only where the clock stands while things
race. What only the figures of a run are made of is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from billsim.core.at_least_once import Parcel
from billsim.core.kernel import Call, Wake
from billsim.explore.rewind import Tape
from billsim.ports import AccountState, StripeState
from billsim.runtime.gather import GATHERED
from billsim.runtime.task import Task
from billsim.stores.base import Shard, Undo
from billsim.world import World


def _value_of(thing: Any) -> Any:
    """What stands for something that has no encoding of its own: a set in one order, a failure by its type and text, anything else by its text."""
    if isinstance(thing, (set, frozenset)):
        return sorted(thing)
    return f"{type(thing).__name__} {thing}" if isinstance(thing, Exception) else repr(thing)


encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_value_of).encode
_BOOK = ("customer", "payment_methods", "subscriptions", "invoices", "payment_intents", "charges")
_ROWS = ("dunning", "profile", "customer", "ledger", "entitlements", "ope", "zones")
# Of each row or set of rows the latest digests are kept; what is older is encoded again.
_KEPT = 16


class States:
    """Names the states of one world, and of every moment that it is taken back to. What has been digested lately is not encoded again."""

    def __init__(self, world: World, failed: Sequence[str], engine: Callable[[], Any]) -> None:
        """`failed`: the tasks whose component has raised so far; `engine`: what the engine itself remembers."""
        self._world = world
        self._failed = failed
        self._engine = engine
        self._digests: dict[tuple[str, str], list[tuple[Any, int]]] = {}
        self._calls: dict[Call, str] = {}

    def name(self, gathers: dict[str, int]) -> str:
        """A digest of the state that the world is in. `gathers`: of each running gather, how much of what had been undone lies before it."""
        world = self._world
        accounts = [self._of_shard(shard, gathers) for shard in world.stores.shards.values()]
        waiting = sorted([self.of_wake(wake) for wake in world.kernel.waiting()])
        tasks = sorted([self._of_task(task) for task in world.runtime.running.values()])
        state = (world.kernel.now, accounts, waiting, tasks, self._failed, self._engine(), _memory(world))
        return xxh3_128_hexdigest(encode(state))

    def of_wake(self, wake: Wake) -> tuple[int, str]:
        """When it is due, and what it is. Raises TypeError for something that waits and is no value."""
        if isinstance(wake, Task):
            return wake.due_ms, wake.label or wake.name
        if isinstance(wake, Parcel):
            return wake.due_ms, wake.label
        if isinstance(wake, Call):
            known = self._calls.get(wake)
            if known is None:
                known = self._calls[wake] = f"{wake.label} {wake.what}"
            return wake.due_ms, known
        raise TypeError(f"{type(wake).__name__} waits, and is no value")

    def _of_shard(self, shard: Shard, gathers: dict[str, int]) -> list[Any]:
        account = shard.account
        state: list[Any] = [self._digest(account, name, row) for name, row in shard.rows.items()]
        state += [self._digest(account, name, rows) for name, rows in shard.many.items()]
        book = shard.stripe
        if book is not None:
            state += [self._digest(account, name, getattr(book, name)) for name in _BOOK]
        state += (shard.pending, shard.timers, sorted(shard.actions.items()), shard.judged.state() if shard.judged is not None else None)
        if shard.undo:
            state += (self._undone(account, undo) for undo in shard.undo[min(gathers.values(), default=0) :])
        return state

    def _undone(self, account: str, undo: Undo) -> tuple[str, str, int]:
        return undo.store, undo.key, self._digest(account, f"undo {undo.store} {undo.key}", undo.old)

    def _of_task(self, task: Task) -> tuple[str, int, str]:
        """What a task goes on with: what it has been answered so far, and what it waits for."""
        return task.name, self._heard(task), type(task.effect).__name__

    def _heard(self, task: Task) -> int:
        tape: Tape = task.steps  # type: ignore[assignment]
        heard = tape.heard
        for answer, failure in tape.answers[len(heard) :]:
            value = self._of_state(answer) if isinstance(answer, AccountState) else (answer, failure)
            heard.append(xxh3_64_intdigest(encode(value), heard[-1] if heard else 0))
        return heard[-1]

    def _of_state(self, state: AccountState) -> list[Any]:
        account, stripe = state.account, state.stripe
        digests: list[Any] = [self._digest(account, name, getattr(state, name)) for name in _ROWS]
        digests += [self._digest(account, name, getattr(stripe, name)) for name in StripeState.__struct_fields__]
        return [digests, state.shared_with]

    def _digest(self, account: str, name: str, part: Any) -> int:
        if not part:
            return 0
        known = self._digests.setdefault((account, name), [])
        for held, digest in known:
            if held is part:
                return digest
        digest = xxh3_64_intdigest(encode(part))
        known.insert(0, (part, digest))
        del known[_KEPT:]
        return digest


def _memory(world: World) -> list[Any]:
    return [
        world.pipe.memory(),
        world.domain_events.memory(),
        world.async_processing.memory(),
        world.stripe.memory(),
        world.judge.memory(),
        sorted(world.storyteller.returns_after_ms.items()),
    ]


def parts_of(shard: Shard) -> Iterator[tuple[str, Any]]:
    """All that is stored of an account, by the names that a gather has for it."""
    yield from shard.rows.items()
    yield from shard.many.items()
    if shard.stripe is not None:
        for kind in _BOOK:
            yield f"stripe.{kind}", getattr(shard.stripe, kind)
