"""Mutants of the facade, of what is heard besides dunning, and of the library by which the platform speaks to Stripe."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine import dunning_brain, email, invoicing
from billsim.explore.mutants.applying import deaf_to
from billsim.explore.mutants.base import FACADE, Leave, Mutated, Planted, instead, misheard, replaced, swapped
from billsim.facade import accounts_svc, identity, support
from billsim.ports import CallStripe, Effect, GatherAll, Handler, Message, Send
from billsim.runtime.stripe_client import Sent
from billsim.runtime.task import Answered, Task
from billsim.stripe.objects import StripeError
from billsim.world import World

_BRAIN, _LEDGER = dunning_brain.NAME, invoicing.NAME


def inside(component: str, around: Callable[[Handler], Handler]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant one of whose components is another."""
    return lambda policy: Mutated(policy, around={component: around})


def _as_nobodys(effect: Any, answer: Any, _message: Message) -> Any:
    """An account looks as if Stripe did not know it."""
    if not isinstance(effect, GatherAll) or answer.customer is None:
        return answer
    return replace(answer, customer=replace(answer.customer, stripe_customer=""))


def _untold(effect: Any, _message: Message) -> Effect | None:
    return None if isinstance(effect, Send) else effect


def _no_copy(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    """What was changed at Stripe is left to its webhook."""
    if isinstance(effect, CallStripe) and effect.method == "customers.retrieve":
        raise Leave
    return (yield effect)


def _copied_once(effect_of: str) -> Callable[[Handler], Handler]:
    """A copy is set, and not looked at again."""

    def around(handle: Handler) -> Handler:
        def handled(message: Message) -> Generator[Effect, Any, None]:
            copied = False

            def perform(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
                nonlocal copied
                if isinstance(effect, CallStripe) and effect.method == effect_of:
                    if copied:
                        raise Leave
                    copied = True
                return (yield effect)

            yield from instead(perform)(handle)(message)

        return handled

    return around


def _given_up(effect: Any, _message: Message) -> Generator[Effect, Any, Any]:
    """What Stripe does not answer, or is too busy for, is let be."""
    try:
        return (yield effect)
    except StripeError as refusal:
        if refusal.status not in (0, 429):
            raise
        raise Leave from refusal


def _another_key_each_time(world: World) -> None:
    """A request that is sent again is another request to Stripe."""

    def ask(task: Task, effect: CallStripe, *, breaks: bool = False) -> Answered:
        if isinstance(effect, Sent) and effect.tries > 1 and effect.idempotency_key is not None:
            own = f"{effect.idempotency_key}-try{effect.tries}"
            effect = Sent(effect.method, effect.account, effect.id, effect.params, own, effect.name, effect.tries)
        answered: Answered = before(task, effect, breaks=breaks)
        return answered

    before = replaced(world.runtime, "ask_stripe", ask)


_SERVING: Mapping[str, tuple[str, Callable[[DunningPolicy], Mutated]]] = {
    "profile_not_synced": ("who is billed is said to Stripe, too", inside(accounts_svc.NAME, misheard(_as_nobodys))),
    "stripe_profile_not_heard": ("what changes of a customer at Stripe is copied", deaf_to("stripe.customer.updated", identity.NAME)),
    "copied_once": ("a copy is looked at again once it is set", inside(identity.NAME, _copied_once("customers.retrieve"))),
    "cleared_flag_not_told": ("a flag that was cleared by hand is told of", inside(support.NAME, swapped(_untold))),
    "credit_not_heard": ("a credit wakes the brain", deaf_to("stripe.credit_note.created", _BRAIN)),
    "mapping_not_heard": ("who stands on another customer is looked at", deaf_to("domain.mapping_changed", _BRAIN, _LEDGER, email.NAME)),
    "customer_of_another_kept": ("who stands on another customer is billed as that", deaf_to("domain.mapping_changed", identity.NAME)),
    "another_key_each_time": ("what is sent again is sent under its key", lambda policy: Mutated(policy, alter=_another_key_each_time)),
    "unanswered_let_be": ("what Stripe does not answer is asked again", inside(_BRAIN, instead(_given_up))),
}  # fmt: skip

SERVING = tuple(Planted(name, safeguard, FACADE, make) for name, (safeguard, make) in _SERVING.items())
