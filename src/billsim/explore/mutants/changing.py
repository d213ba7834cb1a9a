"""Mutants of what is bought: the mutation pipeline, and what keeps OPE, Stripe and zones of one mind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy
from billsim.engine import consequences, dunning_brain, orders, plan_levels, subscriptions_api
from billsim.explore.mutants.applying import deaf_to, in_brain, written_blindly
from billsim.explore.mutants.base import CHANGES, Leave, Mutated, Planted, instead, swapped
from billsim.ports import AccountState, CallStripe, CompareAndSet, Effect, GatherAll, Handler, Message, Start, Steps
from billsim.stores.ope import ACTIVE, CANCELED, PENDING, OpeChange, OpeSubscription
from billsim.stripe.objects import StripeError

PIPELINE = subscriptions_api.NAME
# A request to Stripe that is not heard of again.
_NOTHING_DONE = object()


def in_pipeline(around: Callable[[Handler], Handler]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant whose mutation pipeline alone is another."""
    return lambda policy: Mutated(policy, around={PIPELINE: around})


def in_consequences(around: Callable[[Handler], Handler]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant whose orchestration of consequences alone is another."""
    return lambda policy: Mutated(policy, around={consequences.NAME: around})


def is_ope(effect: Any) -> bool:
    """A write of a subscription of record."""
    return isinstance(effect, CompareAndSet) and effect.store == "ope"


def _scheduled(effect: Any) -> OpeChange | None:
    """The change that a write sets on its way."""
    return effect.fields.get("scheduled") if is_ope(effect) else None


# -- planning ------------------------------------------------------------------------------------------------------------------------------


def _grown_at_once(effect: Any, _message: Message) -> Effect:
    """What grows stands in OPE, and Stripe is to follow."""
    change = _scheduled(effect)
    if change is None or not change.grows or change.asked or change.due_ms is not None:
        return effect  # type: ignore[no-any-return]
    fields = {**effect.fields, "items": change.items, "interval": change.interval, "scheduled": replace(change, grows=False)}
    return replace(effect, fields={**fields, "status": ACTIVE} if "status" in fields else fields)  # type: ignore[no-any-return]


def _from_memory(handle: Handler) -> Handler:
    """The change on its way is known to whoever planned it, and to nobody else."""

    def handled(message: Message) -> Steps:
        known: dict[str, OpeChange | None] = {}

        def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
            if is_ope(effect) and "scheduled" in effect.fields:
                change = effect.fields["scheduled"]
                kept = change if change is not None and change.due_ms is not None else None
                row = yield replace(effect, fields={**effect.fields, "scheduled": kept})
                if row is not None:
                    known[effect.key] = change
                return row
            answer = yield effect
            return _recalled(answer, known) if isinstance(effect, GatherAll) else answer

        yield from instead(perform)(handle)(message)

    return handled


def _recalled(state: AccountState, known: Mapping[str, OpeChange | None]) -> AccountState:
    rows = {key: replace(row, scheduled=change) if (change := known.get(key)) is not None else row for key, row in state.ope.items()}
    return replace(state, ope=rows)


def _blindly(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    return (yield from written_blindly(effect)) if is_ope(effect) else (yield effect)


def _keyed_by_content(effect: Any, _message: Message) -> Effect:
    if not isinstance(effect, CallStripe) or not effect.method.startswith("subscriptions.") or effect.idempotency_key is None:
        return effect  # type: ignore[no-any-return]
    content = {key: value for key, value in effect.params.items() if key != "proration_date"}
    return replace(effect, idempotency_key=f"change-{short(f'{effect.method}/{effect.id}/{content}')}")


def _day_forgotten(effect: Any, _message: Message) -> Effect:
    """Once Stripe has been told of a change that waits for its day, nobody remembers it."""
    change = _scheduled(effect)
    if change is None or change.due_ms is None or not change.asked:
        return effect  # type: ignore[no-any-return]
    return replace(effect, fields={**effect.fields, "scheduled": None})  # type: ignore[no-any-return]


def _forgets_what_waited(effect: Any, _message: Message) -> Effect:
    change = _scheduled(effect)
    if change is None or change.replaces is None:
        return effect  # type: ignore[no-any-return]
    return replace(effect, fields={**effect.fields, "scheduled": replace(change, replaces=None)})  # type: ignore[no-any-return]


# -- carrying through ----------------------------------------------------------------------------------------------------------------------


def _not_at_stripe(*methods: str) -> Callable[[Any, Message], Effect | None]:
    """Stripe is not told."""
    return lambda effect, _message: None if isinstance(effect, CallStripe) and effect.method in methods else effect


def _not_taken_back(handle: Handler) -> Handler:
    """A purchase that came to nothing stays on its way to being one."""

    def handled(message: Message) -> Steps:
        pending: dict[str, bool] = {}

        def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
            if is_ope(effect) and effect.fields.get("status") == CANCELED and pending.get(effect.key):
                return (yield replace(effect, fields={"scheduled": None}))
            answer = yield effect
            if isinstance(effect, GatherAll):
                pending.update({key: row.status == PENDING for key, row in answer.ope.items()})
            return answer

        yield from instead(perform)(handle)(message)

    return handled


def _at_its_word(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    """A request for money that was refused is taken for one that was granted."""
    try:
        return (yield effect)
    except StripeError as refusal:
        if refusal.status != 402 or not isinstance(effect, CallStripe) or effect.method != "subscriptions.update":
            raise
        raise Leave from refusal


def _commit_first(effect: Any, message: Message) -> Generator[Effect, Any, Any]:
    """What waits for a payment stands already."""
    change = _scheduled(effect)
    if change is not None and change.asked and change.grows and change.due_ms is None:
        return (yield replace(effect, fields={"items": change.items, "interval": change.interval, "status": ACTIVE, "scheduled": None}))
    return (yield effect)


def _no_carrying_on(effect: Any, _message: Message) -> Effect | None:
    return None if isinstance(effect, Start) and effect.component == PIPELINE else effect


def _never_resumed(policy: DunningPolicy) -> Mutated:
    """Who is there to confirm, confirms; nobody looks after what is left."""
    resumed = {f"domain.{orders.CHANGE_DUE}": (PIPELINE,)}
    return Mutated(policy, around={dunning_brain.NAME: swapped(_no_carrying_on)}, deaf=resumed)


# -- what has ended ------------------------------------------------------------------------------------------------------------------------


def _ope_left_alone(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    if is_ope(effect):
        raise Leave
    return (yield effect)


def _ope_taken_for_written(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    """OPE is not told that a subscription was cancelled."""
    return OpeSubscription("", key="") if is_ope(effect) else (yield effect)


def _failure_taken_for_done(statuses: tuple[int, ...]) -> Callable[[Handler], Handler]:
    """A cancel that Stripe refuses with one of these is taken for one that was made already."""

    def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
        try:
            return (yield effect)
        except StripeError as refusal:
            if refusal.status not in statuses or not isinstance(effect, CallStripe) or effect.method != "subscriptions.cancel":
                raise
            return None

    return instead(perform)


_CHANGING: Mapping[str, tuple[str, Callable[[DunningPolicy], Mutated]]] = {
    "growth_committed_first": ("what grows stands in OPE only once it is paid", in_pipeline(swapped(_grown_at_once))),
    "growth_not_waited_for": ("a change that the bank has yet to confirm does not stand", in_pipeline(instead(_commit_first))),
    "change_not_durable": ("a change is written down before anything is done about it", in_pipeline(_from_memory)),
    "change_written_blindly": ("a change is written only over what it was planned from", in_pipeline(instead(_blindly))),
    "change_key_by_content": ("the same change asked for another time is another request", in_pipeline(swapped(_keyed_by_content))),
    "delayed_change_forgotten": ("a change that waits for its day is remembered until then", in_pipeline(swapped(_day_forgotten))),
    "waiting_change_forgotten": ("a change that is refused leaves the one before it waiting", in_pipeline(swapped(_forgets_what_waited))),
    "shrinking_not_followed": ("what is less in OPE becomes less at Stripe", in_pipeline(swapped(_not_at_stripe("subscriptions.update")))),
    "cancel_forgets_stripe": ("what is cancelled in OPE is cancelled at Stripe", in_pipeline(swapped(_not_at_stripe("subscriptions.cancel")))),
    "purchase_not_taken_back": ("a purchase that came to nothing is taken out of OPE", in_pipeline(_not_taken_back)),
    "refusal_leaves_it_open": ("a change that cannot be paid comes to its end", in_pipeline(instead(_at_its_word))),
    "confirmation_not_followed": ("what is paid without a customer who comes back is carried on with", _never_resumed),
    "end_at_stripe_not_followed": ("what has ended at Stripe is not bought any more", in_brain(instead(_ope_left_alone))),
    "cancel_not_in_ope": ("what dunning cancels is cancelled in OPE, too", in_consequences(instead(_ope_taken_for_written))),
    "dunning_forgets_stripe": ("what dunning cancels is cancelled at Stripe", in_consequences(swapped(_not_at_stripe("subscriptions.cancel")))),
    "breakage_taken_for_done": ("a cancel that broke at Stripe has not been made", in_consequences(_failure_taken_for_done((500,)))),
    "reused_key_taken_for_done": ("that a key was used says nothing of what was asked for", in_consequences(_failure_taken_for_done((400,)))),
    "zones_left_behind": ("zones follow the plan", deaf_to(orders.PLAN_LEVELS, plan_levels.NAME)),
}  # fmt: skip

CHANGING = tuple(Planted(name, safeguard, CHANGES, make) for name, (safeguard, make) in _CHANGING.items())
