"""The `legacy` engine: blind handlers, one for each event, and four dunning paths that race each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from billsim.core.policy import DunningPolicy
from billsim.legacy import entitlements, facade_pay, invoice_paid, invoice_payment_failed, ledger, nightly_cron, plan_levels
from billsim.legacy.facade_pay import FacadePay
from billsim.legacy.invoice_paid import InvoicePaid
from billsim.legacy.invoice_payment_failed import InvoicePaymentFailed
from billsim.legacy.nightly_cron import NightlyCron
from billsim.ports import Component, Message

_LEDGER = (ledger.NAME,)

# Whatever is not here, the old platform did not hear: a voided invoice is entered in the ledger, and nobody looks after the account.
WAKES: dict[str, tuple[str, ...]] = {
    "stripe.invoice.payment_failed": (invoice_payment_failed.NAME, *_LEDGER),
    "stripe.invoice.paid": (invoice_paid.NAME, *_LEDGER),
    "stripe.invoice.finalized": _LEDGER,
    "stripe.invoice.voided": _LEDGER,
    "stripe.invoice.marked_uncollectible": _LEDGER,
    "stripe.charge.succeeded": _LEDGER,
    "stripe.charge.failed": _LEDGER,
    "cron.nightly": (nightly_cron.NAME,),
    "request.pay": (facade_pay.NAME,),
    # The facade's doors. Of Stripe it hears what it is told to end, and nothing of what was changed there.
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
    "request.checkout": ("product_pages",),
    "stripe.setup_intent.succeeded": ("payment_methods",),
    plan_levels.KIND: (plan_levels.NAME,),
}


class LegacyEngine:
    """What the platform had before. `marks_uncollectible`: whether its Stripe account marks an invoice uncollectible after the last try. `doors` are
    further components, such as the facade's.
    """

    name = "legacy"

    def __init__(self, policy: DunningPolicy, *, marks_uncollectible: bool = False, doors: Sequence[Component] = ()) -> None:
        failed = InvoicePaymentFailed(policy, marks_uncollectible=marks_uncollectible)
        parts = (
            Component(invoice_payment_failed.NAME, "engine", failed.handle),
            Component(invoice_paid.NAME, "engine", InvoicePaid(policy).handle),
            Component(nightly_cron.NAME, "engine", NightlyCron(policy).handle),
            Component(facade_pay.NAME, "facade", FacadePay(policy).handle),
            Component(ledger.NAME, "engine", ledger.handle),
            Component(entitlements.NAME, "entitlements", entitlements.handle),
            Component(plan_levels.NAME, "www_sync", plan_levels.handle),
        )
        self.components: Mapping[str, Component] = {component.name: component for component in (*parts, *doors)}
        self._wakes = {kind: tuple(name for name in named if name in self.components) for kind, named in WAKES.items()}

    def wakes(self, message: Message) -> Sequence[str]:
        """The components that a message wakes, by its kind alone."""
        return self._wakes.get(message.kind, ())
