"""What a change of a subscription comes to: what stands afterwards, what is given back and charged for the running period, and what it renews at.

Pure, and written from Stripe's documentation alone, so that two hands have reckoned what the customer pays: this one, and Stripe's. They share no
code, and each has its own calendar.

- A change within a period gives back the unused time at what it was and charges the remaining time at what it is, by the second, each line rounded
  by itself to the nearest minor unit (https://docs.stripe.com/billing/subscriptions/prorations: 1000 and 3252 for 445,540 of 2,678,400 seconds are
  -166 and 541). What Stripe makes of an exact half is not published: away from zero (assumed).
- Another interval begins a period now, charged whole (https://docs.stripe.com/billing/subscriptions/change-price#billing-periods), and so does the
  first price above zero (#handle-zero-amount-prices-and-quantities).
- During a trial nothing is charged or given back.
- What ends now is not given back, for that is Stripe's default (https://docs.stripe.com/api/subscriptions/cancel); an item that is taken out of a
  subscription is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from billsim.stores.ope import OpeItem, OpeSubscription

CREATE, UPGRADE, DOWNGRADE, CANCEL, QUANTITY = OPS = ("create", "upgrade", "downgrade", "cancel", "quantity")
NOW, PERIOD_END = "now", "period_end"
MONTHS = {"month": 1, "year": 12}
DAY_S = 86_400
DAYS_OF_400_YEARS = 146_097
# From 1 March of the year 0 to 1 January 1970.
DAYS_TO_1970 = 719_468
UNUSED, REMAINING, PERIOD = "unused", "remaining", "period"


class Refused(Exception):
    """A change that cannot be made; `why` is one word for it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Asked(msgspec.Struct, frozen=True):
    """A change as it is asked for. `subscription` is an OPE key, and '' for a new one; `product` may be left out where there is only one.

    `price` is minor units an interval, for one. What is '' or None stays as it is. `when` is `now` or `period_end`.
    """

    op: str
    subscription: str = ""
    product: str = ""
    plan: str = ""
    price: int | None = None
    interval: str = ""
    quantity: int | None = None
    when: str = NOW
    on_session: bool = False
    via: str = ""


class Bought(NamedTuple):
    """What stands, or is to stand: items that are billed together, every `interval`. Without items: nothing."""

    items: tuple[OpeItem, ...]
    interval: str

    @property
    def price(self) -> int:
        """What a whole period costs."""
        return sum(item.price * item.quantity for item in self.items)

    @property
    def worth(self) -> int:
        """What it costs a year."""
        return self.price * (12 // MONTHS[self.interval])


class Term(NamedTuple):
    """The running period, in unix seconds. `on_trial`: it is free."""

    start_s: int
    end_s: int
    on_trial: bool = False


class Amount(NamedTuple):
    """A line of the bill for a change: `unused` time, given back; `remaining` time, charged; or a whole `period`, charged."""

    what: str
    item: OpeItem
    amount: int
    term: Term


class Calculation(NamedTuple):
    """What a change comes to. `amounts` is what is charged and given back for it, `term` the period in which what is bought then stands.

    `resets`: the period begins with the change. `grows`: it costs something now, or more a year.
    """

    bought: Bought
    amounts: tuple[Amount, ...]
    term: Term
    resets: bool
    grows: bool

    @property
    def total(self) -> int:
        """What the amounts come to; below zero, it is credit."""
        return sum(each.amount for each in self.amounts)


NOTHING = Bought((), "month")


def calculate(before: Bought, after: Bought, term: Term, at_s: int, *, prorates: bool = True) -> Calculation:
    """What it comes to that `after` stands instead of `before`, from the unix second `at_s` in the period `term`.

    `prorates` False: nothing is given back, and the running period is not charged for. Where nothing stands so far, `term` means nothing.
    """
    begins = _begins_anew(before, after, term)
    amounts: list[Amount] = []
    if prorates and not term.on_trial and after.items:
        amounts += _shares(UNUSED, before, () if begins else after.items, term, at_s)
        amounts += [] if begins else _shares(REMAINING, after, before.items, term, at_s)
    if begins:
        term = Term(at_s, period_end(after.interval, at_s))
        amounts += [Amount(PERIOD, item, item.price * item.quantity, term) for item in after.items]
    amounts = [each for each in amounts if each.amount]
    grows = sum(each.amount for each in amounts) > 0 or after.worth > before.worth
    return Calculation(after, tuple(amounts), term, begins, grows)


def _begins_anew(before: Bought, after: Bought, term: Term) -> bool:
    if not before.items:
        return True
    if term.on_trial or not after.items:
        return False
    was_free = not any(item.price for item in before.items)
    return before.interval != after.interval or (was_free and any(item.price for item in after.items))


def _shares(what: str, bought: Bought, others: Iterable[OpeItem], term: Term, at_s: int) -> list[Amount]:
    """The rest of the period for each item that is not among the others too."""
    sign, kept, rest = -1 if what == UNUSED else 1, tuple(others), Term(at_s, term.end_s)
    whole_s, left_s = term.end_s - term.start_s, max(0, term.end_s - at_s)
    changed = [item for item in bought.items if item not in kept]
    return [Amount(what, item, sign * share(item.price * item.quantity, left_s, whole_s), rest) for item in changed]


def share(amount: int, part: int, whole: int) -> int:
    """`amount` for a part of a whole, to the nearest minor unit, a half rounded up; of no whole there is no part. None of the three is below zero."""
    if not whole:
        return 0
    units, rest = divmod(amount * part, whole)
    return units + (2 * rest >= whole)


def period_end(interval: str, start_s: int) -> int:
    """When a period that begins now, and anchors those to come, is over (https://docs.stripe.com/billing/subscriptions/billing-cycle)."""
    days, second = divmod(start_s, DAY_S)
    year, month, day = _date_of(days)
    years, month0 = divmod(month - 1 + MONTHS[interval], 12)
    year, month = year + years, month0 + 1
    first, next_first = _day_of(year, month), _day_of(year + month // 12, month % 12 + 1)
    return (first + min(day, next_first - first) - 1) * DAY_S + second


def _day_of(year: int, month: int) -> int:
    """The first of a month, in days since 1970. A year is reckoned from March, so that a leap day is its last."""
    years, months = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return years * 365 + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 - DAYS_TO_1970


def _date_of(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day since 1970."""
    year = 1971 + days * 400 // DAYS_OF_400_YEARS
    while _day_of(year, 1) > days:
        year -= 1
    month = next(month for month in range(12, 0, -1) if _day_of(year, month) <= days)
    return year, month, days - _day_of(year, month) + 1


# -- what is to stand ------------------------------------------------------------------------------------------------------------------


def wanted(row: OpeSubscription | None, asked: Asked) -> Bought:
    """What is to stand of a subscription (None: a new one) once it is as asked. Raises Refused."""
    if asked.op == CREATE:
        return _with_a_further_product(row, asked)
    assert row is not None, "only a new subscription is none so far"
    if asked.op == CANCEL and not asked.product:
        return Bought((), row.interval)
    old = _item_of(row, asked.product)
    if asked.op == CANCEL:
        return Bought(tuple(item for item in row.items if item is not old), row.interval)
    interval = asked.interval or row.interval
    if interval != row.interval and len(row.items) > 1:
        raise Refused("mixed_intervals")
    new = _changed(old, asked)
    return Bought(tuple(new if item is old else item for item in row.items), interval)


def _with_a_further_product(row: OpeSubscription | None, asked: Asked) -> Bought:
    if not asked.product or not asked.plan or asked.price is None:
        raise Refused("incomplete")
    item = OpeItem(asked.product, asked.plan, asked.price, 1 if asked.quantity is None else asked.quantity)
    if row is None:
        return Bought((item,), asked.interval or "month")
    if asked.interval not in ("", row.interval):
        raise Refused("mixed_intervals")
    return Bought((*row.items, item), row.interval)


def _item_of(row: OpeSubscription, product: str) -> OpeItem:
    found = [item for item in row.items if product in ("", item.product)]
    if len(found) != 1:
        raise Refused("no_such_product" if product else "which_product")
    return found[0]


def _changed(old: OpeItem, asked: Asked) -> OpeItem:
    if asked.op == QUANTITY and asked.quantity is None:
        raise Refused("incomplete")
    if asked.op in (UPGRADE, DOWNGRADE) and (not asked.plan or asked.price is None):
        raise Refused("incomplete")
    return replace(
        old,
        plan=asked.plan or old.plan,
        price=old.price if asked.price is None else asked.price,
        quantity=old.quantity if asked.quantity is None else asked.quantity,
    )
