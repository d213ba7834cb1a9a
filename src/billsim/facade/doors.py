"""The facade's components, as an engine runs behind them: those of today, and those of before."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.facade import accounts_svc, checkout, identity, invoice_lists, pay_bad_debt, payment_methods, pm_view, product_pages
from billsim.ports import Component


def today(policy: DunningPolicy) -> tuple[Component, ...]:
    """The facade: `/pay-bad-debt` isolated, one checkout, and an ear for what changes at Stripe."""
    return (pay_bad_debt.component(), checkout.component(), identity.component(policy), *_shared())


def of_before() -> tuple[Component, ...]:
    """The facade of old, without its `/pay-bad-debt`, which is a dunning path: a page for each product, and deaf to Stripe."""
    return (product_pages.component(), *_shared())


def _shared() -> tuple[Component, ...]:
    return (accounts_svc.component(), payment_methods.component(), pm_view.component(), invoice_lists.component())
