"""How long a period lasts (https://docs.stripe.com/billing/subscriptions/billing-cycle)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from billsim.core.time import DAY_MS, DAY_S, add_months, to_datetime
from billsim.stripe.objects import Recurring, Subscription, SubscriptionItem

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
# A January, so that its instants can stand for any day of the month.
_A_JANUARY_S = 365 * DAY_S


class Cycle(NamedTuple):
    """A whole period, in unix seconds."""

    start: int
    end: int


class Counted(NamedTuple):
    """From where periods are counted: the anchor, and an instant whose day of the month they keep (`day_of`)."""

    anchor: int
    day: int


class Begun(NamedTuple):
    """Items of a subscription, some of whose periods begin anew. `due` are those; `wholes` says, by item, how long a whole period is where theirs
    is cut short.
    """

    items: tuple[SubscriptionItem, ...]
    due: tuple[SubscriptionItem, ...]
    wholes: Mapping[str, int]


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


def next_periods(subscription: Subscription, items: tuple[SubscriptionItem, ...], anchor_s: int) -> tuple[tuple[SubscriptionItem, ...], int]:
    """Items in their next period, and where that is cut short (the anchor lies ahead, or the subscription is to end) how long a whole one would be;
    else 0.
    """
    start = items[0].current_period_end
    if start >= anchor_s and subscription.kept is UNSET:
        return tuple([next_period_of(item, anchor_s) for item in items]), 0
    cancel_at, day_s = subscription.says("cancel_at"), day_of(subscription, anchor_s)
    if start >= anchor_s and (cancel_at is None or cancel_at <= start):
        return tuple([next_period_of(item, day_s) for item in items]), 0
    cycle = cycle_around(items[0].price.recurring or Recurring(), start, anchor_s, day_s)
    end = min(cycle.end, cancel_at) if cancel_at is not None and cancel_at > start else cycle.end
    begun = tuple([replace(item, current_period_start=start, current_period_end=end) for item in items])
    return begun, 0 if (start, end) == cycle else cycle.end - cycle.start


def next_of_each(subscription: Subscription, items: tuple[SubscriptionItem, ...], anchor_s: int) -> Begun:
    """Items whose periods are counted from the anchor, each by its own interval, once the first of those periods have ended."""
    start = min([item.current_period_end for item in items])
    due = {item.id for item in items if item.current_period_end == start}
    begun = begin(subscription, tuple([item for item in items if item.id in due]), start, anchor_s)
    by_id = {item.id: item for item in begun.due}
    return begun._replace(items=tuple([by_id.get(item.id, item) for item in items]))


def begin(subscription: Subscription, items: tuple[SubscriptionItem, ...], start_s: int, anchor_s: int) -> Begun:
    """Items in a period that begins at an instant and ends where the anchor says, or with the subscription."""
    cancel_at, day_s = subscription.says("cancel_at"), day_of(subscription, anchor_s)
    found, wholes = [], {}
    for item in items:
        cycle = cycle_around(item.price.recurring or Recurring(), start_s, anchor_s, day_s)
        end = min(cycle.end, cancel_at) if cancel_at is not None and cancel_at > start_s else cycle.end
        found.append(replace(item, current_period_start=start_s, current_period_end=end))
        if (start_s, end) != cycle:
            wholes[item.id] = cycle.end - cycle.start
    return Begun(tuple(found), tuple(found), wholes)


def cycle_of_item(subscription: Subscription, item: SubscriptionItem) -> Cycle:
    """The whole period that an item's present one is of, by its own interval."""
    anchor = subscription.billing_cycle_anchor
    return cycle_around(item.price.recurring or Recurring(), item.current_period_start, anchor, day_of(subscription, anchor))


def whole_of(subscription: Subscription) -> int:
    """How long the present period would be, had it not been cut short, in seconds; 0 where it was not."""
    item = subscription.items.data[0]
    start, end = item.current_period_start, item.current_period_end
    if start >= subscription.billing_cycle_anchor and subscription.says("cancel_at") != end:
        return 0
    cycle = cycle_of(subscription)
    return 0 if (start, end) == cycle else cycle.end - cycle.start


def cycle_of(subscription: Subscription) -> Cycle:
    """The whole period that the present one is of."""
    return cycle_of_item(subscription, subscription.items.data[0])


def day_of(subscription: Subscription, anchor_s: int) -> int:
    """An instant whose day of the month renewals keep: the anchor, or what `billing_cycle_anchor_config` says."""
    config: Mapping[str, Any] | None = subscription.says("billing_cycle_anchor_config")
    return anchor_s if config is None else day_of_month(config["day_of_month"])


def day_of_month(day: int) -> int:
    """An instant of this day of a month that has 31."""
    return _A_JANUARY_S + (day - 1) * DAY_S


def cycle_around(recurring: Recurring, instant_s: int, anchor_s: int, day_s: int) -> Cycle:
    """The whole period that an instant lies in, of those that are counted from an anchor, be that behind or ahead. `day_s`: see `day_of`."""
    if recurring.interval in _DAYS:
        length = _DAYS[recurring.interval] * recurring.interval_count * DAY_S
        start = instant_s - (instant_s - anchor_s) % length
        return Cycle(start, start + length)
    months = _MONTHS[recurring.interval] * recurring.interval_count
    day, at, anchor = to_datetime(day_s * 1000).day, to_datetime(instant_s * 1000), to_datetime(anchor_s * 1000)
    passed = ((at.year - anchor.year) * 12 + at.month - anchor.month) // months
    start = add_months(anchor_s, passed * months, day)
    if start > instant_s:
        return Cycle(add_months(anchor_s, (passed - 1) * months, day), start)
    return Cycle(start, add_months(anchor_s, (passed + 1) * months, day))


def anchor_by(config: Mapping[str, Any], now_s: int) -> int:
    """The first instant after now that a `billing_cycle_anchor_config` names; what it leaves out is as it is now."""
    now = to_datetime(now_s * 1000)
    hour, minute, second = config.get("hour", now.hour), config.get("minute", now.minute), config.get("second", now.second)
    of_day = (hour * 60 + minute) * 60 + second
    months = range(now.month, now.month + 14)
    wanted = [month for month in months if config.get("month") in (None, (month - 1) % 12 + 1)]
    named: list[int] = [add_months(0, (now.year - 1970) * 12 + month - 1, config["day_of_month"]) + of_day for month in wanted]
    return next(instant for instant in named if instant > now_s)


@lru_cache(maxsize=10_000)
def _months_on(day: int, months: int, anchor: int) -> int:
    """Some months later, in days since the epoch. Thousands renew on one day, each at its own second."""
    return add_months(day * DAY_S, months, to_datetime(anchor * DAY_MS).day) // DAY_S
