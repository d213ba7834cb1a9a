"""Simulated time: integers, milliseconds since the epoch, UTC.

Stripe's own fields are whole seconds (`created`, `next_payment_attempt`); everything else in billsim is milliseconds and says so in its name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
DAY_S = 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware `moment`; a naive one is read as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def to_datetime(instant_ms: int) -> datetime:
    """The aware UTC datetime of `instant_ms`."""
    return _EPOCH + timedelta(milliseconds=instant_ms)


def iso(instant_ms: int) -> str:
    """`2026-03-14T01:00:00Z`, with milliseconds only where there are any."""
    text = to_datetime(instant_ms).isoformat(timespec="milliseconds" if instant_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def day_of(instant_ms: int) -> int:
    """The number of whole days since the epoch: how facts about a day are named."""
    return instant_ms // DAY_MS


def add_months(instant_s: int, months: int, anchor_day: int) -> int:
    """The same time of day `months` later, on `anchor_day`, or on the month's last day where that is shorter.

    Stripe keeps the day of the billing cycle anchor: 31 January renews on 28 February and then on 31 March
    (https://docs.stripe.com/billing/subscriptions/billing-cycle). Seconds in, seconds out.
    """
    moment = _EPOCH + timedelta(seconds=instant_s)
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    first_of_next = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last_day = (first_of_next - timedelta(days=1)).day
    moved = moment.replace(year=year, month=month + 1, day=min(anchor_day, last_day))
    return (moved - _EPOCH) // timedelta(seconds=1)
