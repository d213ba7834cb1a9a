"""The `legacy` engine: blind handlers, one for each event, dunning paths that race each other, and a mutation path that commits first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from billsim.core.policy import DunningPolicy
from billsim.legacy import (
    entitlements,
    facade_pay,
    invoice_paid,
    invoice_payment_failed,
    ledger,
    nightly_cron,
    pipe_keys,
    plan_levels,
    subscription_events,
    subscriptions_api,
)
from billsim.legacy.facade_pay import FacadePay
from billsim.legacy.invoice_paid import InvoicePaid
from billsim.legacy.invoice_payment_failed import InvoicePaymentFailed
from billsim.legacy.nightly_cron import NightlyCron
from billsim.legacy.pipe_keys import PipeKeys
from billsim.legacy.subscription_events import SubscriptionEvents
from billsim.ports import Component, Doors, Message

_LEDGER = (ledger.NAME,)

# Whatever is not here, the old platform did not hear: a voided invoice is entered in the ledger, and nobody looks after the account; nor after one
# whose flag support has cleared, or whose invoice it has credited.
WAKES: dict[str, tuple[str, ...]] = {
    "stripe.customer.subscription.updated": (subscription_events.NAME,),
    subscription_events.DELETED: (subscription_events.NAME,),
    "stripe.invoice.payment_failed": (invoice_payment_failed.NAME, pipe_keys.NAME, *_LEDGER),
    "stripe.invoice.paid": (invoice_paid.NAME, pipe_keys.NAME, *_LEDGER),
    "stripe.invoice.finalized": _LEDGER,
    "stripe.invoice.voided": _LEDGER,
    "stripe.invoice.marked_uncollectible": (pipe_keys.NAME, *_LEDGER),
    "stripe.charge.succeeded": _LEDGER,
    "stripe.charge.failed": _LEDGER,
    "cron.nightly": (nightly_cron.NAME,),
    "request.pay": (facade_pay.NAME,),
    **dict.fromkeys(subscriptions_api.DOORS, (subscriptions_api.NAME,)),
    plan_levels.KIND: (plan_levels.NAME,),
}
NO_DOORS = Doors()


class LegacyEngine:
    """What the platform had before. `marks_uncollectible`: whether its Stripe account marks an invoice uncollectible after the last try. `doors`
    stand before it, such as the facade's.
    """

    name = "legacy"

    def __init__(self, policy: DunningPolicy, *, marks_uncollectible: bool = False, doors: Doors = NO_DOORS) -> None:
        failed = InvoicePaymentFailed(policy, marks_uncollectible=marks_uncollectible)
        parts = (
            Component(invoice_payment_failed.NAME, "engine", failed.handle),
            Component(invoice_paid.NAME, "engine", InvoicePaid(policy).handle),
            Component(nightly_cron.NAME, "engine", NightlyCron(policy).handle),
            Component(facade_pay.NAME, "facade", FacadePay(policy).handle),
            Component(subscription_events.NAME, "engine", SubscriptionEvents(policy).handle),
            Component(subscriptions_api.NAME, "engine", subscriptions_api.handle),
            Component(pipe_keys.NAME, "pipe", PipeKeys(policy).handle),
            Component(ledger.NAME, "engine", ledger.handle),
            Component(entitlements.NAME, "entitlements", entitlements.handle),
            Component(plan_levels.NAME, "www_sync", plan_levels.handle),
        )
        self.components: Mapping[str, Component] = {component.name: component for component in (*parts, *doors.components)}
        self._wakes = {**doors.wakes, **WAKES}

    def wakes(self, message: Message) -> Sequence[str]:
        """The components that a message wakes, by its kind alone."""
        return self._wakes.get(message.kind, ())
