"""Marks: the things worth reaching that a scenario may demand, and how each is told from what the world records."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.checks.cause import is_lost_update
from billsim.checks.witness import current
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.stores.cfbill_migrations_audit import AuditRow
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
STALE_CACHE_SERVED = "stale_cache_served"
STALE_REPLICA_READ = "stale_replica_read"
CRON_OVERLAPPED = "cron_overlapped"
CRON_MISSED = "cron_missed"
MIRROR_WAS_TORN = "mirror_was_torn"
MIRROR_WAS_MISSING = "mirror_was_missing"
MIRROR_WAS_LATE = "mirror_was_late"
REQUEST_SENT_AGAIN = "request_sent_again"
STRIPE_ASKED_AGAIN = "stripe_asked_again"
STRIPE_DONE_UNHEARD = "stripe_done_unheard"
TWO_AT_WORK = "two_at_work"

# What an attempt of remediation comes to, and what was refused in it, by restriction, gate or valve.
OF_OUTCOME = {
    "healed": "remediation_healed",
    "partly_healed": "remediation_partly_healed",
    "nothing_to_do": "remediation_nothing_to_do",
    "refused": "remediation_refused",
    "failed": "remediation_failed",
    "would_heal": "remediation_would_heal",
}
OF_REFUSAL = {
    "UnsupportedAccountType": "unsupported_account_type",
    "MergedAccount": "merged_account",
    "InvalidPaymentMethod": "invalid_payment_method",
    "InvoiceDateTooNear": "invoice_date_too_near",
    "NoStripeCustomer": "no_stripe_customer",
    "BadDebtDriftRemediation": "bad_debt_gate_shut",
    "InvoiceMetadataRemediation": "invoice_metadata_gate_shut",
    "EnterpriseExcluded": "enterprise_excluded",
    "valve:kill_switch": "valve_kill_switch",
    "valve:drift_jump": "valve_drift_jump",
    "valve:most_accounts": "valve_most_accounts",
    "valve:most_share": "valve_most_share",
    "valve:failures": "valve_failures",
    "valve:most_zones": "valve_most_zones",
}
# What line items are, as views see them: once for each night on which one of the class is seen.
OF_CLASS = {
    "expected_in_stripe": "element_expected_in_stripe",
    "bad_debt_item": "element_bad_debt_item",
    "deleted_from_ope": "element_deleted_from_ope",
    "contract": "element_contract",
    "delayed_upgrade": "element_delayed_upgrade",
    "missing_price": "element_missing_price",
}
# What only a world with a warehouse, or with remediation, can reach.
OF_NIGHTS = (MIRROR_WAS_TORN, MIRROR_WAS_MISSING, MIRROR_WAS_LATE, *OF_OUTCOME.values(), *OF_REFUSAL.values(), *OF_CLASS.values())
MARKS: tuple[str, ...] = (
    STALE_EVENT_IGNORED,
    LOST_UPDATE_HAPPENED,
    COMPARE_AND_SET_LOST,
    DUPLICATE_DELIVERED,
    REDELIVERED,
    DEAD_LETTER_USED,
    BOUNDARY_FIRED,
    CONSEQUENCE_REFUSED,
    RECOVERED_SENT,
    STALE_CACHE_SERVED,
    STALE_REPLICA_READ,
    CRON_OVERLAPPED,
    CRON_MISSED,
    REQUEST_SENT_AGAIN,
    STRIPE_ASKED_AGAIN,
    STRIPE_DONE_UNHEARD,
    TWO_AT_WORK,
    *OF_NIGHTS,
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


def of_attempt(row: AuditRow) -> list[str]:
    """The marks that an attempt of remediation reaches; a team's own may come to other words, which are none."""
    try:
        told = msgspec.json.decode(row.result, type=_Told)
    except (msgspec.DecodeError, TypeError):
        return []
    refused = dict.fromkeys([refusal.why for refusal in told.refused])
    found = [OF_OUTCOME.get(told.outcome), *(OF_REFUSAL.get(why) for why in refused)]
    return [mark for mark in found if mark is not None]


class _Refused(msgspec.Struct):
    why: str = ""


class _Told(msgspec.Struct):
    """As much of what is told of an attempt as reaches marks."""

    outcome: str = ""
    refused: tuple[_Refused, ...] = ()


def of_task(message: Any, book: Book | None, wrote: bool) -> str | None:
    """The mark that a task reaches when it ends: it was woken by a boundary, or by an event that Stripe had moved past, and wrote nothing."""
    if message.kind == "boundary":
        return BOUNDARY_FIRED
    if wrote or message.event is None or book is None:
        return None
    said = message.event.data.object
    held = current(book, said)
    return STALE_EVENT_IGNORED if held is not None and held is not said and held != said else None
