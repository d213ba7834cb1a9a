"""What an opening write was, and a first guess at why it opened a drift.

The cause is told from the one write alone and from what could be known when it was made; it names the kind of fault, not the culprit's intention.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from billsim.checks.codes import DERIVED, FLAGS_INCONSISTENT
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stripe.objects import Book, Charge, Customer, Invoice, PaymentIntent, Subscription

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
    the one that it wrote upon.
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


def provenance(opener: Opener) -> Provenance:
    """The record of what opened or closed a drift, without the rows themselves."""
    if isinstance(opener, Clock):
        return Provenance("clock", opener.at_ms)
    if isinstance(opener, Given):
        return Provenance("given", opener.at_ms)
    if isinstance(opener, ActionRecord):
        what = (("kind", None, opener.kind), ("debt", None, opener.debt), ("step", None, opener.step))
        return Provenance("action", opener.at_ms, opener.component, opener.task, key=opener.key or "", fields=what)
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
    return value if value is None or isinstance(value, (str, int)) else msgspec.to_builtins(value)


def is_derived_write(record: WriteRecord) -> bool:
    """The write set derived state: a store that is no authority, or nothing but metadata at Stripe."""
    if record.store in ("stripe.customer", "stripe.invoice"):
        return is_metadata_only(record.old, record.new)
    return not record.store.startswith("stripe.") and record.store not in ("ope", "subs_customer")


def is_metadata_only(old: Any, new: Any) -> bool:
    """Two versions of one Stripe object differ in their metadata alone."""
    return old is not None and new is not None and msgspec.structs.replace(old, metadata=new.metadata) == new


def classify(opener: Opener, code: str, message: Any, book: Book | None, *, repeated: bool, mended: bool, by_world: bool) -> str:
    """The cause of a drift under `code`.

    `message` woke the writer (None: unknown). `repeated`: its component had handled the same message in another task. `mended`: a handler wrote the
    drifting stores while the drift stood, and did not close it. `by_world`: a person or Stripe wrote, not a handler.
    """
    if isinstance(opener, Given):
        return DATA
    if isinstance(opener, Clock):
        return PARTIAL_APPLY if mended else MISSING_HANDLER
    if isinstance(opener, WriteRecord) and not is_derived_write(opener):
        return PARTIAL_APPLY if mended else MISSING_HANDLER
    if by_world:
        return MANUAL_WRITE
    return of_handler(opener, code, message, book, repeated)


def of_handler(opener: WriteRecord | ActionRecord, code: str, message: Any, book: Book | None, repeated: bool) -> str:
    """The cause where a handler's own write (or act) opened the drift."""
    write = opener if isinstance(opener, WriteRecord) else None
    kind = message.kind if message is not None else waking_kind(write.cause) if write is not None else ""
    if repeated:
        return DUPLICATE
    if kind.startswith("cron."):
        return STALE_READ
    if write is not None and is_lost_update(write):
        return LOST_UPDATE
    if is_stale_event(message, book):
        return STALE_EVENT
    if write is None:
        return WRONG_PATH
    return PARTIAL_APPLY if code == FLAGS_INCONSISTENT or write.store not in DERIVED[code] else BLIND_OVERWRITE


def waking_kind(cause: str) -> str:
    """The kind of the message that a record's `cause` names; the message's name follows after a space."""
    return cause.partition(" ")[0]


def is_lost_update(record: WriteRecord) -> bool:
    """The writer had read the row, somebody wrote it since, and the writer wrote over that."""
    return 0 <= record.read_version < getattr(record.old, "version", 0)


def is_stale_event(message: Any, book: Book | None) -> bool:
    """The event's object has moved on at Stripe since: what it says of status, money or attempts is no longer so."""
    if message is None or message.event is None or book is None:
        return False
    said = message.event.data.object
    held = current(book, said)
    if held is None or held is said:
        return False
    return any(getattr(said, field, None) != getattr(held, field, None) for field in _MATERIAL)


_MATERIAL = ("status", "amount_paid", "amount_remaining", "attempt_count", "next_payment_attempt", "delinquent")


def current(book: Book, said: Any) -> Any:
    """The object that an event told of, as it stands at Stripe now; None for a kind that is not kept, or one that is gone."""
    if isinstance(said, Customer):
        return book.customer
    if isinstance(said, Invoice):
        return book.invoices.get(said.id)
    if isinstance(said, Subscription):
        return book.subscriptions.get(said.id)
    if isinstance(said, Charge):
        return book.charges.get(said.id)
    return book.payment_intents.get(said.id) if isinstance(said, PaymentIntent) else None
