"""Which intervals may stand beside each other in one subscription (https://docs.stripe.com/billing/subscriptions/mixed-interval#interval-alignment)."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.stripe.objects import Recurring, SubscriptionItem

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
# About how many days: only to tell which is the shortest.
_ABOUT = {"day": 1, "week": 7, "month": 30, "year": 365}


def misfit(items: Sequence[SubscriptionItem]) -> int | None:
    """The place of the first item whose interval is no multiple of the shortest one, None where all are."""
    found = [item.price.recurring or Recurring() for item in items]
    shortest = min(found, key=lambda each: _ABOUT[each.interval] * each.interval_count)
    return next((place for place, each in enumerate(found) if not _is_multiple(each, shortest)), None)


def _is_multiple(recurring: Recurring, shortest: Recurring) -> bool:
    for lengths in (_DAYS, _MONTHS):
        if recurring.interval in lengths and shortest.interval in lengths:
            return lengths[recurring.interval] * recurring.interval_count % (lengths[shortest.interval] * shortest.interval_count) == 0
    # A month is so many days, and never so many weeks.
    return _DAYS.get(shortest.interval, 0) * shortest.interval_count == 1
