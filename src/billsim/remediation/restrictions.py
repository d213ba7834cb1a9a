"""What remediation refuses: seven restrictions, two of them gates, and the exclusion of enterprise accounts; each by a name that the audit tells."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.core.time import DAY_MS, SECOND_MS
from billsim.engine.payments import instrument_of
from billsim.ports import AccountState
from billsim.stripe.objects import Subscription

UNSUPPORTED_ACCOUNT_TYPE = "UnsupportedAccountType"
MERGED_ACCOUNT = "MergedAccount"
INVALID_PAYMENT_METHOD = "InvalidPaymentMethod"
INVOICE_DATE_TOO_NEAR = "InvoiceDateTooNear"
NO_STRIPE_CUSTOMER = "NoStripeCustomer"
BAD_DEBT_GATE = "BadDebtDriftRemediation"
INVOICE_METADATA_GATE = "InvoiceMetadataRemediation"
ENTERPRISE_EXCLUDED = "EnterpriseExcluded"
RESTRICTIONS = (
    UNSUPPORTED_ACCOUNT_TYPE,
    MERGED_ACCOUNT,
    INVALID_PAYMENT_METHOD,
    INVOICE_DATE_TOO_NEAR,
    NO_STRIPE_CUSTOMER,
    BAD_DEBT_GATE,
    INVOICE_METADATA_GATE,
    ENTERPRISE_EXCLUDED,
)
_BILLS = ("trialing", "active", "past_due")


def of_account(state: AccountState, rules: RemediationPolicy, policy: DunningPolicy) -> str:
    """What forbids to touch the account at all; '' for nothing. A type that is both unsupported and an enterprise's is told as unsupported."""
    kind = state.profile.account_type if state.profile is not None else ""
    if kind in rules.unsupported_types:
        return UNSUPPORTED_ACCOUNT_TYPE
    if kind in (*rules.enterprise_types, *policy.contract_types):
        return ENTERPRISE_EXCLUDED
    if state.customer is None or not state.customer.stripe_customer or state.stripe.customer is None:
        return NO_STRIPE_CUSTOMER
    return MERGED_ACCOUNT if state.shared_with else ""


def of_bill(state: AccountState, subscription: Subscription | None, *, costs: bool, rules: RemediationPolicy, now_ms: int) -> str:
    """What forbids to change what a subscription bills (None: a new one); '' for nothing."""
    if costs and instrument_of(state, subscription) is None:
        return INVALID_PAYMENT_METHOD
    invoiced_ms = next_invoice_ms(subscription) if subscription is not None else None
    return INVOICE_DATE_TOO_NEAR if invoiced_ms is not None and invoiced_ms < now_ms + rules.days_before_invoice * DAY_MS else ""


def next_invoice_ms(subscription: Subscription) -> int | None:
    """When Stripe draws up the subscription's next invoice; None: never."""
    ends = [item.current_period_end for item in subscription.items.data]
    if subscription.status not in _BILLS or subscription.cancel_at_period_end or not ends:
        return None
    return min(ends) * SECOND_MS
