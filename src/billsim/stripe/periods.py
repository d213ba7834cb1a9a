"""How long a period lasts (https://docs.stripe.com/billing/subscriptions/billing-cycle)."""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from billsim.core.time import DAY_MS, DAY_S, add_months, to_datetime
from billsim.stripe.objects import Recurring, SubscriptionItem

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def period_end(recurring: Recurring, start_s: int, anchor_s: int) -> int:
    """When a period that begins at `start_s` ends; months and years keep the anchor's day of the month."""
    if recurring.interval in _DAYS:
        return start_s + _DAYS[recurring.interval] * recurring.interval_count * DAY_S
    day, second = divmod(start_s, DAY_S)
    return _months_on(day, _MONTHS[recurring.interval] * recurring.interval_count, anchor_s // DAY_S) * DAY_S + second


def next_period_of(item: SubscriptionItem, anchor_s: int) -> SubscriptionItem:
    """A subscription's item in its next period."""
    start = item.current_period_end
    return replace(item, current_period_start=start, current_period_end=period_end(item.price.recurring or Recurring(), start, anchor_s or start))


@lru_cache(maxsize=10_000)
def _months_on(day: int, months: int, anchor: int) -> int:
    """Some months later, in days since the epoch. Thousands renew on one day, each at its own second."""
    return add_months(day * DAY_S, months, to_datetime(anchor * DAY_MS).day) // DAY_S
