"""How this platform has set up its Stripe account: the retry schedule and what happens when it gives up."""

from __future__ import annotations

from typing import Literal

import msgspec


class StripeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Billing settings of the Stripe account.

    `retry_days`: days after the first attempt of an invoice on which it is tried again; with the first that makes 8 tries within 2 weeks, the
    default of
    https://docs.stripe.com/billing/revenue-recovery/smart-retries (the days themselves are assumed, Stripe does not publish them).
    `final_subscription` and `final_invoice`: what becomes of the subscription and of the invoice after the last try.
    `requests_per_second`, `endpoint_requests_per_second`: how many requests Stripe takes; 0 for as many as come. Live accounts have 100 and 25
    (https://docs.stripe.com/rate-limits).
    `finalize_after_minutes`: from a successful delivery of `invoice.created` to finalisation; without one, `finalize_fallback_hours`.
    `upcoming_days`: how long before a renewal `invoice.upcoming` is sent, as the Dashboard has it (3, 7, 15, 30 or 45; which of them an account
    begins with is not published: 7 is assumed); `will_be_due_days`: how long before its due date `invoice.will_be_due`, which only an automation
    sends, so that there is none unless one is set up. 0: never. Sandboxes only.
    """

    retry_days: tuple[int, ...] = (1, 3, 5, 7, 9, 11, 14)
    final_subscription: Literal["cancel", "mark_unpaid", "leave_past_due"] = "leave_past_due"
    final_invoice: Literal["leave_open", "mark_uncollectible"] = "leave_open"
    finalize_after_minutes: int = 60
    finalize_fallback_hours: int = 72
    upcoming_days: int = 7
    will_be_due_days: int = 0
    requests_per_second: int = 0
    endpoint_requests_per_second: int = 0
    webhook_secret: str = "whsec_simulated"

    @property
    def max_attempts(self) -> int:
        """How many attempts the schedule makes in all."""
        return len(self.retry_days) + 1
