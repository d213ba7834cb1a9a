"""What applystripe does about what Stripe bills, beside what was bought: OPE is the authority, and Stripe follows.

Nothing is prorated, given back or charged for the past: what is wrong is right from now on, and what has been billed wrongly is for people (assumed).
What is on its way, waits for a payment or is owed for is left alone: whoever is at work on it says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.remediation import RemediationPolicy
from billsim.core.time import SECOND_MS
from billsim.engine import payments
from billsim.engine.changes_calculator import MONTHS, Bought, Term, calculate
from billsim.engine.ended import ended_unowed
from billsim.ports import AccountState, CallStripe, CompareAndSet, Effect, Message, Steps
from billsim.remediation.audit import Refusal
from billsim.remediation.restrictions import of_bill
from billsim.stores.ope import ACTIVE, CANCELED, OpeChange, OpeItem, OpeSubscription
from billsim.stripe.objects import StripeError, Subscription

END, ADOPT, CREATE, UPDATE, CANCEL = "end", "adopt", "create", "update", "cancel"
LIVE = ("trialing", "active", "past_due", "unpaid", "paused")
# Why a subscription is left alone.
CHANGING, UNCONFIRMED, AMBIGUOUS, MISSING_PRICE, MOVING, TOO_YOUNG = (
    "change_on_its_way", "unconfirmed", "ambiguous", "missing_price", "moving", "too_young",
)  # fmt: skip


class Bill(msgspec.Struct, frozen=True):
    """Something to do about one subscription: `end` it in OPE, as it has ended at Stripe; have OPE `adopt` one that nobody names; `create` or
    `update` one as it was bought; or `cancel` one that nobody has bought. `row` is the subscription of record, `at_stripe` its counterpart.
    """

    what: str
    row: OpeSubscription | None = None
    at_stripe: Subscription | None = None

    @property
    def step(self) -> str:
        """Its name in the audit."""
        what = self.row.key if self.row is not None else self.at_stripe.id if self.at_stripe is not None else ""
        return f"{self.what}/{what}"


class Bills(msgspec.Struct, frozen=True):
    """What is to be done, what a restriction forbids, and what is left alone."""

    bills: tuple[Bill, ...] = ()
    refused: tuple[Refusal, ...] = ()
    left: tuple[Refusal, ...] = ()


def planned(state: AccountState, rules: RemediationPolicy, now_ms: int) -> Bills:
    """What is wrong between OPE and Stripe, and may be mended."""
    bills, refused, left = [], [], []
    for found in (*_of_record(state), *_never_bought(state)):
        if isinstance(found, Refusal):
            left.append(found)
        elif found.what in (ADOPT, CANCEL) and found.at_stripe is not None and found.at_stripe.created + rules.youngest_s > now_ms // SECOND_MS:
            left.append(Refusal(TOO_YOUNG, found.step))
        elif why := _restriction(state, found, rules, now_ms):
            refused.append(Refusal(why, found.step))
        else:
            bills.append(found)
    return Bills(tuple(bills), tuple(refused), tuple(left))


def _restriction(state: AccountState, bill: Bill, rules: RemediationPolicy, now_ms: int) -> str:
    if bill.what in (END, ADOPT):
        return ""
    subscription = None if bill.what == CREATE else bill.at_stripe
    return of_bill(state, subscription, costs=_costs(bill, now_ms), rules=rules, now_ms=now_ms)


def _of_record(state: AccountState) -> Iterator[Bill | Refusal]:
    """What is wrong with each subscription of record."""
    over, stood_for = ended_unowed(state), list[str]()
    for row in state.ope.values():
        counterpart = state.stripe.subscriptions.get(row.stripe_subscription)
        if row.scheduled is not None:
            if not payments.stands(counterpart, row.billed_items, row.interval):
                yield Refusal(CHANGING, row.key)
        elif row.status == CANCELED:
            if counterpart is not None and counterpart.status in LIVE and not _is_bought(state, counterpart.id):
                yield Bill(CANCEL, row, counterpart)
        elif row.status != ACTIVE:
            yield Refusal(UNCONFIRMED, row.key)
        elif row.stripe_subscription and row.stripe_subscription in stood_for:
            yield Refusal(AMBIGUOUS, row.key)
        elif row in over:
            yield Bill(END, row, counterpart)
        else:
            stood_for.append(row.stripe_subscription)
            yield from _in_force(state, row, counterpart)


def _in_force(state: AccountState, row: OpeSubscription, counterpart: Subscription | None) -> Iterator[Bill | Refusal]:
    if counterpart is None:
        unnamed = next((each for each in _unnamed(state) if _products(each) == sorted(item.product for item in row.items)), None)
        yield Bill(ADOPT, row, unnamed) if unnamed is not None else Bill(CREATE, row)
    elif counterpart.status not in payments.ENDED and not payments.stands(counterpart, row.items, row.interval):
        yield Refusal(UNCONFIRMED, row.key) if payments.is_waiting(counterpart) else Bill(UPDATE, row, counterpart)


def _never_bought(state: AccountState) -> Iterator[Bill]:
    """What Stripe bills and no subscription of record names, unless one that names nothing is to have it."""
    adopted = [bill.at_stripe for bill in _of_record(state) if isinstance(bill, Bill) and bill.what == ADOPT]
    return (Bill(CANCEL, None, each) for each in _unnamed(state) if each not in adopted)


def _unnamed(state: AccountState) -> list[Subscription]:
    named = [row.stripe_subscription for row in state.ope.values()]
    return [each for each in state.stripe.subscriptions.values() if each.status in LIVE and each.id not in named]


def _products(subscription: Subscription) -> list[str]:
    return sorted(item.price.product for item in subscription.items.data)


def _is_bought(state: AccountState, subscription: str) -> bool:
    return any(row.status == ACTIVE and row.stripe_subscription == subscription for row in state.ope.values())


def _costs(bill: Bill, now_ms: int) -> bool:
    """Whether the customer will pay for it: more than before, or at once."""
    if bill.row is None or bill.what == CANCEL:
        return False
    after = Bought(bill.row.items, bill.row.interval)
    if bill.at_stripe is None or bill.what == CREATE:
        return after.price > 0
    billed = bill.at_stripe.items.data
    intervals = [item.price.recurring.interval if item.price.recurring is not None else "" for item in billed]
    if not intervals or any(each != intervals[0] for each in intervals) or intervals[0] not in MONTHS or after.interval not in MONTHS:
        return True
    before = Bought(tuple(OpeItem(item.price.product, "", item.price.unit_amount, item.quantity) for item in billed), intervals[0])
    term = Term(billed[0].current_period_start, billed[0].current_period_end, bill.at_stripe.status == "trialing")
    return calculate(before, after, term, now_ms // SECOND_MS, prorates=False).grows


# -- doing it --------------------------------------------------------------------------------------------------------------------------


def settle(state: AccountState, bill: Bill, message: Message, nth: int) -> Generator[Effect, Any, Refusal | None]:
    """Do one thing; `nth`: by which look at the account. Answer: why it was left alone after all. Raises StripeError."""
    row, counterpart = bill.row, bill.at_stripe
    change = _as_a_change(bill, f"{message.name}/{nth}/{bill.step}")
    if bill.what == CANCEL and counterpart is not None:
        yield from payments.cancel(state, counterpart, change)
    elif row is not None and bill.what == END:
        yield CompareAndSet("ope", row.account, row.version, {"status": CANCELED}, row.key)
    elif row is not None and bill.what == ADOPT and counterpart is not None:
        yield CompareAndSet("ope", row.account, row.version, {"stripe_subscription": counterpart.id}, row.key)
    elif row is not None:
        if not (yield from _are_priced(row)):
            return Refusal(MISSING_PRICE, row.key)
        if counterpart is not None:
            yield from payments.update(state, counterpart, change)
        else:
            yield from _create(state, row, change)
    return None


def _as_a_change(bill: Bill, request: str) -> OpeChange:
    """As payment orchestration is told of it: nothing is settled for the past, and what cannot be paid is not made."""
    items, interval = (bill.row.items, bill.row.interval) if bill.row is not None else ((), "month")
    return OpeChange(request, items, interval, payment_behavior="error_if_incomplete", proration_behavior="none")


def _create(state: AccountState, row: OpeSubscription, change: OpeChange) -> Steps:
    named = row if row.stripe_subscription else replace(row, stripe_subscription=f"sub_{row.key.removeprefix('ope_')}")
    made = yield from payments.purchase(state, named, change)
    if made.id != row.stripe_subscription:
        yield CompareAndSet("ope", row.account, row.version, {"stripe_subscription": made.id}, row.key)


def _are_priced(row: OpeSubscription) -> Generator[Effect, Any, bool]:
    """Whether Stripe has a price for each of the plans: what the catalog has not brought there, remediation does not make up."""
    for item in row.items:
        try:
            yield CallStripe("prices.retrieve", row.account, f"price_{item.plan}")
        except StripeError as refusal:
            if refusal.status != 404:
                raise
            return False
    return True
