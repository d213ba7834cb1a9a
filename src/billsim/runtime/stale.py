"""Reads that are answered with what is no longer so: by a replica that is behind, or by a cache whose copies outlive their time. Only where such a
fault is on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from billsim.ports import AccountState, GatherAll, Read, Scan
from billsim.runtime.gather import branches
from billsim.runtime.task import FIELDS, Task
from billsim.stores import facade_cache
from billsim.stores.base import Shard, Stores

CACHE = facade_cache.SCHEMA.name
# Kept in the cache's store for what they are: the answers that make a repeated request harmless, and the counters of the limits.
NO_COPIES = ("answer/", "limit/")
STALE_CACHE_SERVED, STALE_REPLICA_READ = "stale_cache_served", "stale_replica_read"

Perform = Callable[[Task, Any], Any]
Mark = Callable[[str, Task], None]


class Behind(Protocol):
    """The faults that reads are exposed to."""

    @property
    def longest_ms(self) -> int:
        """How far back any answer may lie."""
        ...

    def replica_lag_ms(self, task: str, account: str, what: str) -> int:
        """How far the replica is behind that answers a task's read of `what`; 0: it is not. Asked once for each."""
        ...

    def cache_lag_ms(self, task: str, account: str, what: str) -> int:
        """How old the cache is that answers a task's read of `what`; 0: it is as it should be. Asked once for each."""
        ...


class Old(NamedTuple):
    """What a row was until an instant."""

    until_ms: int
    store: str
    key: str
    row: Any


class History:
    """What the rows of each account were of late. `longest_ms`: how far back that goes."""

    def __init__(self, longest_ms: int) -> None:
        self._longest_ms = longest_ms
        self._kept: dict[str, deque[Old]] = {}

    def overwritten(self, at: int, shard: Shard, store: str, key: str, old: Any) -> None:
        """A row gives way to another."""
        kept = self._kept.setdefault(shard.account, deque())
        while kept and kept[0].until_ms < at - self._longest_ms:
            kept.popleft()
        kept.append(Old(at, store, key, old))

    def since(self, account: str, store: str, instant_ms: int) -> dict[str, Any]:
        """The rows of a store that have moved after an instant, by key (the store's own name where it holds one row), as they were then."""
        found: dict[str, Any] = {}
        for old in self._kept.get(account, ()):
            if old.store == store and old.until_ms > instant_ms:
                found.setdefault(old.key, old.row)
        return found

    def accounts(self, store: str, instant_ms: int) -> list[str]:
        """Whose rows of a store have moved after an instant."""
        return [account for account in self._kept if self.since(account, store, instant_ms)]


class StaleReads:
    """Stands between reads and what performs them. `perform`: how each effect is performed where nothing is stale."""

    def __init__(self, behind: Behind, stores: Stores, perform: Mapping[type, Perform], mark: Mark, now: Callable[[], int]) -> None:
        self._behind = behind
        self._stores = stores
        self._perform = dict(perform)
        self._mark = mark
        self._now = now
        self._history = History(behind.longest_ms)
        stores.overwritten = self._history.overwritten

    def read(self, task: Task, effect: Read) -> Any:
        """Perform a read."""
        answer = self._perform[Read](task, effect)
        if effect.store == CACHE:
            return self._from_cache(task, effect, answer)
        lag_ms = self._lag(task, effect.store, effect.account, effect.key or effect.account)
        moved = self._history.since(effect.account, effect.store, self._now() - lag_ms) if lag_ms else {}
        if not moved or (effect.key is not None and effect.key not in moved):
            return answer
        if not self._stores.schemas[effect.store].many:
            answer = moved[effect.store]
        else:
            answer = _rows(answer, moved) if effect.key is None else moved[effect.key]
        return self._shown(task, STALE_REPLICA_READ, self._now() - lag_ms, answer)

    def scan(self, task: Task, effect: Scan) -> Any:
        """Perform a scan: all of its rows come from one replica."""
        answer = self._perform[Scan](task, effect)
        now = self._now()
        if task.component.primary or not self._history.accounts(effect.store, now - self._behind.longest_ms):
            return answer
        lag_ms = self._behind.replica_lag_ms(task.name, "", _named(task, f"replica/{effect.store}/scan"))
        moved = {account: self._history.since(account, effect.store, now - lag_ms) for account in self._history.accounts(effect.store, now - lag_ms)}
        if not lag_ms or not moved:
            return answer
        rows = tuple(self._scanned(effect, answer, moved))
        return answer if rows == answer else self._shown(task, STALE_REPLICA_READ, now - lag_ms, rows)

    def gather(self, task: Task, effect: GatherAll) -> Any:
        """Perform a gather: each of its branches goes to a replica of its own."""
        state: AccountState = self._perform[GatherAll](task, effect)
        (now, read_at), _, _ = task.seen.pop()
        then, fields = dict(read_at), dict[str, Any]()
        for store in branches(effect.parts).rows:
            lag_ms = self._lag(task, store, effect.account, "gather") if store else 0
            if lag_ms and (moved := self._history.since(effect.account, store, now - lag_ms)):
                held = getattr(state, FIELDS[store])
                fields[FIELDS[store]] = _rows(held, moved) if self._stores.schemas[store].many else moved[store]
                then[store] = now - lag_ms
        if fields:
            state = replace(state, **fields)
            self._mark(STALE_REPLICA_READ, task)
        task.seen.append(((now, then), effect, state))
        return state

    def _lag(self, task: Task, store: str, account: str, what: str) -> int:
        """How far behind the replica is; nothing is asked where that would change nothing."""
        if task.component.primary or not self._history.since(account, store, self._now() - self._behind.longest_ms):
            return 0
        return self._behind.replica_lag_ms(task.name, account, _named(task, f"replica/{store}/{what}"))

    def _from_cache(self, task: Task, effect: Read, held: Any) -> Any:
        """What the cache answers; a copy that should be gone is shown as if its time had not run out."""
        key, now = effect.key or "", self._now()
        if key.startswith(NO_COPIES):
            return held
        expired = held is not None and held.value is not None and held.until_ms <= now
        if not expired and key not in self._history.since(effect.account, CACHE, now - self._behind.longest_ms):
            return held
        lag_ms = self._behind.cache_lag_ms(task.name, effect.account, _named(task, f"cache/{key}"))
        then = self._history.since(effect.account, CACHE, now - lag_ms).get(key, held)
        if not lag_ms or then is None or then.value is None or (then is held and now < then.until_ms):
            return held
        return self._shown(task, STALE_CACHE_SERVED, now - lag_ms, replace(then, until_ms=now + 1))

    def _scanned(self, effect: Scan, answer: Sequence[Any], moved: Mapping[str, Mapping[str, Any]]) -> list[Any]:
        """The rows of the scan as they were, in the order of the accounts."""
        rows = [row for row in answer if row.account not in moved]
        for account, before in moved.items():
            held = self._stores.read(effect.store, account)
            many = self._stores.schemas[effect.store].many
            then = _rows(held, before).values() if many else [before[effect.store]]
            rows += [row for row in then if row is not None and all(getattr(row, field) in values for field, values in effect.where.items())]
        place = {account: nth for nth, account in enumerate(self._stores.names)}
        return sorted(rows, key=lambda row: place[row.account])

    def _shown(self, task: Task, mark: str, as_of_ms: int, answer: Any) -> Any:
        """The task has not seen what is so now, but this, as of then."""
        _, effect, _ = task.seen.pop()
        task.seen.append((as_of_ms, effect, answer))
        self._mark(mark, task)
        return answer


def _named(task: Task, what: str) -> str:
    """What is read, `#n` for the n-th time that the task does so."""
    return task.name_of(what)[len(task.name) + 1 :]


def _rows(held: Mapping[str, Any], moved: Mapping[str, Any]) -> dict[str, Any]:
    """Rows by key, with those that have moved as they were; None stands for one that was not there."""
    return {key: row for key, row in {**held, **moved}.items() if row is not None}
