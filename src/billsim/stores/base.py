"""What every store has in common: its schema, who may write it, row versions, compare-and-set, and one shard of rows per account.

A store defines schema and writers, not layout: the rows of one account lie together in its `Shard`, so that gathering an account is
cheap and nothing ever scans the population. Reads are read-committed: a reader that waits between its read and its write can lose an update.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec


class _Owned(msgspec.Struct, frozen=True, gc=False):
    account: str


class Row(_Owned, frozen=True, gc=False, kw_only=True):
    """A row of a store. `version` rises by one with every write of the row; a row never written has no version."""

    version: int = 0


class Schema(NamedTuple):
    """A store: its name, its rows' type, who may write it, and whether an account holds one row or many (by key).

    `append_only`: a key once written is never written again.
    """

    name: str
    row: type[Row]
    writers: frozenset[str]
    many: bool = False
    append_only: bool = False


class OwnershipError(Exception):
    """A component that is not among a store's writers tried to write it: a finding, never a silent pass."""

    def __init__(self, store: str, writer: str) -> None:
        super().__init__(store, writer)
        self.store = store
        self.writer = writer

    def __str__(self) -> str:
        return f"{self.writer} is not among the writers of {self.store}"


class AppendOnlyError(Exception):
    """A second write to a key of an append-only store."""

    def __init__(self, store: str, key: str) -> None:
        super().__init__(store, key)

    def __str__(self) -> str:
        return f"{self.args[0]} is append only and already holds {self.args[1]}"


class Undo(NamedTuple):
    """What a row was before a write: how a read at an earlier instant of a running gather is answered."""

    at: int
    store: str
    key: str
    old: Any


class Shard:
    """All rows of one account, in every store, and its Stripe side (`stripe`, which the simulated Stripe fills).

    `pending` counts the messages and running handlers that are on their way for the account; `timers` holds the instants of its delayed messages.
    `authority` rises when anything that truth is made of has changed; `fresh` holds the trace records written in the running step.
    """

    __slots__ = ("account", "rows", "many", "stripe", "pending", "timers", "authority", "fresh", "gathers", "undo", "judged", "actions")

    def __init__(self, account: str) -> None:
        self.account = account
        self.rows: dict[str, Any] = {}
        self.many: dict[str, dict[str, Any]] = {}
        self.stripe: Any = None
        self.pending = 0
        self.timers: list[int] = []
        self.authority = 0
        self.fresh: list[Any] = []
        self.gathers = 0
        self.undo: list[Undo] = []
        self.judged: Any = None
        self.actions: dict[str, int] = {}

    def one(self, store: str) -> Any:
        """The account's row in a store of one row per account, or None."""
        return self.rows.get(store)

    def all(self, store: str) -> Mapping[str, Any]:
        """The account's rows in a store of many, by key."""
        return self.many.get(store) or {}

    def remember(self, at: int, store: str, key: str, old: Any) -> None:
        """Keep what a row was, while a gather of the account is under way."""
        if self.gathers:
            self.undo.append(Undo(at, store, key, old))


class Written(NamedTuple):
    """The outcome of a write: the row before (None for a new one) and after."""

    old: Any
    new: Any


class Change(msgspec.Struct, frozen=True, gc=False):
    """One row of a transaction: the fields to set, if the row has this version (0: it must not be there; None: whatever it has)."""

    account: str
    fields: dict[str, Any]
    key: str | None = None
    version: int | None = None


class Stores:
    """Every account's shard, the schemas, and the index from Stripe customer to accounts.

    An account may sleep: it is known by name, and its rows are made when it is first asked for, by whatever road. Only then `by_customer` knows it.
    `greet` is told of each account that wakes, before anybody else sees it; `overwritten`, where it is set, of each row that gives way to another:
    (instant, shard, store, key, old row).
    """

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = dict(schemas)
        self.by_customer: dict[str, tuple[str, ...]] = {}
        self.greet: Callable[[Shard], None] = _leave
        self.overwritten: Callable[[int, Shard, str, str, Any], None] | None = None
        # None stands for an account that sleeps. Waking takes its own place, so that the order is that in which the accounts came.
        self._shards: dict[str, Shard | None] = {}
        self._asleep = 0
        self._make: Callable[[Shard], None] = _leave
        self._look_for: Callable[[str], None] = _leave
        self._alike: Mapping[str, Mapping[str, Any]] = {}

    def shard(self, account: str) -> Shard:
        """The account's shard; made when it is first asked for."""
        return self._shards.get(account) or self._enter(account)

    def get(self, account: str) -> Shard | None:
        """The account's shard, or None where there is no such account."""
        found = self._shards.get(account)
        return self._enter(account) if found is None and account in self._shards else found

    def _enter(self, account: str) -> Shard:
        """An account nobody has heard of, or one that sleeps: it is in its place before its rows are made, so that these may be looked for."""
        slept = account in self._shards
        shard = self._shards[account] = Shard(account)
        if slept:
            self._asleep -= 1
            self._make(shard)
            self.greet(shard)
        return shard

    def sleep(
        self, accounts: Iterable[str], make: Callable[[Shard], None], look_for: Callable[[str], None], alike: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Take in accounts that sleep, once. `make` fills the shard of one that wakes; `look_for` asks for the account that a Stripe customer is of.

        `alike`: fields that are the same in all of their rows, by store.
        """
        before = len(self._shards)
        for account in accounts:
            self._shards.setdefault(account, None)
        self._asleep = len(self._shards) - before
        self._make, self._look_for, self._alike = make, look_for, alike

    def sleeps(self, account: str) -> bool:
        """Whether nobody has asked for the account so far."""
        return account in self._shards and self._shards[account] is None

    def awake(self) -> list[Shard]:
        """The shards of the accounts that do not sleep, in the order in which the accounts came."""
        return [shard for shard in self._shards.values() if shard is not None]

    @property
    def names(self) -> Collection[str]:
        """Every account, awake or asleep, in the order in which they came."""
        return self._shards.keys()

    @property
    def shards(self) -> dict[str, Shard]:
        """Every account's shard, in the order in which the accounts came. Nobody sleeps from now on."""
        self.wake_all()
        return cast("dict[str, Shard]", self._shards)

    def wake_all(self) -> None:
        """Nobody sleeps from now on."""
        if self._asleep:
            for account in [account for account, shard in self._shards.items() if shard is None]:
                self._enter(account)

    def forget(self, account: str) -> None:
        """The account leaves, with all its rows."""
        shard = self.shard(account)
        mapping = shard.rows.get("subs_customer")
        if mapping is not None and mapping.stripe_customer in self.by_customer:
            left = tuple(each for each in self.by_customer.pop(mapping.stripe_customer) if each != account)
            if left:
                self.by_customer[mapping.stripe_customer] = left
        del self._shards[account]

    def close(self) -> None:
        """Let go of every account."""
        self._shards.clear()
        self.by_customer.clear()
        self.greet = self._make = self._look_for = _leave

    def read(self, store: str, account: str, key: str | None = None) -> Any:
        """The committed row, or None. In a store of many and without a key: all of the account's rows, by key."""
        shard = self._shards.get(account) or self.get(account)
        if shard is None:
            return {} if key is None and self.schemas[store].many else None
        if not self.schemas[store].many:
            return shard.rows.get(store)
        rows = shard.many.get(store) or {}
        return dict(rows) if key is None else rows.get(key)

    def scan(self, store: str, where: Mapping[str, tuple[Any, ...]]) -> Iterator[Any]:
        """Rows whose fields are among the values given, in the order of the accounts' creation. Who sleeps is woken where that may matter."""
        many, alike = self.schemas[store].many, self._alike.get(store, {})
        among_awake = any(field in alike and alike[field] not in values for field, values in where.items())
        for shard in self.awake() if among_awake else self.shards.values():
            rows = (shard.many.get(store) or {}).values() if many else [shard.rows[store]] if store in shard.rows else ()
            for row in rows:
                if all(getattr(row, field) in values for field, values in where.items()):
                    yield row

    def write(self, writer: str, store: str, account: str, key: str | None, fields: Mapping[str, Any], at: int) -> Written | None:
        """Set `fields` of a row, blind to its version; a row that is not there is made. None when that changes nothing.

        Raises OwnershipError, AppendOnlyError, and TypeError for a field that the row does not have.
        """
        schema = self._writable(writer, store)
        shard = self.shard(account)
        old = _row(schema, shard, key)
        new = _changed(schema, account, key, old, fields)
        return None if new is None else self._put(schema, shard, key, old, new, at)

    def transact(self, writer: str, store: str, changes: Sequence[Change], at: int) -> list[Written | None] | None:
        """Make all changes to one store, or none: None when a row does not have the version that its change names.
        There is no transaction across stores.

        Raises as `write` does, and ValueError for two changes to one row; then nothing has changed.
        """
        if len(changes) > 1 and len({(change.account, change.key) for change in changes}) < len(changes):
            raise ValueError(f"two changes of one transaction name one row of {store}")
        schema = self._writable(writer, store)
        for change in changes:
            if change.version is not None and self.version(store, change.account, change.key) != change.version:
                return None
        planned = []
        for change in changes:
            shard = self.shard(change.account)
            old = _row(schema, shard, change.key)
            planned.append((shard, change.key, old, _changed(schema, change.account, change.key, old, change.fields)))
        return [None if new is None else self._put(schema, shard, key, old, new, at) for shard, key, old, new in planned]

    def _writable(self, writer: str, store: str) -> Schema:
        schema = self.schemas[store]
        if writer not in schema.writers:
            raise OwnershipError(store, writer)
        return schema

    def _put(self, schema: Schema, shard: Shard, key: str | None, old: Row | None, new: Row, at: int) -> Written:
        """Commit a row."""
        store = schema.name
        if shard.gathers:
            shard.remember(at, store, (key or "") if schema.many else store, old)
        if self.overwritten is not None:
            self.overwritten(at, shard, store, (key or "") if schema.many else store, old)
        # A new dict for each write: whoever gathered the account keeps the one that it saw.
        if schema.many:
            rows = dict(shard.many.get(store) or {})
            rows[key or ""] = new
            shard.many = {**shard.many, store: rows}
        else:
            shard.rows = {**shard.rows, store: new}
            if store == "subs_customer":
                self._reindex(old, new)
        return Written(old, new)

    def version(self, store: str, account: str, key: str | None = None) -> int:
        """The version of a committed row; 0 for one that is not there."""
        shard = self._shards.get(account) or self.get(account)
        if shard is None:
            return 0
        row = (shard.many.get(store) or {}).get(key or "") if self.schemas[store].many else shard.rows.get(store)
        return 0 if row is None else int(row.version)

    def _reindex(self, old: Any, new: Any) -> None:
        if old is not None and old.stripe_customer != new.stripe_customer:
            left = tuple(a for a in self.by_customer.get(old.stripe_customer, ()) if a != old.account)
            self.by_customer[old.stripe_customer] = left
        if new.stripe_customer not in self.by_customer:
            self._look_for(new.stripe_customer)
        known = self.by_customer.get(new.stripe_customer, ())
        if new.stripe_customer and new.account not in known:
            self.by_customer[new.stripe_customer] = (*known, new.account)

    def snapshot(self) -> dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
        """Every account's rows as they stand; cheap, because rows are never changed in place."""
        return {account: (dict(shard.rows), {s: dict(rows) for s, rows in shard.many.items()}) for account, shard in self.shards.items()}


def _row(schema: Schema, shard: Shard, key: str | None) -> Any:
    """The row that is to be written, as it stands; None for one that is not there."""
    if not schema.many:
        return shard.rows.get(schema.name)
    if key is None:
        raise TypeError(f"a row of {schema.name} has a key")
    rows = shard.many.get(schema.name)
    return rows.get(key) if rows else None


def _changed(schema: Schema, account: str, key: str | None, old: Any, fields: Mapping[str, Any]) -> Row | None:
    """The row as it would be; None when `fields` change nothing."""
    if old is None:
        make: Callable[..., Row] = schema.row
        return make(account=account, key=key, version=1, **fields) if schema.many else make(account=account, version=1, **fields)
    if schema.append_only:
        raise AppendOnlyError(schema.name, key or "")
    for field, value in fields.items():
        if getattr(old, field, Row) != value:  # a field that the row lacks differs, so that `replace` refuses it
            new: Row = msgspec.structs.replace(old, **fields, version=old.version + 1)
            return new
    return None


def _leave(_: Any) -> None:
    """Nobody sleeps, or nobody wants to be told."""
