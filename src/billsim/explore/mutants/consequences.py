"""Mutants whose consequences go wrong: what is called for, when it is done, and whether it is done once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from msgspec.structs import replace

from billsim.core.policy import DELINQUENT, RETRYING, DunningPolicy
from billsim.engine import consequences, dunning_brain, email
from billsim.engine.decide import decide
from billsim.engine.diff import NOTIFY
from billsim.explore.mutants.applying import held_back, is_dunning_row
from billsim.explore.mutants.base import CONSEQUENCES, Mutated, Planted, instead, swapped
from billsim.explore.mutants.deciding import State, each, said
from billsim.ports import AccountState, Act, Consequence, Decision, Effect, GatherAll, Handler, Message, Start, Steps
from billsim.stripe.objects import Invoice

ORCHESTRATION, EMAIL = consequences.NAME, email.NAME


def _without_key(component: str) -> Callable[[DunningPolicy], Mutated]:
    def change(effect: Any, _message: Message) -> Effect:
        return replace(effect, key=None) if isinstance(effect, Act) else effect

    return lambda policy: Mutated(policy, around={component: swapped(change)})


def _as_the_brain_saw(policy: DunningPolicy) -> Mutated:
    """Consequences go by what the brain had before it as it decided."""
    return Mutated(policy, around={dunning_brain.NAME: _handing_on, ORCHESTRATION: instead(_recall)})


def _handing_on(handle: Handler) -> Handler:
    def handled(message: Message) -> Steps:
        seen: list[AccountState] = []

        def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
            if isinstance(effect, Start) and effect.component == ORCHESTRATION:
                return (yield replace(effect, body={"seen": seen}))
            answer = yield effect
            if isinstance(effect, GatherAll):
                seen[:] = [answer]
            return answer

        yield from instead(perform)(handle)(message)

    return handled


def _recall(effect: Any, message: Message) -> Generator[Effect, Any, Any]:
    seen = message.body.get("seen")
    return seen.pop() if isinstance(effect, GatherAll) and seen else (yield effect)


def _sent_as_ordered(policy: DunningPolicy) -> Mutated:
    """E-mail does what it was told, whenever its turn comes."""

    def around(_handle: Handler) -> Handler:
        def send(message: Message) -> Steps:
            key = str(message.body["key"])
            debt, _, step = key.partition("/")
            yield Act(NOTIFY, message.account, debt, step, key)

        return send

    return Mutated(policy, around={EMAIL: around})


def _done(state: State) -> tuple[str, ...]:
    return state.dunning.done if state.dunning is not None else ()


def _one_an_account(decision: Decision, state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    told = {key.partition("/")[2] for key in _done(state)}
    return replace(decision, consequences=tuple(each for each in decision.consequences if each.kind != NOTIFY or each.step not in told))


def _passed_steps(decision: Decision, state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    if decision.status != DELINQUENT:
        return decision
    debts = [each.partition("/")[0] for each in _done(state) if each.endswith(f"/{DELINQUENT}")]
    missed = [f"{debt}/{RETRYING}" for debt in debts if f"{debt}/{RETRYING}" not in _done(state)]
    return _besides(decision, [Consequence(NOTIFY, key.partition("/")[0], RETRYING, key) for key in missed])


def _besides(decision: Decision, more: list[Consequence]) -> Decision:
    return replace(decision, consequences=(*decision.consequences, *[each for each in more if each not in decision.consequences]))


def _good_news_of(changed: Callable[[State], State], grace: bool = True) -> Callable[[DunningPolicy], Mutated]:
    """A mutant that tells of a recovery wherever one would have been, had things been otherwise."""

    def change(decision: Decision, state: State, now_ms: int, policy: DunningPolicy) -> Decision:
        laxer = policy if grace else replace(policy, grace_ms=dict.fromkeys(policy.grace_ms, 0))
        called = decide(changed(state), now_ms, laxer).consequences
        return _besides(decision, [each for each in called if each.step == "recovered" and not decision.bad_debt])

    return said(change)


def _void_as_paid(state: State) -> State:
    def paid(invoice: Invoice) -> Invoice:
        if invoice.status != "void":
            return invoice
        moments = replace(invoice.status_transitions, paid_at=invoice.status_transitions.voided_at)
        return replace(invoice, status="paid", status_transitions=moments)

    return each(state, "invoices", paid)


def _every_try_failed(state: State) -> State:
    """Every invoice that a charge has failed for is taken for one whose tries were used up."""
    failed = {charge.payment_intent for charge in state.stripe.charges.values() if charge.status == "failed"}

    def used_up(invoice: Invoice) -> Invoice:
        return replace(invoice, attempt_count=99) if any(payment.payment_intent in failed for payment in invoice.payments) else invoice

    return each(state, "invoices", used_up)


def _all_cancelled(decision: Decision, state: State, now_ms: int, policy: DunningPolicy) -> Decision:
    unbilled = each(state, "subscriptions", lambda subscription: replace(subscription, latest_invoice=None))
    return _besides(decision, [each for each in decide(unbilled, now_ms, policy).consequences if each.kind == "cancel"])


def _never_unban(decision: Decision, _state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    return replace(decision, consequences=tuple(each for each in decision.consequences if each.kind != "unban"))


def _recorded_first(policy: DunningPolicy) -> Mutated:
    return Mutated(policy, around={ORCHESTRATION: held_back(lambda effect: isinstance(effect, Act), is_dunning_row)})


_CONSEQUENCES = {
    "consequence_without_key": ("what was executed under a key is not executed again", _without_key(ORCHESTRATION)),
    "notice_without_key": ("nobody is told a thing twice", _without_key(EMAIL)),
    "consequences_not_rechecked": ("the account is looked at again before each consequence", _as_the_brain_saw),
    "notice_not_rechecked": ("a notice that has waited is sent only if it is still called for", _sent_as_ordered),
    "recorded_before_executed": ("a consequence is executed before it is recorded", _recorded_first),
    "one_notice_an_account": ("each debt has notices of its own", said(_one_an_account)),
    "passed_steps_made_up_for": ("a step that has been passed is not told of any more", said(_passed_steps)),
    "recovered_for_void": ("who was let off has not paid", _good_news_of(_void_as_paid)),
    "recovered_for_every_payment": ("a recovery is news only of what was bad debt", _good_news_of(_every_try_failed, grace=False)),
    "paid_subscription_cancelled": ("a subscription whose latest invoice is paid is left alone", said(_all_cancelled)),
    "ban_never_lifted": ("who is to be banned no longer is let in again", said(_never_unban)),
}  # fmt: skip

CONSEQUENT = tuple(Planted(name, safeguard, CONSEQUENCES, make) for name, (safeguard, make) in _CONSEQUENCES.items())
