"""The `recompute` engine: its components, and the one table of what wakes which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from billsim.core.policy import DunningPolicy
from billsim.engine import consequences, dunning_brain, email, entitlements, invoicing, orders, plan_levels, subscriptions_api
from billsim.engine.consequences import Consequences
from billsim.engine.decide import decide as decide_by_the_rules
from billsim.engine.dunning_brain import Decide, DunningBrain
from billsim.engine.entitlements import Entitlements
from billsim.engine.invoicing import Invoicing
from billsim.ports import Component, Message

_BRAIN = (dunning_brain.NAME,)
_LEDGER = (invoicing.NAME,)
_BOTH = (*_BRAIN, *_LEDGER)
_CHANGES = (subscriptions_api.NAME,)

# The facade's doors, and what it hears of Stripe: who is billed and by what is canonical there.
FACADE: dict[str, tuple[str, ...]] = {
    "request.pay": ("pay_bad_debt",),
    "request.create_profile": ("accounts_svc",),
    "request.view_profile": ("accounts_svc",),
    "request.update_profile": ("accounts_svc",),
    "request.erase_profile": ("accounts_svc",),
    "request.view_methods": ("pm_view",),
    "request.attach_method": ("payment_methods",),
    "request.default_method": ("payment_methods",),
    "request.remove_method": ("payment_methods",),
    "request.migrate_vault": ("payment_methods",),
    "request.list_invoices": ("invoice_lists",),
    "request.checkout": ("checkout",),
    "stripe.customer.updated": ("identity",),
    "stripe.payment_method.automatically_updated": ("pm_view",),
    "stripe.payment_method.detached": ("pm_view",),
    "stripe.setup_intent.succeeded": ("payment_methods",),
}

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
    "request.recompute": _BOTH,
    **FACADE,
    **dict.fromkeys(subscriptions_api.DOORS, _CHANGES),
    "request.confirmed": _CHANGES,
    f"domain.{orders.CHANGE_DUE}": _CHANGES,
    # Nothing has changed.
    f"domain.{subscriptions_api.REFUSED}": (),
    orders.EMAIL: (email.NAME,),
    orders.PLAN_LEVELS: (plan_levels.NAME,),
}
ANY_DOMAIN_EVENT = "domain."


class Recompute:
    """An engine made of the dunning brain and what it starts. `doors` are further components that requests wake, such as the facade's."""

    def __init__(
        self, policy: DunningPolicy, *, name: str = "recompute", decide: Decide = decide_by_the_rules, doors: Sequence[Component] = ()
    ) -> None:
        self.name = name
        own = (Component(dunning_brain.NAME, "engine", DunningBrain(policy, decide).handle), *lent(policy, decide))
        self.components: Mapping[str, Component] = {component.name: component for component in (*own, *doors)}
        self._wakes = {kind: tuple(name for name in named if name in self.components) for kind, named in WAKES.items()}

    def wakes(self, message: Message) -> Sequence[str]:
        """The components that a message wakes, by its kind alone."""
        kind = message.kind
        named = self._wakes.get(kind)
        if named is None:
            return _BRAIN if kind.startswith(ANY_DOMAIN_EVENT) else ()
        return named


def lent(policy: DunningPolicy, decide: Decide) -> tuple[Component, ...]:
    """The components that any engine may start, or order work of: each with its own right to write."""
    return (
        Component(entitlements.NAME, "entitlements", Entitlements(policy, decide).handle),
        Component(invoicing.NAME, "engine", Invoicing(policy).handle),
        Component(consequences.NAME, "engine", Consequences(policy, decide).handle),
        email.component(policy, decide),
        plan_levels.component(policy),
        subscriptions_api.component(policy),
    )
