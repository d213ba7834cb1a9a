"""The trace: everything that happened in a world, in order, with its provenance. Digest, run directory, blame and reports are read from this one
stream.

A record is a tuple whose first field names its table. Records are batched; a full batch goes to each sink. The digest is an xxh3 of 128 bits over the
records' encoding, so it sees every field of every record, and neither wall clock nor memory addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_128

BATCH = 4096


class WriteRecord(NamedTuple):
    """One row changed. `component` wrote it in `task`; `read_version` is the version that the task had read (-1: it had not read the row).

    `store` is a store's name or `stripe.<kind>`; `old` and `new` are rows, either may be None.
    """

    table: str
    at_ms: int
    component: str
    task: str
    cause: str
    store: str
    account: str
    key: str
    read_version: int
    old: Any
    new: Any


class MessageRecord(NamedTuple):
    """Something moved in the pipe or a queue: `what` is emitted, published, delivered, duplicate, finished, dropped, retried, dead_letter, held,
    released, redriven; and for Stripe's own tries refused (no 2xx), redelivered, undelivered (given up).
    """

    table: str
    at_ms: int
    what: str
    name: str
    kind: str
    account: str
    attempt: int


class DriftRecord(NamedTuple):
    """A drift interval, closed or still open at the end (`closed_ms` None). `opening` and `closing` are what is known of the two writes."""

    table: str
    account: str
    code: str
    opened_ms: int
    closed_ms: int | None
    cause: str
    opening: Any
    closing: Any
    detail: str


class ActionRecord(NamedTuple):
    """A consequence was executed (or found executed already): by which component and task, for which debt and step."""

    table: str
    at_ms: int
    kind: str
    account: str
    debt: str
    step: str
    key: str
    component: str
    task: str
    executed: bool


class MarkRecord(NamedTuple):
    """Something worth reaching was reached."""

    table: str
    at_ms: int
    mark: str
    account: str
    task: str


class LatencyRecord(NamedTuple):
    """How long something took, simulated: `what` is pipe, lag or converge."""

    table: str
    at_ms: int
    what: str
    account: str
    ms: int


class RemediationRecord(NamedTuple):
    """An attempt to mend an account, as the audit has it: what it was to do, what came of it, and whether it failed."""

    table: str
    at_ms: int
    account: str
    params: str
    result: str
    failed: bool


Record = WriteRecord | MessageRecord | DriftRecord | ActionRecord | MarkRecord | LatencyRecord | RemediationRecord
Sink = Callable[[list[Any]], None]
# Makes a record of all its fields, in their order, in half the time that its own constructor takes: for those that every event leaves.
as_record = tuple.__new__


class Trace:
    """Takes records, keeps the digest, and hands full batches to the sinks.

    `waiting` is always one and the same list, and `add(record)` appends to it and does nothing else: whoever lets the world go on flushes, at the
    latest after a step that some account was touched in, if a batch (BATCH) has come together by then.
    """

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.add: Callable[[Record], None] = self.waiting.append
        self._hash = xxh3_128()
        self._encoder = msgspec.json.Encoder()
        self.sinks: list[Sink] = []
        self.count = 0

    def flush(self) -> None:
        """Digest the waiting records and hand them to the sinks."""
        if not self.waiting:
            return
        batch = self.waiting[:]
        self.waiting.clear()
        self.count += len(batch)
        # A row's old value was the new value of an earlier record: digesting it again would add time and no evidence.
        lines = [r[:9] + (r[10],) if r[0] == "writes" else r for r in batch]
        self._hash.update(self._encoder.encode_lines(lines))
        for sink in self.sinks:
            sink(batch)

    @property
    def digest(self) -> str:
        """Hex digest of all records flushed so far; where the batches were cut does not show in it."""
        return self._hash.hexdigest()
