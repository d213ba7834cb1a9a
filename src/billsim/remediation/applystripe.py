"""applystripe: gathers everything that is stored of one account, plans the smallest diff to its correct state, and applies it as far as the
restrictions let it. One account, one attempt, one row of the audit, refused or not.

It runs beside everybody else who writes the account: what it writes it compares and sets, a lost race is a reason to look again, and it is through
when a fresh look finds nothing left to do. A candidate is only a reason to look: what the view saw last night is never trusted.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.core.time import SECOND_MS
from billsim.engine.decide import decide
from billsim.engine.entitlements import Entitlements
from billsim.ports import AccountState, CallStripe, CompareAndSet, Component, Effect, GatherAll, Message, Now, Sleep, Start, Steps, Transact
from billsim.remediation import audit, bills
from billsim.remediation.audit import Refusal, Result
from billsim.remediation.bills import Bill
from billsim.remediation.plan import Plan, plan_of
from billsim.remediation.restrictions import of_account
from billsim.stores.base import Change
from billsim.stripe.objects import StripeError

NAME = "applystripe"
# Writes cf_prod for it, as entitlements do for an engine.
PLANS = "applystripe_entitlements"
KIND = "remediation.apply"
TRIES = 8
RESTLESS = "did not come to rest"


class _Attempt:
    """What an attempt has come to so far: steps taken, refused, left alone, and gone wrong. `watched` is what was wrong with bills at the first look,
    `moved` the subscriptions of record that the attempt has moved itself.
    """

    def __init__(self) -> None:
        self.watched: tuple[Bill, ...] | None = None
        self.moved: list[str] = []
        self.steps: dict[str, None] = {}
        self.refused: tuple[Refusal, ...] = ()
        self.left: dict[Refusal, None] = {}
        self.wrong: dict[str, str] = {}

    def result(self, *, dry: bool) -> Result:
        """As the audit has it."""
        steps = tuple(self.steps)
        outcome = audit.outcome_of(steps, self.refused, self.wrong, dry=dry)
        return Result(outcome, steps, self.refused, tuple(self.left), self.wrong)


class ApplyStripe:
    """The component. A message's body has `night` and `codes`, `entities` of the candidates that the account is one by."""

    def __init__(self, policy: DunningPolicy, rules: RemediationPolicy) -> None:
        self._policy = policy
        self._rules = rules

    def handle(self, message: Message) -> Steps:
        """Attempt an account, and enter what came of it."""
        body = message.body
        result = yield from self._attempt(message)
        params = {"codes": body.get("codes", ()), "entities": body.get("entities", ()), "dry_run": self._rules.dry_run}
        yield from audit.enter(message.account, key_of(str(body.get("night", ""))), params, result)

    def _attempt(self, message: Message) -> Generator[Effect, Any, Result]:
        attempt = _Attempt()
        try:
            return (yield from self._mended(message, attempt))
        except StripeError as refusal:
            # Of what it asks Stripe before it knows of anything to be done: the account's state, too, may be refused.
            attempt.wrong[""] = refusal.code or refusal.type
            return attempt.result(dry=False)

    def _mended(self, message: Message, attempt: _Attempt) -> Generator[Effect, Any, Result]:
        """What came of an attempt that came to its end. Raises StripeError for what is no step of it."""
        for nth in range(TRIES):
            state: AccountState = yield GatherAll(message.account)
            now_ms: int = yield Now()
            if why := of_account(state, self._rules, self._policy):
                # It may have become so while it was being mended.
                attempt.refused = (Refusal(why),)
                return attempt.result(dry=self._rules.dry_run)
            plan = _without(plan_of(state, self._rules, self._policy, now_ms), attempt)
            attempt.refused = plan.refused
            attempt.left.update(dict.fromkeys(plan.left))
            if self._rules.dry_run:
                attempt.steps = dict.fromkeys(plan.steps)
            if not plan.steps or self._rules.dry_run:
                return attempt.result(dry=self._rules.dry_run)
            if plan.bills and attempt.watched is None:
                attempt.watched = plan.bills
                yield Sleep(self._rules.looks_again_after_s * SECOND_MS)
            elif plan.bills:
                # Authorities first, and then another look, for they may move all the rest.
                yield from _settle(state, plan, message, nth, attempt)
            elif not (yield from _apply(state, plan, f"{message.name}/{nth}", attempt)):
                return attempt.result(dry=False)
        attempt.wrong[""] = RESTLESS
        return attempt.result(dry=False)


def key_of(night: str) -> str:
    """The key of an account's attempt of a night."""
    return f"{night}/{NAME}"


def components(policy: DunningPolicy, rules: RemediationPolicy) -> tuple[Component, ...]:
    """applystripe, and what writes cf_prod for it; both read from primaries, for what is held decides what is written."""
    return (
        Component(NAME, "engine", ApplyStripe(policy, rules).handle, primary=True),
        Component(PLANS, "entitlements", Entitlements(policy, decide).handle, primary=True),
    )


def _without(plan: Plan, attempt: _Attempt) -> Plan:
    """The plan without what has gone wrong before, or was left alone after all: nothing is put to Stripe twice in one attempt."""
    over = [*attempt.wrong, *(refusal.step for refusal in attempt.left)]
    gone = [bill.step for bill in plan.bills if bill.step in over or (bill.row is not None and bill.row.key in over)]
    kept = tuple(bill for bill in plan.bills if bill.step not in gone)
    return replace(plan, bills=kept, steps=tuple(step for step in plan.steps if step not in gone))


# -- applying --------------------------------------------------------------------------------------------------------------------------


def _apply(state: AccountState, plan: Plan, task: str, attempt: _Attempt) -> Generator[Effect, Any, bool]:
    """Everything that is derived. Answer: False where Stripe refuses, which ends the attempt."""
    attempt.steps.update(dict.fromkeys(plan.steps))
    if not (yield from _set_rows(state, plan)):
        return True
    if not (yield from _set_metadata(state, plan, task, attempt)):
        return False
    if plan.plans:
        yield Start(PLANS, state.account, KIND)
    if plan.entries:
        yield Transact("billing_prod", state.account, tuple(Change(state.account, entry.fields, entry.key, 0) for entry in plan.entries))
    return True


def _settle(state: AccountState, plan: Plan, message: Message, nth: int, attempt: _Attempt) -> Steps:
    """One subscription after another, but for what has moved since the first look: somebody is at work on it, who says what becomes of it. What
    Stripe refuses is not asked for again; the others are not held up by it.
    """
    for bill in plan.bills:
        if bill not in (attempt.watched or ()) and (bill.row is None or bill.row.key not in attempt.moved):
            attempt.left[Refusal(bills.MOVING, bill.step)] = None
            continue
        attempt.moved.append(bill.row.key if bill.row is not None else "")
        try:
            left = yield from bills.settle(state, bill, message, nth)
        except StripeError as refusal:
            attempt.wrong[bill.step] = refusal.code or refusal.type
            continue
        if left is not None:
            attempt.left[left] = None
        else:
            attempt.steps[bill.step] = None


def _set_rows(state: AccountState, plan: Plan) -> Generator[Effect, Any, bool]:
    """Rows by compare-and-set, each by itself. Answer: False as soon as a race is lost."""
    rows = (
        ("subs_dunning", state.dunning, plan.dunning),
        ("subs_account", state.profile, plan.account),
        ("subs_customer", state.customer, plan.customer_row),
    )
    for store, row, fields in rows:
        if fields and (yield CompareAndSet(store, state.account, row.version if row is not None else 0, fields)) is None:
            return False
    return True


def _set_metadata(state: AccountState, plan: Plan, task: str, attempt: _Attempt) -> Generator[Effect, Any, bool]:
    """Keys of the customer and of invoices; Stripe has no compare-and-set, and the next look finds what somebody else has set meanwhile."""
    asked = [("invoices.update", id, keys) for id, keys in plan.invoices.items()]
    if plan.customer:
        asked.insert(0, ("customers.update", state.stripe.customer.id, plan.customer))
    for method, id, keys in asked:
        try:
            yield CallStripe(method, state.account, id, {"metadata": keys}, f"remedy-{short(f'{task}/{id}/{sorted(keys.items())}')}")
        except StripeError as refusal:
            attempt.wrong[f"metadata/{id}"] = refusal.code or refusal.type
            return False
    return True
