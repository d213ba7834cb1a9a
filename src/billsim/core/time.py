"""Simulated time: integers, milliseconds since the epoch, UTC.

Stripe's own fields are whole seconds (`created`, `next_payment_attempt`); everything else in billsim is milliseconds and says so in its name.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
DAY_S = 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()


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
    day, second = divmod(instant_s, DAY_S)
    moment = date.fromordinal(_EPOCH_DAY + day)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if anchor_day > 28:
        anchor_day = min(anchor_day, monthrange(year, month + 1)[1])
    return (date(year, month + 1, anchor_day).toordinal() - _EPOCH_DAY) * DAY_S + second


def day_of_month(instant_s: int) -> int:
    """The day of the month, 1 to 31, on which `instant_s` falls, in unix seconds."""
    return date.fromordinal(_EPOCH_DAY + instant_s // DAY_S).day
