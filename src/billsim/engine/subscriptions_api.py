"""subscriptions-api: the one path by which what an account has bought changes, whichever door asks: Dashboard, iAPI, Catalog, or the CF queue.

Gather -> Validate -> Plan -> Sync + Save. The plan is written into OPE before anything is done, as a change on its way, and whoever finds one carries
it through: the request itself, the message that it orders ahead in case it dies, a webhook's brain. Each step is decided by what Stripe and OPE hold,
and each request to Stripe is named by the change, so that repeating one, or racing another, leads to the same.

Confirm before commit: what grows is paid at Stripe before it stands in OPE. What shrinks stands in OPE first, and Stripe follows.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.policy import BAD_DEBT, DunningPolicy
from billsim.core.time import HOUR_MS, SECOND_MS
from billsim.engine import changes_calculator, ended, orders, payments
from billsim.engine.changes_calculator import CANCEL, CREATE, MONTHS, NOTHING, OPS, PERIOD_END, Asked, Bought, Refused, Term, calculate, wanted
from billsim.engine.decide import governed
from billsim.engine.errors import RetryLater
from billsim.engine.payments import CONTROLS, GROWTH, PURCHASE, REST, Controls, payment_behavior
from billsim.ports import AccountState, CompareAndSet, Component, Effect, GatherAll, Message, Now, Send, Sleep, Steps
from billsim.stores.ope import ACTIVE, CANCELED, PENDING, OpeChange, OpeSubscription
from billsim.stripe.objects import StripeError, Subscription

NAME = "subscriptions_api"
DOORS = ("request.change", "domain.change_requested")
# What it announces: a change that has come to its end, and one that was not taken up.
CHANGED, REFUSED = "subscription_changed", "change_refused"
# Everything that a change is planned and carried through by.
PARTS = ("subs_dunning", "subs_account", "subs_customer", "ope", "stripe.customer", "stripe.subscription", "stripe.invoice")
TRIES = 8
# A change that nobody carries on with is taken up again after this long.
RESUMES_AFTER_MS = 30 * SECOND_MS
# Stripe forgets an idempotency key a day after its first use (https://docs.stripe.com/api/idempotent_requests).
KEYS_FORGOTTEN_MS = 25 * HOUR_MS
# An interval is changed this long before its period ends, because Stripe draws up the renewal at the very end: assumed.
BEFORE_RENEWAL_MS = HOUR_MS
REQUESTS_KEPT = 8

Moves = Generator[Effect, Any, bool]
"""Steps whose answer says whether it is worth looking at the account again."""


class SubscriptionsApi:
    """The component. `controls` is how requests are paid (`billsim.engine.payments`)."""

    def __init__(self, policy: DunningPolicy, controls: Controls = CONTROLS) -> None:
        self._policy = policy
        self._controls = controls

    def handle(self, message: Message) -> Steps:
        """Take up the change that a message asks for, if it does, and carry through whatever is on its way. Raises RetryLater if rows keep moving."""
        if message.kind in DOORS and not (yield from self._take_up(message)):
            return
        yield from self._carry_through(message)

    # -- Gather, Validate, Plan --------------------------------------------------------------------------------------------------------

    def _take_up(self, message: Message) -> Moves:
        """Write the plan into OPE. Answer: whether there is something to be carried through."""
        for _ in range(TRIES):
            state: AccountState = yield GatherAll(message.account, PARTS)
            now_ms: int = yield Now()
            if any(message.name in row.requests for row in state.ope.values()):
                return True
            try:
                asked = asked_of(message)
                row = validated(state, asked, self._policy)
                plan = self._plan(state, row, asked, message.name, now_ms) if not _is_in_progress(row) else None
            except Refused as refused:
                yield Send(REFUSED, message.account, {"request": message.name, "why": refused.why})
                return False
            if _is_in_progress(row):
                # Someone else's change comes first: it is helped along, which does no harm to it.
                yield from self._carry_through(message)
                continue
            if plan is None:
                return False
            yield orders.change_due(message.account, plan.key, now_ms + RESUMES_AFTER_MS)
            if plan.due_ms is not None:
                yield orders.change_due(message.account, plan.key, plan.due_ms)
            if (yield CompareAndSet("ope", message.account, plan.version, plan.fields, plan.key)) is not None and plan.is_whole:
                return True
            yield from self._carry_through(message)
        raise RetryLater(NAME, message.account, TRIES)

    def _plan(self, state: AccountState, row: OpeSubscription | None, asked: Asked, request: str, now_ms: int) -> Plan | None:
        """What to write so that the change is on its way; None where nothing would change."""
        before, after = (Bought(row.items, row.interval) if row is not None else NOTHING), wanted(row, asked)
        plan = self._changing(state, row, before, after, asked, request, now_ms) if before != after else None
        waiting = row.scheduled if row is not None and row.scheduled is not None and row.scheduled.due_ms is not None else None
        if row is None or waiting is None:
            return plan
        is_the_same = asked.when == PERIOD_END and (waiting.items, waiting.interval) == after
        return None if is_the_same else _withdrawal(row, request)

    def _changing(
        self, state: AccountState, row: OpeSubscription | None, before: Bought, after: Bought, asked: Asked, request: str, now_ms: int
    ) -> Plan:
        if row is not None and row.status == PENDING:
            return Plan(row.key, row.version, _followed(row, OpeChange(request, interval=row.interval)))
        if row is not None and asked.when == PERIOD_END:
            if _waits_for_payment(row):
                raise Refused("unconfirmed")
            return _delayed(row, after, request, _term(state.stripe.subscriptions.get(row.stripe_subscription)))
        return self._at_once(state, row, before, after, asked, request, now_ms)

    def _at_once(
        self, state: AccountState, row: OpeSubscription | None, before: Bought, after: Bought, asked: Asked, request: str, now_ms: int
    ) -> Plan:
        counterpart = state.stripe.subscriptions.get(row.stripe_subscription) if row is not None else None
        at_s = now_ms // SECOND_MS
        change = self._change(state, counterpart, before, after, request, at_s, on_session=asked.on_session, prorates=True)
        if row is None:
            return _new(state, change)
        if not change.grows:
            return Plan(row.key, row.version, _followed(row, change))
        replaces = row.scheduled if _waits_for_payment(row) else None
        return Plan(row.key, row.version, {"scheduled": replace(change, replaces=replaces), "requests": _requests(row, request)})

    def _change(
        self, state: AccountState, counterpart: Subscription | None, before: Bought, after: Bought, request: str, at_s: int, *,
        on_session: bool, prorates: bool,
    ) -> OpeChange:  # fmt: skip
        """The change that is made at once. Raises Refused where it costs something that cannot be paid."""
        term = _term(counterpart) if counterpart is not None else Term(at_s, at_s)
        found = calculate(before, after, term, at_s, prorates=prorates)
        if before.items and not found.grows:
            # What is not paid for is not given back (https://docs.stripe.com/billing/subscriptions/prorations#prorations-and-unpaid-invoices).
            settled = "create_prorations" if prorates and not _owes(state, counterpart) else "none"
            return OpeChange(request, after.items, after.interval, at_s=at_s, payment_behavior=payments.OTHERWISE, proration_behavior=settled)
        instrument = payments.instrument_of(state, counterpart)
        if found.total > 0 and instrument is None:
            raise Refused("no_payment_method")
        if _owes(state, counterpart) or (state.dunning is not None and state.dunning.status == BAD_DEBT):
            raise Refused("owes")
        behavior = payment_behavior(GROWTH if before.items else PURCHASE, on_session, instrument or "", self._controls)
        return OpeChange(
            request, after.items, after.interval, grows=True, resets=found.resets, at_s=at_s, on_session=on_session,
            payment_behavior=behavior, proration_behavior="always_invoice" if prorates else "none",
        )  # fmt: skip

    # -- Sync + Save -------------------------------------------------------------------------------------------------------------------

    def _carry_through(self, message: Message) -> Steps:
        """Carry on with the changes of the account. Where Stripe is broken, that is its answer for a day: they are taken up again after it, and who
        asked for one is told.
        """
        try:
            yield from self._as_far_as_it_goes(message)
        except StripeError as refusal:
            if refusal.status < 500:
                raise
            now_ms: int = yield Now()
            yield orders.change_due(message.account, "", now_ms + KEYS_FORGOTTEN_MS)
            if message.kind in DOORS:
                raise

    def _as_far_as_it_goes(self, message: Message) -> Steps:
        """Take every change of the account as far as it goes; of an account that nobody may write automatically any more, none."""
        for _ in range(TRIES):
            state: AccountState = yield GatherAll(message.account, PARTS)
            if not governed(state, self._policy):
                return
            now_ms: int = yield Now()
            moved = False
            for row in state.ope.values():
                if row.is_unfinished(now_ms) or ended.in_vain(state, row):
                    moved = (yield from self._carry_on(state, row, now_ms, message)) or moved
            if not moved:
                return
        raise RetryLater(NAME, message.account, TRIES)

    def _carry_on(self, state: AccountState, row: OpeSubscription, now_ms: int, message: Message) -> Moves:
        change, counterpart = row.scheduled, state.stripe.subscriptions.get(row.stripe_subscription)
        assert change is not None, "only a row with a change on its way is unfinished"
        if change.due_ms is not None:
            return (yield from self._wait_for_its_day(state, row, change, counterpart, now_ms))
        if change.grows:
            return (yield from _grow(state, row, change, counterpart, message))
        return (yield from _follow(state, row, change, counterpart))

    def _wait_for_its_day(
        self, state: AccountState, row: OpeSubscription, change: OpeChange, counterpart: Subscription | None, now_ms: int
    ) -> Moves:
        """A change that stands from the end of the period: Stripe is told at once, unless that would begin a new one."""
        assert change.due_ms is not None, "its day is known"
        is_due = now_ms >= change.due_ms
        if payments.has_ended(counterpart) or counterpart is None:
            return (yield from _through(row, change, {} if change.items else {"status": CANCELED}))
        if change.resets:
            return (yield from self._begin_anew(state, row, change, counterpart, now_ms))
        if not change.asked:
            return (yield from _put_off(state, row, change, counterpart))
        if not is_due or (change.grows and not _is_renewed(state, counterpart, change.due_ms)):
            return False
        if not change.items:
            yield from payments.cancel(state, counterpart, change)
        return (yield from _through(row, change, _standing(change)))

    def _begin_anew(self, state: AccountState, row: OpeSubscription, change: OpeChange, counterpart: Subscription, now_ms: int) -> Moves:
        """The period is all but over: the new interval begins, and the little that is left of the old one is not given back."""
        before, after = Bought(row.items, row.interval), Bought(change.items, change.interval)
        try:
            at_s = now_ms // SECOND_MS
            made = self._change(state, counterpart, before, after, change.request, at_s, on_session=False, prorates=False)
        except Refused:
            return (yield from _through(row, change, {}, why="refused"))
        fields = {"scheduled": made} if made.grows else _followed(row, made)
        return (yield from _moved(row, fields))


class Plan(msgspec.Struct, frozen=True):
    """The first write of a change: fields of the OPE row `key`, if it still has this version. `due_ms`: the day that it waits for.

    `is_whole` False: it only makes room, and what was asked for is to be planned again.
    """

    key: str
    version: int
    fields: dict[str, Any]
    due_ms: int | None = None
    is_whole: bool = True


def component(policy: DunningPolicy) -> Component:
    """The component under its name and right to write."""
    return Component(NAME, "engine", SubscriptionsApi(policy).handle)


# -- Validate --------------------------------------------------------------------------------------------------------------------------


def asked_of(message: Message) -> Asked:
    """The change that a message's body asks for. Raises Refused for a body that is none."""
    told = {key: value for key, value in message.body.items() if key in Asked.__struct_fields__}
    told.setdefault("on_session", told.get("via") == "dashboard")
    try:
        asked = msgspec.convert(told, Asked)
    except msgspec.ValidationError:
        raise Refused("not_understood") from None
    if asked.op not in OPS or asked.when not in (changes_calculator.NOW, PERIOD_END) or asked.interval not in ("", *MONTHS):
        raise Refused("not_understood")
    if (asked.price is not None and asked.price < 0) or (asked.quantity is not None and asked.quantity < 1):
        raise Refused("below_zero")
    return asked


def validated(state: AccountState, asked: Asked, policy: DunningPolicy) -> OpeSubscription | None:
    """The subscription that is to change, None for a new one. Raises Refused where the account or the subscription does not allow it."""
    if not governed(state, policy):
        raise Refused("not_governed")
    if asked.op == CREATE and _has(state, asked.product):
        raise Refused("bought_already")
    if not asked.subscription:
        if asked.op != CREATE:
            raise Refused("which_subscription")
        return None
    row = state.ope.get(asked.subscription)
    if row is None or row.status == CANCELED:
        raise Refused("no_such_subscription")
    counterpart = state.stripe.subscriptions.get(row.stripe_subscription)
    if row.status == PENDING:
        if asked.op != CANCEL:
            raise Refused("unconfirmed")
    elif counterpart is None or payments.has_ended(counterpart):
        raise Refused("ended")
    return row


def _is_in_progress(row: OpeSubscription | None) -> bool:
    """Whether someone is at work on a change of the subscription, or was: Stripe may be asked for it at any moment.

    One that Stripe has been asked for waits for its day or for a payment, and so does one that is not asked for before its day.
    """
    change = row.scheduled if row is not None else None
    return change is not None and not change.asked and (change.due_ms is None or not change.resets)


def _waits_for_payment(row: OpeSubscription) -> bool:
    """Whether Stripe has been asked for a change, and will make it as soon as it is paid."""
    change = row.scheduled
    return change is not None and change.asked and change.due_ms is None


def _has(state: AccountState, product: str) -> bool:
    """Whether the product is bought, or being bought: a second click is no second purchase."""
    live = [row for row in state.ope.values() if row.status != CANCELED]
    return any(item.product == product for row in live for item in row.items)


def _owes(state: AccountState, counterpart: Subscription | None) -> bool:
    """Whether what the running period costs was tried, and is not paid. The invoice of a change that waits to be paid is another matter."""
    if counterpart is None or counterpart.pending_update is not None:
        return False
    latest = state.stripe.invoices.get(counterpart.latest_invoice or "")
    if latest is None or latest.status not in ("open", "uncollectible") or not latest.attempted:
        return False
    intent = state.stripe.payment_intents.get(latest.payments[-1].payment_intent) if latest.payments else None
    return intent is None or intent.status != "processing"


# -- Plan ------------------------------------------------------------------------------------------------------------------------------


def _term(counterpart: Subscription | None) -> Term:
    assert counterpart is not None, "a subscription that may change has a counterpart"
    item = counterpart.items.data[0]
    return Term(item.current_period_start, item.current_period_end, counterpart.status == "trialing")


def _requests(row: OpeSubscription, request: str) -> tuple[str, ...]:
    return (*row.requests, request)[-REQUESTS_KEPT:]


def _new(state: AccountState, change: OpeChange) -> Plan:
    """A purchase: a row of its own, under the first name that is free in OPE and at Stripe."""
    stem, nth = state.account, 1
    while f"ope_{stem}" in state.ope or f"sub_{stem}" in state.stripe.subscriptions:
        nth += 1
        stem = f"{state.account}-{nth}"
    fields = {
        "status": PENDING, "stripe_subscription": f"sub_{stem}", "interval": change.interval, "items": change.items,
        "scheduled": change, "requests": (change.request,),
    }  # fmt: skip
    return Plan(f"ope_{stem}", 0, fields)


def _followed(row: OpeSubscription, change: OpeChange) -> dict[str, Any]:
    """A change that stands in OPE at once."""
    requests = row.requests if change.request in row.requests else _requests(row, change.request)
    return {**_standing(change), "scheduled": change, "requests": requests}


def _standing(change: OpeChange) -> dict[str, Any]:
    return {"items": change.items, "interval": change.interval, "status": ACTIVE} if change.items else {"status": CANCELED}


def _delayed(row: OpeSubscription, after: Bought, request: str, term: Term) -> Plan:
    resets = bool(after.items) and after.interval != row.interval
    due_ms = term.end_s * SECOND_MS - (BEFORE_RENEWAL_MS if resets else 0)
    grows = after.worth > Bought(row.items, row.interval).worth
    behavior = payment_behavior(REST, False, "")
    change = OpeChange(request, after.items, after.interval, due_ms, grows, resets, payment_behavior=behavior)
    return Plan(row.key, row.version, {"scheduled": change, "requests": _requests(row, request)}, due_ms)


def _withdrawal(row: OpeSubscription, request: str) -> Plan:
    """Another change waits for its day: it is taken back first, with nothing to settle, as if it had never been asked for.

    One request may have to do so several times, where others are as fast: each time under its own name, or Stripe would take it for a repetition.
    """
    back = OpeChange(f"{request}/withdrawal{row.version}", row.items, row.interval)
    return Plan(row.key, row.version, {"scheduled": back}, is_whole=False)


# -- Sync + Save -----------------------------------------------------------------------------------------------------------------------


def _grow(state: AccountState, row: OpeSubscription, change: OpeChange, counterpart: Subscription | None, message: Message) -> Moves:
    """Stripe first. It stands in OPE once it stands there, which it does when it is paid."""
    if not change.asked and not payments.stands(counterpart, change.items, change.interval):
        try:
            if counterpart is None and row.status == PENDING:
                counterpart = yield from payments.purchase(state, row, change)
            elif counterpart is not None and row.status == ACTIVE:
                counterpart = yield from payments.update(state, counterpart, change)
        except StripeError as refusal:
            if not refusal.says(400, 402, 404):
                raise
            # What Stripe was waiting for, it still waits for.
            return (yield from _through(row, change, _given_up(row, counterpart), why="refused", then=change.replaces))
    if payments.stands(counterpart, change.items, change.interval):
        return (yield from _through(row, change, _standing(change)))
    if change.asked:
        if payments.is_waiting(counterpart):
            return False
        return (yield from _through(row, change, _given_up(row, counterpart), why="lapsed"))
    return (yield from _wait_for_payment(state, row, change, message))


def _wait_for_payment(state: AccountState, row: OpeSubscription, change: OpeChange, message: Message) -> Moves:
    """A customer who is there confirms a purchase. Who comes back from the bank later than expected is told of by a webhook."""
    fresh: AccountState = yield GatherAll(state.account, PARTS)
    counterpart = fresh.stripe.subscriptions.get(row.stripe_subscription)
    if change.on_session and counterpart is not None and counterpart.status == "incomplete":
        yield from payments.confirm(fresh, counterpart, change)
    noted = yield CompareAndSet("ope", row.account, row.version, {"scheduled": replace(change, asked=True, replaces=None)}, row.key)
    if change.on_session and noted is not None:
        yield Sleep(int(message.body.get("returns_after_ms", 0)))
    return True


def _follow(state: AccountState, row: OpeSubscription, change: OpeChange, counterpart: Subscription | None) -> Moves:
    """It stands in OPE; Stripe follows."""
    if counterpart is not None and not payments.has_ended(counterpart):
        if not change.items:
            yield from payments.cancel(state, counterpart, change)
        elif counterpart.cancel_at_period_end or not payments.stands(counterpart, change.items, change.interval):
            try:
                yield from payments.update(state, counterpart, change)
            except StripeError as refusal:
                if not refusal.says(400) or change.proration_behavior == "none":
                    raise
                # The period has ended since: there is nothing left to settle.
                return (yield from _moved(row, {"scheduled": replace(change, proration_behavior="none")}))
    return (yield from _through(row, change, {}))


def _put_off(state: AccountState, row: OpeSubscription, change: OpeChange, counterpart: Subscription) -> Moves:
    """Tell Stripe what is to be from the next period on, unless it knows."""
    if change.items and not payments.stands(counterpart, change.items, change.interval):
        yield from payments.update(state, counterpart, change)
    elif not change.items and not counterpart.cancel_at_period_end:
        yield from payments.end_with_the_period(state, counterpart, change)
    return (yield from _moved(row, {"scheduled": replace(change, asked=True)}))


def _is_renewed(state: AccountState, counterpart: Subscription, due_ms: int) -> bool:
    """Whether the period that began at an instant is paid for."""
    latest = state.stripe.invoices.get(counterpart.latest_invoice or "")
    return latest is not None and latest.status == "paid" and latest.created * SECOND_MS >= due_ms


def _given_up(row: OpeSubscription, counterpart: Subscription | None) -> dict[str, Any]:
    """A purchase that came to nothing is over, and names nothing that Stripe never had; a change that did leaves the subscription as it was."""
    if row.status != PENDING:
        return {}
    return {"status": CANCELED} if counterpart is not None else {"status": CANCELED, "stripe_subscription": ""}


def _moved(row: OpeSubscription, fields: dict[str, Any]) -> Moves:
    """The change is one step on; or someone else has moved the row."""
    yield CompareAndSet("ope", row.account, row.version, fields, row.key)
    return True


def _through(row: OpeSubscription, change: OpeChange, fields: dict[str, Any], why: str = "", then: OpeChange | None = None) -> Moves:
    """The change has come to its end, `why` where that is not what was asked for; `then`: the one that is on its way again.

    Told before it is noted: a crash in between tells it twice, the other way round it would never be told.
    """
    yield Send(CHANGED, row.account, {"subscription": row.key, "request": change.request, "why": why})
    return (yield CompareAndSet("ope", row.account, row.version, {**fields, "scheduled": then}, row.key)) is None or then is not None
