"""Path 6: which grace a debt has, by what it was to be paid with; and PayPal customers in the wrong vault, who are taken for card payers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.legacy.steps import Case
from billsim.ports import CallStripe, Effect
from billsim.stores.subs_customer import BRAINTREE
from billsim.stripe.objects import Invoice, PaymentMethod, StripeError

CARD = "card"


def grace_ms(case: Case, invoice: Invoice | None, policy: DunningPolicy) -> Generator[Effect, Any, int]:
    """Answer: how long the debt stays delinquent, in milliseconds."""
    instrument = yield from instrument_of(case, invoice)
    return policy.grace_of(instrument)


def instrument_of(case: Case, invoice: Invoice | None) -> Generator[Effect, Any, str]:
    """What the invoice was last tried with. The token of the wrong vault is a card's for all that the old dunning knows."""
    if invoice is None or not invoice.payments or case.customer.vault == BRAINTREE:
        return CARD
    intent = invoice.payments[-1].payment_intent
    tried = yield CallStripe("charges.list", case.account, "", {"customer": case.customer.stripe_customer, "payment_intent": intent})
    failed = next((charge for charge in tried.data if charge.status == "failed" and charge.payment_method), None)
    if failed is None:
        return CARD
    try:
        method: PaymentMethod = yield CallStripe("payment_methods.retrieve", case.account, failed.payment_method)
    except StripeError as refusal:
        if refusal.status != 404:
            raise
        return CARD
    return method.type
