"""What a world is at an instant, as a value: two orders that lead to equal states go on alike, so one of them will do.

A state is everything that what follows may depend on: rows, objects at Stripe, what waits, what each running task has been answered, what the parts
of the platform remember, and what the checks have seen. Of the clock it holds the instant, so states are equal only where the clock stands while
things race. What only the figures of a run are made of is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, is_
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from billsim.core.at_least_once import Parcel
from billsim.core.kernel import Call, Wake
from billsim.explore.rewind import Said, Tape
from billsim.ports import AccountState, StripeState
from billsim.runtime.gather import GATHERED
from billsim.runtime.task import Task
from billsim.stores.base import Shard, Undo
from billsim.stripe.objects import Book
from billsim.world import World


def _value_of(thing: Any) -> Any:
    """What stands for something that has no encoding of its own: a set in one order, a failure by its type and text, anything else by its text."""
    if isinstance(thing, (set, frozenset)):
        return sorted(thing)
    return f"{type(thing).__name__} {thing}" if isinstance(thing, Exception) else repr(thing)


encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_value_of).encode
_BOOK = tuple(name for name in Book.__slots__ if name != "id")
_objects = attrgetter(*_BOOK)
# Each store, and where an AccountState has its rows.
_FIELDS = tuple(zip([name for name in GATHERED if not name.startswith("stripe.")], AccountState.__struct_fields__[1:8], strict=True))
_STORES = tuple(name for name, _ in _FIELDS)
_NOTHING: tuple[list[Any], list[Any]] = ([], [])
# The running gathers: label -> the shard that is read, and how many writes to it had been remembered when the gather began, and after each step that
# wrote since.
Gathers = dict[str, tuple[Shard, tuple[int, ...]]]
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
        # Of each account the rows and objects that were digested last, and their digests.
        self._rows: dict[str, tuple[list[Any], list[Any]]] = {}

    def name(self, gathers: Gathers) -> str:
        """A digest of the state that the world is in."""
        world = self._world
        accounts = [self._of_shard(shard, gathers) for shard in world.stores.shards.values()]
        waiting = [self.of_wake(wake) for wake in world.kernel.waiting()]
        tasks = sorted([self._of_task(task, gathers) for task in world.runtime.running.values()])
        state = (world.kernel.now, accounts, waiting, tasks, self._failed, self._engine(), _memory(world))
        return xxh3_128_hexdigest(encode(state))

    def stored(self) -> str:
        """A digest of all that is stored."""
        shards = self._world.stores.shards.values()
        return xxh3_128_hexdigest(encode([self._of_rows(shard) for shard in shards]))

    def of_wake(self, wake: Wake) -> tuple[int, str]:
        """When it is due, and what it is."""
        if not isinstance(wake, Call):
            return wake.due_ms, what_of(wake)
        known = self._calls.get(wake)
        if known is None:
            known = self._calls[wake] = what_of(wake)
        return wake.due_ms, known

    def _of_shard(self, shard: Shard, gathers: Gathers) -> list[Any]:
        account = shard.account
        state = self._of_rows(shard)
        state += (shard.pending, shard.timers, sorted(shard.actions.items()), shard.judged.state() if shard.judged is not None else None)
        if shard.undo:
            began = min([steps[0] for gathered, steps in gathers.values() if gathered is shard], default=0)
            state += [self._undone(account, undo) for undo in shard.undo[began:]]
        return state

    def _of_rows(self, shard: Shard) -> list[Any]:
        account, rows, many, book = shard.account, shard.rows, shard.many, shard.stripe
        held = [rows.get(name) or many.get(name) for name in _STORES]
        if book is not None:
            held += _objects(book)
        was, digests = self._rows.get(account, _NOTHING)
        if len(was) != len(held) or not all(map(is_, was, held)):
            names = _STORES if book is None else (*_STORES, *_BOOK)
            digests = [self._digest(account, name, each) for name, each in zip(names, held, strict=True)]
            self._rows[account] = held, digests
        return digests[:]

    def _undone(self, account: str, undo: Undo) -> tuple[str, str, int]:
        return undo.store, undo.key, self._digest(account, f"undo {undo.store} {undo.key}", undo.old)

    def _of_task(self, task: Task, gathers: Gathers) -> tuple[str, int, str, list[int]]:
        """What a task goes on with: what it has been answered so far, what it waits for, and what others wrote since its gather began."""
        gather = gathers.get(task.label)
        since = [] if gather is None else [len(gather[0].undo) - step for step in gather[1]]
        return task.name, self._heard(task), type(task.effect).__name__, since

    def _heard(self, task: Task) -> int:
        tape: Tape = task.steps  # type: ignore[assignment]
        said, unnamed, digest = tape.said, list[Said](), 0
        while said is not None:
            if said.digest:
                digest = said.digest
                break
            unnamed.append(said)
            said = said.before
        for each in reversed(unnamed):
            value = self._of_state(each.answer) if isinstance(each.answer, AccountState) else (each.answer, each.failure)
            digest = each.digest = xxh3_64_intdigest(encode(value), digest)
        return digest

    def _of_state(self, state: AccountState) -> list[Any]:
        account, stripe = state.account, state.stripe
        digests: list[Any] = [self._digest(account, name, getattr(state, field)) for name, field in _FIELDS]
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


def what_of(wake: Wake) -> str:
    """What it is that waits: as a name that it has in every order. Raises TypeError for something that waits and is no value."""
    if isinstance(wake, Task):
        return wake.label or wake.name
    if isinstance(wake, Parcel):
        return wake.label
    if isinstance(wake, Call):
        return wake.label or wake.what
    raise TypeError(f"{type(wake).__name__} waits, and is no value")


def _memory(world: World) -> list[Any]:
    return [
        world.pipe.memory(),
        world.domain_events.memory(),
        world.async_processing.memory(),
        world.stripe.memory(),
        world.judge.memory(),
        sorted(world.storyteller.returns_after_ms.items()),
    ]
