"""Marks: the things worth reaching that a scenario may demand, and how each is told from what the world records."""

from __future__ import annotations

from typing import Any

from billsim.checks.cause import is_lost_update
from billsim.checks.witness import current
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stripe.objects import Book

STALE_EVENT_IGNORED = "stale_event_ignored"
LOST_UPDATE_HAPPENED = "lost_update_happened"
COMPARE_AND_SET_LOST = "compare_and_set_lost"
DUPLICATE_DELIVERED = "duplicate_delivered"
REDELIVERED = "redelivered"
DEAD_LETTER_USED = "dead_letter_used"
BOUNDARY_FIRED = "boundary_fired"
CONSEQUENCE_REFUSED = "consequence_refused"
RECOVERED_SENT = "recovered_sent"

MARKS = (
    STALE_EVENT_IGNORED,
    LOST_UPDATE_HAPPENED,
    COMPARE_AND_SET_LOST,
    DUPLICATE_DELIVERED,
    REDELIVERED,
    DEAD_LETTER_USED,
    BOUNDARY_FIRED,
    CONSEQUENCE_REFUSED,
    RECOVERED_SENT,
)

# By what a message's record says of it.
OF_MESSAGE = {"duplicate": DUPLICATE_DELIVERED, "retried": REDELIVERED, "redelivered": REDELIVERED, "dead_letter": DEAD_LETTER_USED}


def of_action(record: ActionRecord) -> str | None:
    """The mark that a consequence reaches: refused because it had been executed, or a notice of recovery."""
    if not record.executed:
        return CONSEQUENCE_REFUSED
    return RECOVERED_SENT if record.kind == "notify" and record.step == "recovered" else None


def of_write(record: WriteRecord) -> str | None:
    """The mark that a write reaches; to be asked of blind writes only, for a compare-and-set is never late."""
    return LOST_UPDATE_HAPPENED if record.read_version >= 0 and is_lost_update(record) else None


def of_task(message: Any, book: Book | None, wrote: bool) -> str | None:
    """The mark that a task reaches when it ends: it was woken by a boundary, or by an event that Stripe had moved past, and wrote nothing."""
    if message.kind == "boundary":
        return BOUNDARY_FIRED
    if wrote or message.event is None or book is None:
        return None
    said = message.event.data.object
    held = current(book, said)
    return STALE_EVENT_IGNORED if held is not None and held is not said and held != said else None
