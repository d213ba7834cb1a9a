"""What opened or closed a disagreement: which record of a step it is put down to, and whether truth moved or a copy of it did."""

from __future__ import annotations

from billsim.checks.cause import Clock, Given, Opener, is_derived_write
from billsim.checks.codes import AUTHORITIES, BESIDE, DERIVED, MISSING, ORPHANED_STATE
from billsim.core.trace import ActionRecord, WriteRecord

Records = list[WriteRecord | ActionRecord]
Why = Records | Clock | Given
# Stripe, where it acts by itself, or upon what a bank answers.
_STRIPE = ("stripe", "bank")
# Codes of two rows that are held beside each other: what else is an authority may be the copy here, and the other way round.
_BESIDE_EACH_OTHER = frozenset({*BESIDE, ORPHANED_STATE})


def opener_of(why: Why, code: str, now_ms: int) -> Opener:
    """Of the step's records the last that set the code's own stores; else the last of the other side; else the last invoice, which tells most of why
    truth moved; else another.
    """
    if not isinstance(why, list):
        return why
    if not why:
        return Clock(now_ms)
    derived, right = DERIVED[code], BESIDE.get(code)
    beside, invoice, other = None, None, None  # type: WriteRecord | None, WriteRecord | None, WriteRecord | None
    for record in why[::-1]:
        if isinstance(record, ActionRecord):
            if code == MISSING:
                return record
            continue
        store = record.store
        if store in derived and is_of_copy(record, code):
            return record
        if store == right:
            beside = beside or record
        elif store == "stripe.invoice":
            if invoice is None and not is_derived_write(record):
                invoice = record
        elif other is None and store in AUTHORITIES and not is_derived_write(record):
            other = record
    return beside or invoice or other or why[-1]


def is_of_copy(record: WriteRecord, code: str) -> bool:
    """The write set what the code calls derived."""
    return record.store in DERIVED[code] and (code in _BESIDE_EACH_OTHER or record.store not in AUTHORITIES or is_derived_write(record))


def is_truths(opener: Opener, code: str) -> bool:
    """Truth moved: by the clock, or because an authority changed. What Stripe does by itself is no copy of anything."""
    if not isinstance(opener, WriteRecord):
        return isinstance(opener, Clock)
    if code in _BESIDE_EACH_OTHER:
        return opener.component in _STRIPE or opener.store not in DERIVED[code]
    return not is_derived_write(opener)
