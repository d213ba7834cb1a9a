"""What an opening write was, and why it opened a drift.

The cause is told from the write and from what its writer went by; it names the kind of fault, not the culprit's intention. The first that fits:

    data               it was there when the run began
    missing_handler    truth moved, and no handler did anything about the fields in question
    partial_apply      truth moved, and a handler mended some of it; or it wrote what was right and left the rest; or it failed half way. Who had
                       looked at nothing was right by accident, and neither mends nor applies anything
    manual_write       a person wrote it
    duplicate          its component had acted upon the same message before
    lost_update        the row that it wrote upon had moved since it had read it
    stale_read         what it had read elsewhere, or the list that it walked, had moved
    stale_event        the snapshot that woke it had moved
    wrong_path         it had looked, and what it wrote would be right for an account that pays by another instrument
    blind_overwrite    nothing that it knew was old: it did not look at what mattered
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from billsim.checks.truth import Permit
from billsim.checks.witness import EVENT, LIST, NOBODY, READ, ROW, Moved, Testimony
from billsim.core.trace import ActionRecord, WriteRecord

LOST_UPDATE, STALE_READ, STALE_EVENT, BLIND_OVERWRITE = "lost_update", "stale_read", "stale_event", "blind_overwrite"
PARTIAL_APPLY, MISSING_HANDLER, DUPLICATE, WRONG_PATH = "partial_apply", "missing_handler", "duplicate", "wrong_path"
MANUAL_WRITE, DATA = "manual_write", "data"
CAUSES = (
    LOST_UPDATE,
    STALE_READ,
    STALE_EVENT,
    BLIND_OVERWRITE,
    PARTIAL_APPLY,
    MISSING_HANDLER,
    DUPLICATE,
    WRONG_PATH,
    MANUAL_WRITE,
    DATA,
)


class Clock(NamedTuple):
    """A drift that no write opened: truth moved at a boundary."""

    at_ms: int


class Given(NamedTuple):
    """A drift that was there when the run began."""

    at_ms: int


Opener = WriteRecord | ActionRecord | Clock | Given


class Provenance(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What opened or closed a drift, for the trace: `kind` is write, action, clock or given.

    `fields` are (field, old, new) of what the write changed. `read_version` is the row version that the writer had read (-1: none), and `version`
    the one that it wrote upon; it was read at `read_ms`. `moved` is what the writer went by and was no longer so.
    """

    kind: str
    at_ms: int
    component: str = ""
    task: str = ""
    cause: str = ""
    store: str = ""
    key: str = ""
    read_version: int | None = None
    version: int | None = None
    fields: tuple[tuple[str, Any, Any], ...] = ()
    read_ms: int | None = None
    moved: tuple[Moved, ...] = ()


def provenance(opener: Opener, told: Testimony = NOBODY) -> Provenance:
    """The record of what opened or closed a drift, without the rows themselves; `told` is what its writer went by."""
    if isinstance(opener, Clock):
        return Provenance("clock", opener.at_ms)
    if isinstance(opener, Given):
        return Provenance("given", opener.at_ms)
    if isinstance(opener, ActionRecord):
        what = (("kind", None, opener.kind), ("debt", None, opener.debt), ("step", None, opener.step))
        woken = f"{told.message.kind} {told.message.name}" if told.message is not None else ""
        return Provenance("action", opener.at_ms, opener.component, opener.task, woken, key=opener.key or "", fields=what, moved=told.moved)
    version = getattr(opener.old, "version", 0)
    return Provenance(
        "write",
        opener.at_ms,
        opener.component,
        opener.task,
        opener.cause,
        opener.store,
        opener.key,
        opener.read_version,
        version,
        changed(opener.old, opener.new),
        told.read_ms,
        told.moved,
    )


def changed(old: Any, new: Any) -> tuple[tuple[str, Any, Any], ...]:
    """(field, old, new) of what differs between two rows, either of which may be None; a row's version is not told."""
    shape = new if new is not None else old
    if shape is None:
        return ()
    pairs = [(field, getattr(old, field, None), getattr(new, field, None)) for field in shape.__struct_fields__ if field != "version"]
    return tuple((field, _plain(was), _plain(now)) for field, was, now in pairs if was != now)


def _plain(value: Any) -> Any:
    """A value that JSON can tell: objects become their own JSON."""
    if value is None or value is msgspec.UNSET:
        return None
    return value if isinstance(value, (str, int)) else msgspec.to_builtins(value)


def is_derived_write(record: WriteRecord) -> bool:
    """The write set derived state: a store that is no authority, or nothing but metadata at Stripe."""
    store = record.store
    if store == "stripe.customer" or store == "stripe.invoice":
        return is_metadata_only(record.old, record.new)
    return store not in ("ope", "subs_customer") and not store.startswith("stripe.")


def is_metadata_only(old: Any, new: Any) -> bool:
    """Two versions of one Stripe object differ in their metadata alone."""
    if old is None or new is None or old.metadata == new.metadata:
        return False
    return bool(msgspec.structs.replace(old, metadata=new.metadata) == new)


class Case(NamedTuple):
    """A handler's write or act that opened a drift, with what the classifier may ask.

    `right`: the write itself was as truth has it. `repeated`: its component had acted upon the same message in another task.
    `other_path`: whether the drift were none, did the account pay by another instrument.
    """

    opener: WriteRecord | ActionRecord
    told: Testimony
    right: bool
    repeated: bool
    other_path: Callable[[], bool]


def of_handler(case: Case) -> str:
    """The cause where a handler's own write (or act) opened the drift."""
    ways = [moved.via for moved in case.told.moved]
    if case.repeated:
        return DUPLICATE
    if case.right:
        return PARTIAL_APPLY if case.told.looked else BLIND_OVERWRITE
    if case.told.message is None and (guess := _of_nobody_known(case.opener)):
        return guess
    if ROW in ways:
        return LOST_UPDATE
    if READ in ways or LIST in ways:
        return STALE_READ
    if EVENT in ways:
        return STALE_EVENT
    return WRONG_PATH if case.told.looked and case.other_path() else BLIND_OVERWRITE


def of_truth(mended: bool) -> str:
    """The cause where truth moved, by the clock or by a change of an authority. `mended`: a handler mended some of it, or failed half way."""
    return PARTIAL_APPLY if mended else MISSING_HANDLER


def _of_nobody_known(opener: WriteRecord | ActionRecord) -> str:
    """A guess from the record alone, where nobody knows the task that made it."""
    if not isinstance(opener, WriteRecord):
        return ""
    return STALE_READ if waking_kind(opener.cause).startswith("cron.") else LOST_UPDATE if is_lost_update(opener) else ""


def permit_of(record: ActionRecord) -> Permit:
    """What truth has to permit for this to be done."""
    return ("notify", record.debt, record.step) if record.kind == "notify" else (record.kind, record.debt)


def waking_kind(cause: str) -> str:
    """The kind of the message that a record's `cause` names; the message's name follows after a space."""
    return cause.partition(" ")[0]


def is_lost_update(record: WriteRecord) -> bool:
    """The writer had read the row, somebody wrote it since, and the writer wrote over that."""
    return 0 <= record.read_version < getattr(record.old, "version", 0)
