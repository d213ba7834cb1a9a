"""The `recompute` engine: its components, and the one table of what wakes which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine import consequences, dunning_brain, email, entitlements, invoicing, orders, plan_levels, subscriptions_api
from billsim.engine.consequences import Consequences
from billsim.engine.decide import decide as decide_by_the_rules
from billsim.engine.dunning_brain import Decide, DunningBrain
from billsim.engine.entitlements import Entitlements
from billsim.engine.invoicing import Invoicing
from billsim.ports import Component, Doors, Message

_BRAIN = (dunning_brain.NAME,)
_LEDGER = (invoicing.NAME,)
_BOTH = (*_BRAIN, *_LEDGER)
_CHANGES = (subscriptions_api.NAME,)

# The five that the platform routes to the brain, then what moves truth without them.
WAKES: dict[str, tuple[str, ...]] = {
    "stripe.customer.subscription.updated": _BRAIN,
    "stripe.customer.subscription.deleted": _BRAIN,
    "stripe.invoice.paid": _BOTH,
    "stripe.invoice.payment_failed": _BOTH,
    "stripe.invoice.finalized": _BOTH,
    "stripe.invoice.voided": _BOTH,
    "stripe.invoice.marked_uncollectible": _BOTH,
    "stripe.invoice.payment_action_required": _BRAIN,
    "stripe.payment_intent.processing": _BRAIN,
    "stripe.invoice.updated": _LEDGER,
    "stripe.credit_note.created": _BOTH,
    "stripe.charge.succeeded": _LEDGER,
    "stripe.charge.failed": _LEDGER,
    "stripe.charge.refunded": _BOTH,
    "stripe.charge.dispute.closed": _BOTH,
    "boundary": _BRAIN,
    # The ledger of a contract account is kept by hand, and its notices are kept back: both are made up for when the contract ends.
    "domain.account_type_changed": (*_BOTH, email.NAME),
    # What was heard of a customer while nobody, or two, stood on it was not acted upon.
    "domain.mapping_changed": (*_BOTH, email.NAME),
    "request.recompute": _BOTH,
    **dict.fromkeys(subscriptions_api.DOORS, _CHANGES),
    "request.confirmed": _CHANGES,
    f"domain.{orders.CHANGE_DUE}": _CHANGES,
    # Nothing has changed.
    f"domain.{subscriptions_api.REFUSED}": (),
    # What was done because of a decision moves no decision; what may be used with it is looked at once more.
    **{f"domain.{name}": (entitlements.NAME,) if kind in ("cancel", "ban", "unban") else () for kind, name in orders.ANNOUNCED.items()},
    orders.EMAIL: (email.NAME,),
    orders.PLAN_LEVELS: (plan_levels.NAME,),
}
ANY_DOMAIN_EVENT = "domain."
NO_DOORS = Doors()


class Recompute:
    """An engine made of the dunning brain and what it starts. `doors` stand before it, such as the facade's."""

    def __init__(
        self, policy: DunningPolicy, *, name: str = "recompute", decide: Decide = decide_by_the_rules, doors: Doors = NO_DOORS
    ) -> None:
        self.name = name
        own = (Component(dunning_brain.NAME, "engine", DunningBrain(policy, decide).handle, primary=True), *lent(policy, decide))
        self.components: Mapping[str, Component] = {component.name: component for component in (*own, *doors.components)}
        self._wakes = {**WAKES, **{kind: (*WAKES.get(kind, ()), *named) for kind, named in doors.wakes.items()}}

    def wakes(self, message: Message) -> Sequence[str]:
        """The components that a message wakes, by its kind alone."""
        kind = message.kind
        named = self._wakes.get(kind)
        if named is None:
            return _BRAIN if kind.startswith(ANY_DOMAIN_EVENT) else ()
        return named


def lent(policy: DunningPolicy, decide: Decide) -> tuple[Component, ...]:
    """The components that any engine may start, or order work of: each with its own right to write.

    All of them read from primaries. Compare-and-set protects what is written; nothing protects a decision that nothing is to be written, which a
    replica that is behind calls for as long as it shows what had been right before.
    """
    parts = (
        Component(entitlements.NAME, "entitlements", Entitlements(policy, decide).handle),
        Component(invoicing.NAME, "engine", Invoicing(policy).handle),
        Component(consequences.NAME, "engine", Consequences(policy, decide).handle),
        email.component(policy, decide),
        plan_levels.component(policy),
        subscriptions_api.component(policy),
    )
    return tuple(replace(part, primary=True) for part in parts)
