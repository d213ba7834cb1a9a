"""What a change within a period comes to: the unused time at what it was, given back, and the remaining time at what it is, charged.

Stripe prorates by the second, each line by itself (https://docs.stripe.com/billing/subscriptions/prorations). That page's example rounds to the
nearest minor unit, up as well as down (3252 for 445,540 of 2,678,400 seconds is 541). What becomes of an exact half is not published: away from
zero (assumed).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from billsim.stripe import pricing
from billsim.stripe.objects import Period, SubscriptionItem


class Proration(NamedTuple):
    """A line that settles a change. `amount` is below zero for time that was paid for and is not used; `credited` says what was billed for it, where
    that is known.
    """

    item: SubscriptionItem
    amount: int
    period: Period
    credited: dict[str, Any] | None = None


def prorated(amount: int, left: int, whole: int) -> int:
    """The share of an `amount`, zero or more, for `left` of a period's `whole` seconds, to the nearest minor unit."""
    return (2 * amount * left + whole) // (2 * whole) if whole > 0 else 0


def price_of(item: SubscriptionItem) -> int:
    """What a whole period of an item costs."""
    return pricing.cost(item.price, item.quantity)


def prorations(
    old: Iterable[SubscriptionItem], new: Iterable[SubscriptionItem], at_s: int, *, ends: bool, whole_s: int = 0
) -> tuple[Proration, ...]:
    """How a change of `old` into `new` items at an instant, unix seconds, is settled.

    `ends`: the period ends with it, so that all unused time is given back, and what follows is billed as a new period. Else only of items that
    change, and their remaining time is charged. `whole_s`: how long a period that was cut short would have been.
    """
    before, after = {item.id: item for item in old}, {item.id: item for item in new}
    found = []
    for item in before.values():
        if ends or not is_same(item, after.get(item.id)):
            found.append(_share(item, at_s, -1, whole_s))
    for item in after.values():
        if not ends and not is_same(item, before.get(item.id)):
            found.append(_share(item, at_s, 1, whole_s))
    return tuple([each for each in found if each.amount])


def is_same(item: SubscriptionItem, other: SubscriptionItem | None) -> bool:
    """Whether an item costs the same afterwards."""
    return other is not None and (item.price.id, item.quantity) == (other.price.id, other.quantity)


def _share(item: SubscriptionItem, at_s: int, sign: int, whole_s: int) -> Proration:
    start, end = item.current_period_start, item.current_period_end
    return Proration(item, sign * prorated(price_of(item), end - at_s, whole_s or end - start), Period(at_s, end))


def moved_end(items: Iterable[SubscriptionItem], end_s: int, whole_s: int) -> tuple[Proration, ...]:
    """How it is settled that the period of `items` ends at another instant: what is cut off is given back, what is added is charged."""
    found = []
    for item in items:
        until = item.current_period_end
        share = prorated(price_of(item), abs(end_s - until), whole_s)
        found.append(Proration(item, share if end_s > until else -share, Period(min(until, end_s), max(until, end_s))))
    return tuple([each for each in found if each.amount])
