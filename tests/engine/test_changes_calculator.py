"""What a change comes to, pinned from Stripe's documentation and from answers of Stripe's that were published; each with its address.

Where a page gives no figures of its own, the expectation applies its rule, by hand: the fraction of the period that is left stands beside it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billsim.core.time import to_ms
from billsim.engine.changes_calculator import NOTHING, Asked, Bought, Refused, Term, calculate, period_end, share, wanted
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stripe.objects import ItemList, Price, Recurring, SubscriptionItem
from tests.stripe.bench import DAY_S, START_S, Bench

DOCS = "https://docs.stripe.com"
PRORATIONS = f"{DOCS}/billing/subscriptions/prorations"
CHANGE_PRICE = f"{DOCS}/billing/subscriptions/change-price"
UPDATE = f"{DOCS}/api/subscriptions/update"
CYCLE = f"{DOCS}/billing/subscriptions/billing-cycle"
QUANTITIES = f"{DOCS}/billing/subscriptions/quantities"
CANCEL = f"{DOCS}/api/subscriptions/cancel"
TRIALS = f"{DOCS}/billing/subscriptions/trials"
ZERO_DECIMAL = f"{DOCS}/currencies#zero-decimal"


def utc(year: int, month: int, day: int, hour: int = 0) -> int:
    return to_ms(datetime(year, month, day, hour, tzinfo=UTC)) // 1000


def bought(*items: int | tuple[int, int], by: str = "month") -> Bought:
    """Items by their price, or by price and quantity; each is a product of its own."""
    pairs = [item if isinstance(item, tuple) else (item, 1) for item in items]
    return Bought(tuple(OpeItem(f"product{n}", f"plan{price}", price, quantity) for n, (price, quantity) in enumerate(pairs)), by)


BOTH = bought(1000, 2000)
APRIL = Term(utc(2026, 4, 1), utc(2026, 5, 1))
MAY = Term(utc(2026, 5, 1), utc(2026, 6, 1))
YEAR = Term(utc(2026, 1, 1), utc(2027, 1, 1))
MID_APRIL, MID_MAY, MID_YEAR = utc(2026, 4, 16), utc(2026, 5, 16, 12), utc(2026, 7, 2, 12)
DOCUMENTED = Term(1_596_749_288, 1_599_427_688)
OF_2016 = Term(1_480_043_392 - 31 * DAY_S, 1_480_043_392)
OF_2018 = Term(1_529_161_019 - 31 * DAY_S, 1_529_161_019)
OF_2017 = Term(1_489_449_600 - 28 * DAY_S, 1_489_449_600)
FEBRUARY = Term(utc(2026, 1, 31), utc(2026, 2, 28))
LEAP_FEBRUARY = Term(utc(2028, 1, 31), utc(2028, 2, 29))


class Case(NamedTuple):
    """`amounts`: each line, in order. `renews_at`: what a whole period costs from then on. `prorates` False: `proration_behavior=none`."""

    source: str
    what: str
    before: Bought
    after: Bought
    term: Term
    at_s: int
    amounts: list[int]
    renews_at: int
    grows: bool
    resets: bool = False
    prorates: bool = True


CASES = [
    # Figures that Stripe gives itself.
    Case(PRORATIONS, "10 to 20 USD halfway: 5 USD more", bought(1000), bought(2000), APRIL, MID_APRIL, [-500, 1000], 2000, True),
    Case(f"{PRORATIONS}#preview-proration", "the preview: 3627 with the renewal", bought(1000), bought(3252), DOCUMENTED, 1_598_982_148,
         [-166, 541], 3252, True),
    Case(f"{PRORATIONS}#credit-prorations", "a third of a month of 20 USD for one of 10", bought(2000), bought(1000), APRIL, utc(2026, 4, 21),
         [-667, 333], 1000, False),
    Case(f"{PRORATIONS}#credit-prorations", "10 to 20 USD on 11 April without prorations", bought(1000), bought(2000), APRIL, utc(2026, 4, 11),
         [], 2000, True, prorates=False),
    Case(f"{PRORATIONS}#credit-prorations", "an item of 10 USD is taken out halfway", BOTH, Bought(BOTH.items[1:], "month"), APRIL, MID_APRIL,
         [-500], 2000, False),
    Case(UPDATE, "100 to 200 USD halfway through May: 50 more, 250 on 1 June", bought(10000), bought(20000), MAY, MID_MAY,
         [-5000, 10000], 20000, True),
    Case(UPDATE, "without prorations: 100 on 1 May, 200 on 1 June", bought(10000), bought(20000), MAY, MID_MAY, [], 20000, True, prorates=False),
    Case(UPDATE, "a downgrade is a credit with the next invoice", bought(20000), bought(10000), MAY, MID_MAY, [-10000, 5000], 10000, False),
    # Invoices that Stripe answered with, as they were published. What is not in them is inferred from their totals.
    Case("https://pastebin.com/9Hu591Zt", "4998 with the renewal", bought(999), bought(2999), OF_2016, 1_477_365_718, [-999, 2998], 2999, True),
    Case("https://pastebin.com/Rxuk5FLW", "4997 with the renewal", bought(1000), bought(3000), OF_2018, 1_526_487_083, [-998, 2995], 3000, True),
    Case("https://gist.github.com/matthewarkin/27bcfdf622eb91d3508ea082d0ad50b8", "9636: a period begins", bought(1000), bought(10000, by="year"),
         OF_2017, 1_488_568_488, [-364, 10000], 10000, True, resets=True),
    Case("https://gist.github.com/matthewarkin/bb310ee27323ffee7ab8", "108 s into a month, 20 to 40 USD", bought(2000), bought(4000),
         Term(1_403_630_314, 1_403_630_314 + 30 * DAY_S), 1_403_630_422, [-2000, 4000], 4000, True),
    # Another interval.
    Case(UPDATE, "month to year: credit, the new price at once", bought(1000), bought(10000, by="year"), APRIL, MID_APRIL, [-500, 10000], 10000,
         True, resets=True),
    Case(UPDATE, "month to year without prorations: no credit", bought(1000), bought(10000, by="year"), APRIL, MID_APRIL, [10000], 10000, True,
         resets=True, prorates=False),
    Case(f"{CHANGE_PRICE}#billing-periods", "year to month: half a year back, a month charged", bought(12000, by="year"), bought(1000), YEAR,
         MID_YEAR, [-6000, 1000], 1000, False, resets=True),
    Case(f"{CHANGE_PRICE}#billing-periods", "year to month, a day before the end", bought(12000, by="year"), bought(1000), YEAR, utc(2026, 12, 31),
         [-33, 1000], 1000, True, resets=True),
    Case(f"{CHANGE_PRICE}#billing-periods", "within a year, a quarter left", bought(12000, by="year"), bought(24000, by="year"),
         Term(utc(2026, 1, 1), utc(2027, 1, 1)), utc(2027, 1, 1) - 365 * DAY_S // 4, [-3000, 6000], 24000, True),
    Case(f"{CHANGE_PRICE}#handle-zero-amount-prices-and-quantities", "free to 10 USD begins a period", bought(0), bought(1000), APRIL, MID_APRIL,
         [1000], 1000, True, resets=True),
    Case(f"{CHANGE_PRICE}#handle-zero-amount-prices-and-quantities", "none to one of 10 USD does not", bought((1000, 0)), bought((1000, 1)), APRIL,
         MID_APRIL, [500], 1000, True),
    Case(CHANGE_PRICE, "10 USD to free: half of it back", bought(1000), bought(0), APRIL, MID_APRIL, [-500], 0, False),
    # Quantities, and several products.
    Case(QUANTITIES, "one site of 9.99 USD to five, a third left", bought((999, 1)), bought((999, 5)), APRIL, utc(2026, 4, 21),
         [-333, 1665], 4995, True),
    Case(QUANTITIES, "two sites to one, a third left", bought((999, 2)), bought((999, 1)), APRIL, utc(2026, 4, 21), [-666, 333], 999, False),
    Case(QUANTITIES, "the second product from two to three; the first is left alone", bought(1000, (2000, 2)), bought(1000, (2000, 3)), APRIL,
         MID_APRIL, [-2000, 3000], 7000, True),
    Case(f"{PRORATIONS}#what-triggers-prorations", "a product is added halfway", bought(1000), BOTH, APRIL, MID_APRIL, [1000], 3000, True),
    Case(f"{PRORATIONS}#what-triggers-prorations", "price and quantity at once", bought((1000, 2)), bought((3000, 3)), APRIL, MID_APRIL,
         [-1000, 4500], 9000, True),
    Case(f"{PRORATIONS}#credit-prorations", "a second upgrade gives back the present price", bought(2000), bought(3000), APRIL, utc(2026, 4, 21),
         [-667, 1000], 3000, True),
    # By the second, to the nearest minor unit.
    Case(PRORATIONS, "in the first second: all of it", bought(1000), bought(2000), APRIL, APRIL.start_s, [-1000, 2000], 2000, True),
    Case(PRORATIONS, "a second later it still rounds to all of it", bought(1000), bought(2000), APRIL, APRIL.start_s + 1, [-1000, 2000], 2000, True),
    Case(PRORATIONS, "with a second left there is nothing to settle", bought(1000), bought(2000), APRIL, APRIL.end_s - 1, [], 2000, True),
    Case(PRORATIONS, "at the end there is nothing left", bought(1000), bought(2000), APRIL, APRIL.end_s, [], 2000, True),
    Case(PRORATIONS, "an hour of 720 is left: 139 and 278, not 139 twice", bought(100000), bought(200000), APRIL, APRIL.end_s - 3600,
         [-139, 278], 200000, True),
    Case(ZERO_DECIMAL, "yen have no minor units: 166.3 and 332.7", bought(1000), bought(2000), DOCUMENTED, 1_598_982_148, [-166, 333], 2000, True),
    # Periods of other lengths.
    Case(CYCLE, "31 January to 28 February, halfway", bought(1000), bought(2000), FEBRUARY, utc(2026, 2, 14), [-500, 1000], 2000, True),
    Case(CYCLE, "31 January to 29 February, 14 of 29 days left", bought(1000), bought(2000), LEAP_FEBRUARY, utc(2028, 2, 15),
         [-483, 966], 2000, True),
    # What is not settled.
    Case(TRIALS, "during a trial nothing was paid, and nothing is", bought(1000), bought(2000), Term(*APRIL[:2], True), MID_APRIL, [], 2000, True),
    Case(TRIALS, "nor for another interval", bought(1000), bought(10000, by="year"), Term(*APRIL[:2], True), MID_APRIL, [], 10000, False),
    Case(CANCEL, "what ends now is not given back by default", bought(1000), NOTHING, APRIL, MID_APRIL, [], 0, False),
    Case(f"{PRORATIONS}#prorations-and-unpaid-invoices", "what was not paid for is not given back", bought(2000), bought(1000), APRIL, MID_APRIL, [],
         1000, False, prorates=False),
    Case(f"{DOCS}/api/subscriptions/create", "a new subscription is charged whole, at once", NOTHING, bought((1000, 2)), APRIL, MID_APRIL,
         [2000], 2000, True, resets=True),
    Case(f"{DOCS}/api/subscriptions/create", "a free one costs nothing", NOTHING, bought(0), APRIL, MID_APRIL, [], 0, False, resets=True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source.rpartition('/')[2]}: {case.what}")
def test_it_comes_to(case: Case) -> None:
    found = calculate(case.before, case.after, case.term, case.at_s, prorates=case.prorates)
    assert [each.amount for each in found.amounts] == case.amounts and found.total == sum(case.amounts)
    assert (found.bought.price, found.grows, found.resets) == (case.renews_at, case.grows, case.resets)
    if not case.resets:
        assert found.term == case.term


def test_at_least_thirty_are_pinned_and_none_of_them_twice() -> None:
    assert len({case[2:] for case in [c._replace(amounts=tuple(c.amounts)) for c in CASES]}) == len(CASES) >= 30  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "part", "whole", "expected"),
    [(1000, 445_540, 2_678_400, 166), (3252, 445_540, 2_678_400, 541), (1, 1, 3, 0), (2, 1, 3, 1), (7, 9, 9, 7), (7, 0, 9, 0), (7, 0, 0, 0)],
)
def test_a_share_is_rounded_to_the_nearest_unit(amount: int, part: int, whole: int, expected: int) -> None:
    assert share(amount, part, whole) == expected


def test_an_exact_half_is_taken_away_from_zero() -> None:
    # Stripe does not say (assumed): 2.5 back, and 3.5 charged.
    assert [each.amount for each in calculate(bought(5), bought(7), APRIL, MID_APRIL).amounts] == [-3, 4]


@pytest.mark.parametrize(
    ("start", "interval", "end"),
    [
        # https://docs.stripe.com/billing/subscriptions/billing-cycle
        (utc(2026, 1, 31), "month", utc(2026, 2, 28)),
        (utc(2028, 1, 31), "month", utc(2028, 2, 29)),
        (utc(2026, 4, 30), "month", utc(2026, 5, 30)),
        (utc(2026, 4, 16, 5), "year", utc(2027, 4, 16, 5)),
        (utc(2028, 2, 29), "year", utc(2029, 2, 28)),
    ],
)
def test_a_period_ends_on_the_same_day(start: int, interval: str, end: int) -> None:
    assert period_end(interval, start) == end


def test_a_period_that_begins_now_ends_as_the_new_interval_says() -> None:
    found = calculate(bought(1000), bought(10000, by="year"), APRIL, MID_APRIL)
    assert found.term == Term(MID_APRIL, utc(2027, 4, 16))


def test_each_line_says_for_what_and_for_when_it_is() -> None:
    back, more = calculate(bought(1000), bought(2000), APRIL, MID_APRIL).amounts
    assert (back.what, back.item.price, back.term) == ("unused", 1000, Term(MID_APRIL, APRIL.end_s))
    assert (more.what, more.item.price, more.term) == ("remaining", 2000, Term(MID_APRIL, APRIL.end_s))
    assert calculate(bought(1000), bought(9000, by="year"), APRIL, MID_APRIL).amounts[1].what == "period"


# -- the same, reckoned by the simulated Stripe


PRICES = st.sampled_from([0, 1, 99, 500, 999, 2000, 3252, 20000, 123_457])
WHOLE = Term(START_S - 27 * DAY_S, START_S + DAY_S)


@settings(max_examples=60, deadline=None)
@given(PRICES, PRICES, st.integers(1, 7), st.integers(1, 7), st.integers(0, 28 * DAY_S), st.sampled_from(["month", "year"]))
def test_the_simulated_stripe_bills_the_same(old: int, new: int, was: int, more: int, after_s: int, interval: str) -> None:
    prices = Price(id="old", created=0, unit_amount=old), Price(id="new", created=0, unit_amount=new, recurring=Recurring(interval))
    period = {"current_period_start": WHOLE.start_s, "current_period_end": WHOLE.end_s}
    bench = Bench(items=ItemList((SubscriptionItem(id="si_ada", created=0, price=prices[0], quantity=was, **period),)))
    bench.stripe.seed(*prices)
    at_s = WHOLE.start_s + after_s
    change = {"items": [{"id": "si_ada", "price": "new", "quantity": more}], "proration_behavior": "always_invoice", "proration_date": at_s}
    latest = bench.call("subscriptions.update", "sub_ada", change).latest_invoice
    invoice = bench.book.invoices.get(latest or "")
    before, after = Bought((OpeItem("", "old", old, was),), "month"), Bought((OpeItem("", "new", new, more),), interval)
    found = calculate(before, after, WHOLE, at_s)
    assert sorted(each.amount for each in found.amounts) == sorted(line.amount for line in (invoice.lines.data if invoice else ()) if line.amount)
    assert invoice is None or (found.total, found.resets) == (invoice.total, bench.subscription.items.data[0].current_period_start == START_S)


# -- what is to stand


ROW = OpeSubscription("ada", "ope_ada", items=(OpeItem("zone", "pro", 2000, 2), OpeItem("images", "basic", 500)))
ALONE = OpeSubscription("ada", "ope_ada", items=(OpeItem("zone", "pro", 2000, 2),))


@pytest.mark.parametrize(
    ("row", "asked", "expected"),
    [
        (ALONE, Asked("upgrade", plan="business", price=5000), Bought((OpeItem("zone", "business", 5000, 2),), "month")),
        (ALONE, Asked("downgrade", plan="basic", price=500, quantity=1), Bought((OpeItem("zone", "basic", 500),), "month")),
        (ALONE, Asked("upgrade", plan="pro_yearly", price=20000, interval="year"), Bought((OpeItem("zone", "pro_yearly", 20000, 2),), "year")),
        (ALONE, Asked("quantity", quantity=5), Bought((OpeItem("zone", "pro", 2000, 5),), "month")),
        (ROW, Asked("quantity", product="images", quantity=3), Bought((ROW.items[0], OpeItem("images", "basic", 500, 3)), "month")),
        (ROW, Asked("cancel", product="zone"), Bought(ROW.items[1:], "month")),
        (ROW, Asked("cancel"), Bought((), "month")),
        (ALONE, Asked("cancel", product="zone"), Bought((), "month")),
        (ROW, Asked("create", product="dns", plan="dns_pro", price=100), Bought((*ROW.items, OpeItem("dns", "dns_pro", 100)), "month")),
        (None, Asked("create", product="dns", plan="dns_pro", price=100, interval="year"), Bought((OpeItem("dns", "dns_pro", 100),), "year")),
    ],
)
def test_what_is_to_stand(row: OpeSubscription | None, asked: Asked, expected: Bought) -> None:
    assert wanted(row, asked) == expected


@pytest.mark.parametrize(
    ("row", "asked", "why"),
    [
        (ROW, Asked("quantity", quantity=3), "which_product"),
        (ROW, Asked("upgrade", product="dns", plan="x", price=1), "no_such_product"),
        (ROW, Asked("upgrade", product="zone", plan="x", price=1, interval="year"), "mixed_intervals"),
        (ROW, Asked("create", product="dns", plan="x", price=1, interval="year"), "mixed_intervals"),
        (ALONE, Asked("upgrade", plan="business"), "incomplete"),
        (ALONE, Asked("upgrade", price=5000), "incomplete"),
        (ALONE, Asked("quantity"), "incomplete"),
        (None, Asked("create", product="dns", price=1), "incomplete"),
        (None, Asked("create", plan="x", price=1), "incomplete"),
    ],
)
def test_what_cannot_be_is_refused(row: OpeSubscription | None, asked: Asked, why: str) -> None:
    with pytest.raises(Refused, match=why):
        wanted(row, asked)
