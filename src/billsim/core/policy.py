"""The dunning policy: every assumption about when an account owes, is chased, flagged, cancelled and banned, in one place.

A team whose platform differs replaces this object. Neither the engine nor the checks hold a number of their own.
"""

from __future__ import annotations

import msgspec

from billsim.core.time import DAY_MS

HEALTHY, RETRYING, DELINQUENT, BAD_DEBT = "healthy", "retrying", "delinquent", "bad_debt"


class DunningPolicy(msgspec.Struct, frozen=True):
    """Times are milliseconds, flags are bit masks of `subs_account.flags`, keys are Stripe metadata keys.

    `grace_ms` is keyed by the payment instrument actually used (`card`, `paypal`, `sepa_debit`); `default` serves the others. PayPal has longer, for
    a customer without a balance there pays from a bank, which takes days: assumed, as the rest.
    `max_attempts` is how many attempts the retry schedule makes before it gives up.
    """

    grace_ms: dict[str, int] = msgspec.field(default_factory=lambda: {"default": 7 * DAY_MS, "paypal": 10 * DAY_MS})
    ban_after_ms: int = 30 * DAY_MS
    max_attempts: int = 8
    lost_dispute_is_debt: bool = False
    bad_debt_flag: int = 1 << 15
    no_success_flag: int = 1 << 14
    bad_debt_key: str = "bad_debt"
    bad_debt_since_key: str = "bad_debt_since"
    no_success_key: str = "has_no_successful_payment"
    account_type_key: str = "account_type"
    bad_debt_amount_key: str = "bad_debt_amount"
    contract_types: tuple[str, ...] = ("cloudflare_ent", "jdc", "sfcc", "ibm")
    lag_budget_ms: int = 60_000

    def grace_of(self, instrument: str) -> int:
        """How long an exhausted debt paid by `instrument` stays delinquent before it is bad, in milliseconds."""
        return self.grace_ms.get(instrument, self.grace_ms["default"])
