"""What every store has in common: its schema, who may write it, row versions, compare-and-set, and one shard of rows per account.

A store defines schema and writers, not layout: the rows of one account lie together in its `Shard`, so that gathering an account is
cheap and nothing ever scans the population. Reads are read-committed: a reader that waits between its read and its write can lose an update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
    """Every account's shard, the schemas, and the index from Stripe customer to accounts."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = dict(schemas)
        self.shards: dict[str, Shard] = {}
        self.by_customer: dict[str, tuple[str, ...]] = {}

    def shard(self, account: str) -> Shard:
        """The account's shard; made when it is first asked for."""
        found = self.shards.get(account)
        if found is None:
            found = self.shards[account] = Shard(account)
        return found

    def read(self, store: str, account: str, key: str | None = None) -> Any:
        """The committed row, or None. In a store of many and without a key: all of the account's rows, by key."""
        shard = self.shards.get(account)
        if shard is None:
            return {} if key is None and self.schemas[store].many else None
        if not self.schemas[store].many:
            return shard.rows.get(store)
        rows = shard.many.get(store) or {}
        return dict(rows) if key is None else rows.get(key)

    def scan(self, store: str, where: Mapping[str, tuple[Any, ...]]) -> Iterator[Any]:
        """Rows whose fields are among the values given, in the order of the accounts' creation."""
        many = self.schemas[store].many
        for shard in self.shards.values():
            rows = (shard.many.get(store) or {}).values() if many else [shard.rows[store]] if store in shard.rows else ()
            for row in rows:
                if all(getattr(row, field) in values for field, values in where.items()):
                    yield row

    def write(self, writer: str, store: str, account: str, key: str | None, fields: Mapping[str, Any], at: int) -> Written | None:
        """Set `fields` of a row, blind to its version; a row that is not there is made. None when that changes nothing.

        Raises OwnershipError, AppendOnlyError, and TypeError for a field that the row does not have.
        """
        return self._put(store, account, key, self._changed(writer, store, account, key, fields), at)

    def transact(self, writer: str, store: str, changes: Sequence[Change], at: int) -> list[Written | None] | None:
        """Make all changes to one store, or none: None when a row does not have the version that its change names.
        There is no transaction across stores.

        Raises as `write` does, and ValueError for two changes to one row; then nothing has changed.
        """
        if len({(change.account, change.key) for change in changes}) < len(changes):
            raise ValueError(f"two changes of one transaction name one row of {store}")
        if any(change.version is not None and self.version(store, change.account, change.key) != change.version for change in changes):
            return None
        new = [self._changed(writer, store, change.account, change.key, change.fields) for change in changes]
        return [self._put(store, change.account, change.key, row, at) for change, row in zip(changes, new, strict=True)]

    def _changed(self, writer: str, store: str, account: str, key: str | None, fields: Mapping[str, Any]) -> Row | None:
        """The row as it would be; None when `fields` change nothing."""
        schema = self.schemas[store]
        if writer not in schema.writers:
            raise OwnershipError(store, writer)
        shard = self.shard(account)
        if not schema.many:
            old = shard.rows.get(store)
        elif key is None:
            raise TypeError(f"a row of {store} has a key")
        else:
            old = shard.all(store).get(key)
        if old is None:
            return schema.row(account=account, **({"key": key} if schema.many else {}), **fields, version=1)
        if schema.append_only:
            raise AppendOnlyError(store, key or "")
        for field, value in fields.items():
            if getattr(old, field, Row) != value:  # a field that the row lacks differs, so that `replace` refuses it
                new: Row = msgspec.structs.replace(old, **fields, version=old.version + 1)
                return new
        return None

    def _put(self, store: str, account: str, key: str | None, new: Row | None, at: int) -> Written | None:
        """Commit a row."""
        if new is None:
            return None
        shard = self.shard(account)
        many = self.schemas[store].many
        rows, at_key = (shard.many.get(store) or {}, key or "") if many else (shard.rows, store)
        old = rows.get(at_key)
        shard.remember(at, store, at_key, old)
        # A new dict for each write: whoever gathered the account keeps the one that it saw.
        changed = {**rows, at_key: new}
        if many:
            shard.many = {**shard.many, store: changed}
        else:
            shard.rows = changed
        if store == "subs_customer":
            self._reindex(old, new)
        return Written(old, new)

    def version(self, store: str, account: str, key: str | None = None) -> int:
        """The version of a committed row; 0 for one that is not there."""
        row = self.read(store, account, key)
        return row.version if isinstance(row, Row) else 0

    def _reindex(self, old: Any, new: Any) -> None:
        if old is not None and old.stripe_customer != new.stripe_customer:
            left = tuple(a for a in self.by_customer.get(old.stripe_customer, ()) if a != old.account)
            self.by_customer[old.stripe_customer] = left
        known = self.by_customer.get(new.stripe_customer, ())
        if new.stripe_customer and new.account not in known:
            self.by_customer[new.stripe_customer] = (*known, new.account)

    def snapshot(self) -> dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
        """Every account's rows as they stand; cheap, because rows are never changed in place."""
        return {account: (dict(shard.rows), {s: dict(rows) for s, rows in shard.many.items()}) for account, shard in self.shards.items()}
