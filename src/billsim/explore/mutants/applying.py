"""Mutants that look, apply and keep books wrongly: what the brain, invoicing and the wake-ups do around a decision that is right."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.engine import dunning_brain, invoicing
from billsim.engine.decide import decide
from billsim.explore.mutants.base import RECOMPUTE, Leave, Mutated, Planted, instead, misheard, swapped
from billsim.explore.mutants.deciding import each, with_objects
from billsim.ports import AccountState, CallStripe, CompareAndSet, Decision, Effect, GatherAll, Handler, Message, Now, Read, Send, Transact, Write
from billsim.stores.base import Change
from billsim.stripe.objects import Charge, Invoice, Subscription

BRAIN, LEDGER = dunning_brain.NAME, invoicing.NAME
CACHED_MS = 20 * SECOND_MS


def in_brain(around: Callable[[Handler], Handler]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant whose brain alone is another."""
    return lambda policy: Mutated(policy, around={BRAIN: around})


def in_ledger(around: Callable[[Handler], Handler]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant whose invoicing alone is another."""
    return lambda policy: Mutated(policy, around={LEDGER: around})


def deaf_to(kind: str, *components: str) -> Callable[[DunningPolicy], Mutated]:
    """A mutant of which some components do not hear of a kind of message."""
    return lambda policy: Mutated(policy, deaf={kind: components})


# -- races -------------------------------------------------------------------------------------------------------------------------------


def written_blindly(effect: CompareAndSet) -> Generator[Effect, Any, Any]:
    """The row is written whatever has become of it. Answer: the row."""
    row = yield Write(effect.store, effect.account, effect.fields, effect.key)
    return row if row is not None else (yield Read(effect.store, effect.account, effect.key))


def _flags_blind(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    if isinstance(effect, CompareAndSet) and effect.store == "subs_account":
        return (yield from written_blindly(effect))
    return (yield effect)


def _flags_whole(policy: DunningPolicy) -> Mutated:
    """The field is taken for our own."""
    ours = policy.bad_debt_flag | policy.no_success_flag

    def change(effect: Any, _message: Message) -> Effect:
        if isinstance(effect, CompareAndSet) and effect.store == "subs_account":
            return replace(effect, fields={"flags": effect.fields["flags"] & ours})
        return effect  # type: ignore[no-any-return]

    return Mutated(policy, around={BRAIN: swapped(change)})


def one_look(perform: Callable[[Any], Generator[Effect, Any, Any]]) -> Callable[[Handler], Handler]:
    """The brain leaves where it would look a second time."""

    def around(handle: Handler) -> Handler:
        def handled(message: Message) -> Generator[Effect, Any, None]:
            looked = False

            def once(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
                nonlocal looked
                if isinstance(effect, GatherAll):
                    if looked:
                        raise Leave
                    looked = True
                return (yield from perform(effect))

            yield from instead(once)(handle)(message)

        return handled

    return around


def _as_it_is(effect: Effect) -> Generator[Effect, Any, Any]:
    return (yield effect)


def _blind(effect: Effect) -> Generator[Effect, Any, Any]:
    return (yield from written_blindly(effect)) if isinstance(effect, CompareAndSet) else (yield effect)


def _cached(policy: DunningPolicy) -> Mutated:
    """The first look of a task may be answered with what another has seen."""
    kept: dict[str, tuple[int, AccountState]] = {}

    def around(handle: Handler) -> Handler:
        def handled(message: Message) -> Generator[Effect, Any, None]:
            first = True

            def look(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
                nonlocal first
                if not isinstance(effect, GatherAll):
                    return (yield effect)
                now_ms = yield Now()
                at_ms, state = kept.get(effect.account, (0, None))
                if state is None or not first or now_ms - at_ms > CACHED_MS:
                    state = yield effect
                    kept[effect.account] = ((yield Now()), state)
                first = False
                return state

            yield from instead(look)(handle)(message)

        return handled

    return Mutated(policy, around={BRAIN: around})


# -- what an event says --------------------------------------------------------------------------------------------------------------------

_KINDS: dict[type, str] = {Invoice: "invoices", Subscription: "subscriptions", Charge: "charges"}


def as_told(effect: Any, answer: Any, message: Message) -> Any:
    """A gather in which the object that the event tells of stands as the event has it."""
    if not isinstance(effect, GatherAll) or message.event is None:
        return answer
    said = message.event.data.object
    kind = _KINDS.get(type(said))
    if kind is None or said.id not in getattr(answer.stripe, kind):
        return answer
    return each(answer, kind, lambda thing: said if thing.id == said.id else thing)


def _counts_deliveries(policy: DunningPolicy) -> Mutated:
    """Each failure that is heard of is one more."""
    counted: dict[str, int] = {}

    def count(effect: Any, answer: Any, message: Message) -> Any:
        if isinstance(effect, GatherAll) and message.kind == "stripe.invoice.payment_failed" and message.name not in heard:
            heard[message.name] = True
            counted[message.account] = (answer.dunning.retry_count if answer.dunning is not None else 0) + 1
        return answer

    def brain(state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        decision = decide(state, now_ms, policy)
        if not decision.retry_count:
            counted.pop(state.account, None)
        return replace(decision, retry_count=counted.get(state.account, decision.retry_count))

    heard: dict[str, bool] = {}
    return Mutated(policy, decide=brain, around={BRAIN: misheard(count)})


# -- wake-ups and requests -----------------------------------------------------------------------------------------------------------------


def _no_boundary(effect: Any, _message: Message) -> Effect | None:
    return None if isinstance(effect, Send) and effect.kind == "boundary" else effect


def held_back(early: Callable[[Any], bool], late: Callable[[Any], bool]) -> Callable[[Handler], Handler]:
    """What is `early` is done after the next that is `late`, instead of before it."""

    def around(handle: Handler) -> Handler:
        def handled(message: Message) -> Generator[Effect, Any, None]:
            waiting: list[Effect] = []

            def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
                if early(effect):
                    waiting.append(effect)
                    return True
                answer = yield effect
                if late(effect):
                    for each in waiting:  # noqa: UP028 - whoever performs them answers, and a list cannot be answered
                        yield each
                    waiting.clear()
                return answer

            yield from instead(perform)(handle)(message)

        return handled

    return around


def is_dunning_row(effect: Any) -> bool:
    """A write of the dunning row."""
    return isinstance(effect, CompareAndSet) and effect.store == "subs_dunning"


def _is_boundary(effect: Any) -> bool:
    return isinstance(effect, Send) and effect.kind == "boundary"


def _is_order(effect: Any) -> bool:
    return isinstance(effect, Send) and effect.kind == "async.email"


def _keyed_by_content(effect: Any, _message: Message) -> Effect:
    if isinstance(effect, CallStripe) and "metadata" in effect.params:
        content = f"{effect.id}/{sorted(effect.params['metadata'].items())}"
        return replace(effect, idempotency_key=f"metadata-{short(content)}")
    return effect  # type: ignore[no-any-return]


# -- the ledger ------------------------------------------------------------------------------------------------------------------------------


def _no_charges(_effect: Any, answer: Any, _message: Message) -> Any:
    return with_objects(answer, charges={}) if isinstance(answer, AccountState) else answer


def _taken_for_won(effect: Any, answer: Any, _message: Message) -> Any:
    return True if isinstance(effect, Transact) else answer


def _in_order_of_arrival(effect: Any, message: Message) -> Generator[Effect, Any, Any]:
    """Entries say what the event says, and stand in the order in which they were made."""
    if isinstance(effect, Transact):
        now_ms = yield Now()
        changes = [_numbered(change, now_ms // 100) for change in effect.changes]
        return (yield replace(effect, changes=tuple(changes)))
    return as_told(effect, (yield effect), message)


def _numbered(change: Change, sequence: int) -> Change:
    return replace(change, fields={**change.fields, "sequence": sequence})


_APPLYING: Mapping[str, tuple[str, Callable[[DunningPolicy], Mutated]]] = {
    "no_compare_and_set": ("flags are written only as they were read, for others have bits in them", in_brain(instead(_flags_blind))),
    "flags_written_whole": ("other people's flag bits are left as they are", _flags_whole),
    "not_gathered_again": ("after an apply the account is looked at again", in_brain(one_look(_as_it_is))),
    "last_arrival_wins": ("a row that somebody has moved is not written", in_brain(one_look(_blind))),
    "gather_cached": ("each wake-up looks for itself", _cached),
    "snapshot_trusted": ("what an event says of its object is never believed", in_brain(misheard(as_told))),
    "retry_count_counts_deliveries": ("attempts are counted, and not what is heard of them", _counts_deliveries),
    "boundary_not_ordered": ("a wake-up is ordered for the instant at which the clock moves truth", in_brain(swapped(_no_boundary))),
    "boundary_recorded_before_sent": ("a wake-up is ordered before it is recorded", in_brain(held_back(_is_boundary, is_dunning_row))),
    "notice_recorded_before_ordered": ("a notice is ordered before it is recorded", in_brain(held_back(_is_order, is_dunning_row))),
    "metadata_key_by_content": ("setting the same keys another time is another request to Stripe", in_brain(swapped(_keyed_by_content))),
    "void_not_heard": ("a voided invoice wakes the brain", deaf_to("stripe.invoice.voided", BRAIN)),
    "uncollectible_not_heard": ("an invoice that is written off wakes the brain", deaf_to("stripe.invoice.marked_uncollectible", BRAIN)),
    "paid_not_heard": ("a paid invoice wakes the brain", deaf_to("stripe.invoice.paid", BRAIN)),
    "failed_not_heard": ("a failed payment wakes the brain", deaf_to("stripe.invoice.payment_failed", BRAIN)),
    "type_change_not_heard": ("a changed account type wakes the brain", deaf_to("domain.account_type_changed", BRAIN)),
    "ledger_charges_forgotten": ("the ledger holds charges, too", in_ledger(misheard(_no_charges))),
    "ledger_lost_race_taken_for_won": ("entries that were not written for somebody else's are written again", in_ledger(misheard(_taken_for_won))),
    "ledger_last_arrival_wins": ("the last entry is that of the latest state, and not of the latest event", in_ledger(instead(_in_order_of_arrival))),
}  # fmt: skip

APPLYING = tuple(Planted(name, safeguard, RECOMPUTE, make) for name, (safeguard, make) in _APPLYING.items())
