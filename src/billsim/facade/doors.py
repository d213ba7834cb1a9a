"""The facade's components, and what wakes them, as an engine runs behind them: those of today, and those of before."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.facade import accounts_svc, checkout, identity, invoice_lists, pay_bad_debt, payment_methods, pm_view, product_pages, support
from billsim.ports import Component, Doors

# What both have: one component for each request, and an ear for the payment methods that are set up.
_SHARED: dict[str, tuple[str, ...]] = {
    "request.create_profile": (accounts_svc.NAME,),
    "request.view_profile": (accounts_svc.NAME,),
    "request.update_profile": (accounts_svc.NAME,),
    "request.erase_profile": (accounts_svc.NAME,),
    "request.view_methods": (pm_view.NAME,),
    "request.attach_method": (payment_methods.NAME,),
    "request.default_method": (payment_methods.NAME,),
    "request.remove_method": (payment_methods.NAME,),
    "request.migrate_vault": (payment_methods.NAME,),
    "request.list_invoices": (invoice_lists.NAME,),
    "request.clear_flag": (support.NAME,),
    "request.credit": (support.NAME,),
    "request.refund": (support.NAME,),
    "request.answer_dispute": (support.NAME,),
    "stripe.setup_intent.succeeded": (payment_methods.NAME,),
}
# Who is billed and by what is canonical at Stripe, and the facade of today hears of it.
TODAY: dict[str, tuple[str, ...]] = {
    **_SHARED,
    "request.pay": (pay_bad_debt.NAME,),
    "request.checkout": (checkout.NAME,),
    "stripe.customer.updated": (identity.NAME,),
    "domain.mapping_changed": (identity.NAME,),
    "stripe.payment_method.automatically_updated": (pm_view.NAME,),
    "stripe.payment_method.detached": (pm_view.NAME,),
}
# Of Stripe it hears what it is told to end, and nothing of what was changed there.
OF_BEFORE: dict[str, tuple[str, ...]] = {**_SHARED, "request.checkout": (product_pages.NAME,)}


def today(policy: DunningPolicy) -> Doors:
    """The facade: `/pay-bad-debt` isolated, one checkout, and an ear for what changes at Stripe."""
    return Doors((pay_bad_debt.component(), checkout.component(), identity.component(policy), *_shared(policy)), TODAY)


def of_before(policy: DunningPolicy) -> Doors:
    """The facade of old, without its `/pay-bad-debt`, which is a dunning path: a page for each product, and deaf to Stripe."""
    return Doors((product_pages.component(), *_shared(policy)), OF_BEFORE)


def _shared(policy: DunningPolicy) -> tuple[Component, ...]:
    return (
        accounts_svc.component(),
        payment_methods.component(),
        pm_view.component(),
        invoice_lists.component(),
        support.component(policy),
    )
