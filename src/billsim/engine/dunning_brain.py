"""The dunning brain: one code path for all decisions. Gather everything, decide, write the smallest difference, gather again until there is none.

No transaction spans the stores, so an apply is atomic in the only sense left: what is to be done is made durable first, each store is then
written by compare-and-set, notices and consequences come last. Whoever finds an intent that nobody finished resumes it. A wake-up says only *that*
something happened: the event's own content is never looked at, so that late, doubled and reordered events do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy
from billsim.engine import ended, orders
from billsim.engine.diff import NOTHING, Plan, diff, zones_behind
from billsim.engine.errors import RetryLater
from billsim.ports import AccountState, CallStripe, CompareAndSet, Decision, Effect, GatherAll, Message, Now, Send, Start, Steps
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.objects import StripeError

NAME = "dunning_brain"
DECIDED = "domain.decided"
TRIES = 8

Decide = Callable[[AccountState, int, DunningPolicy], Decision]


class DunningBrain:
    """The component; `decide` is what it applies."""

    def __init__(self, policy: DunningPolicy, decide: Decide) -> None:
        self._policy = policy
        self._decide = decide

    def handle(self, message: Message) -> Steps:
        """Bring the message's account to what is decided for it; what only follows from that is ordered once it has come to rest.

        Raises RetryLater if the account keeps moving.
        """
        carried = broke = False
        for trial in range(TRIES):
            state: AccountState = yield GatherAll(message.account)
            now_ms: int = yield Now()
            decision = self._decide(state, now_ms, self._policy)
            if not decision.applies:
                return
            if over := ended.ended_unowed(state):
                yield from ended.follow(state, over)
                continue
            plan = diff(state, decision, self._policy, now_ms)
            if plan is not NOTHING:
                task = f"{message.name}/{NAME}/{trial}"
                try:
                    applied = yield from _apply(state, plan, f"{task}/{now_ms}" if broke else task)
                except StripeError as refusal:
                    if refusal.status < 500:
                        raise
                    # That is the answer to its key for a day: what is still to be done is asked for under another one.
                    broke = True
                    continue
                # If only an intent was closed, a wake-up ordered or a notice sent, the gather before it found nothing to look at again.
                if not applied or plan.steps or plan.dunning:
                    continue
            if zones_behind(state, decision.entitlements):
                yield orders.plan_levels(state.account)
            if carried or not _is_under_way(state, now_ms):
                return
            # A change of what was bought is on its way. Once it was carried on with, whoever did so, what it leads to is to be seen.
            carried = True
            yield orders.carry_on(state.account)
        raise RetryLater(NAME, message.account, TRIES)


def _is_under_way(state: AccountState, now_ms: int) -> bool:
    """Whether a change of what was bought is to be carried on with."""
    for row in state.ope.values():
        if row.scheduled is None:
            continue
        if row.is_unfinished(now_ms) or ended.in_vain(state, row):
            return True
    return False


def _apply(state: AccountState, plan: Plan, task: str) -> Generator[Effect, Any, bool]:
    """Take every step of the plan. Answer: False as soon as a race is lost, and then the rest is for the next gather to find."""
    yield from _order_wake_up(state, plan)
    version = yield from _intend(state, plan)
    if version is None:
        return False
    yield from _void(state, plan, task)
    if not (yield from _set_flags(state, plan)):
        return False
    yield from _set_metadata(state, plan, task)
    if plan.entitlements:
        yield Start("entitlements", state.account, DECIDED)
    if not (yield from _notify(state, plan, version)):
        return False
    if plan.consequences:
        yield Start("consequences", state.account, DECIDED)
    return True


def _order_wake_up(state: AccountState, plan: Plan) -> Steps:
    """Send before recording that it is sent: a crash in between costs a second wake-up, the other way round it would cost the only one."""
    if plan.boundary_ms is not None:
        yield Send("boundary", state.account, due_ms=plan.boundary_ms)


def _intend(state: AccountState, plan: Plan) -> Generator[Effect, Any, int | None]:
    """One write: the dunning fields, and the steps that are to follow. Answer: the row's version, or None if it was no longer as it was read."""
    version = state.dunning.version if state.dunning is not None else 0
    fields: dict[str, Any] = dict(plan.dunning)
    if plan.boundary_ms is not None:
        fields["next_boundary_ms"] = plan.boundary_ms
    intent = tuple(dict.fromkeys((*plan.intent, *plan.steps))) if plan.steps else ()
    if intent != plan.intent:
        fields["intent"] = intent
    if not fields:
        return version
    row: DunningRow | None = yield CompareAndSet("subs_dunning", state.account, version, fields)
    return row.version if row is not None else None


def _void(state: AccountState, plan: Plan, task: str) -> Steps:
    for id in plan.voids:
        try:
            yield CallStripe("invoices.void_invoice", state.account, id, {}, f"void-{short(f'{task}/{id}')}")
        except StripeError as refusal:
            # It was paid or voided since it was read: the next gather sees that.
            if not refusal.says(400):
                raise


def _set_flags(state: AccountState, plan: Plan) -> Generator[Effect, Any, bool]:
    """By compare-and-set, because the facade writes other bits of the same field."""
    if plan.flags is None:
        return True
    version = state.profile.version if state.profile is not None else 0
    return (yield CompareAndSet("subs_account", state.account, version, {"flags": plan.flags})) is not None


def _set_metadata(state: AccountState, plan: Plan, task: str) -> Steps:
    """Stripe has no compare-and-set: of two tasks that set the same key, the later one's next gather finds and mends it."""
    if plan.customer:
        customer: str = state.stripe.customer.id
        yield CallStripe("customers.update", state.account, customer, {"metadata": plan.customer}, metadata_key(task, customer, plan.customer))
    for id, keys in plan.invoices.items():
        yield CallStripe("invoices.update", state.account, id, {"metadata": keys}, metadata_key(task, id, keys))


def _notify(state: AccountState, plan: Plan, version: int) -> Generator[Effect, Any, bool]:
    """Hand the notices over and record that, in the order in which a wake-up is. Answer: whether the row was still the one that was written."""
    if not plan.notices:
        return True
    for each in plan.notices:
        yield orders.notice(state.account, each)
    done = state.dunning.done if state.dunning is not None else ()
    told = {"done": (*done, *(each.key for each in plan.notices))}
    return (yield CompareAndSet("subs_dunning", state.account, version, told)) is not None


def metadata_key(task: str, id: str, keys: dict[str, str]) -> str:
    """An idempotency key from what is set and by which try of which task: a crash repeats it, but a later identical set is not swallowed."""
    return f"metadata-{short(f'{task}/{id}/{sorted(keys.items())}')}"
