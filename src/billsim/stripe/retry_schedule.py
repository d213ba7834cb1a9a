"""When an invoice that was not paid is tried again (https://docs.stripe.com/billing/revenue-recovery/smart-retries).

The retries' instants are fixed by the invoice's first attempt, which is made as it is finalised.
"""

from __future__ import annotations

from billsim.core.time import DAY_S
from billsim.stripe.objects import Invoice
from billsim.stripe.settings import StripeSettings


def next_attempt(invoice: Invoice, attempts: int, settings: StripeSettings, now_s: int) -> int | None:
    """When the schedule tries `invoice` again, in unix seconds, after so many `attempts`; None when the schedule is used up.

    An instant that has passed already (an attempt was made later than the schedule meant it) moves to the same distance from now.
    """
    made = max(attempts, 1)
    if made >= settings.max_attempts:
        return None
    days = settings.retry_days
    planned = (invoice.status_transitions.finalized_at or invoice.created) + days[made - 1] * DAY_S
    if planned > now_s:
        return planned
    return now_s + (days[made - 1] - (days[made - 2] if made > 1 else 0)) * DAY_S


def is_used_up(invoice: Invoice, settings: StripeSettings) -> bool:
    """Whether the schedule has made its last attempt."""
    return invoice.attempt_count >= settings.max_attempts
