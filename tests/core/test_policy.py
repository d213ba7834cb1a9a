"""The policy's own numbers, as the platform states or assumes them."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS


def test_defaults() -> None:
    policy = DunningPolicy()
    assert policy.grace_of("card") == 7 * DAY_MS
    assert policy.ban_after_ms == 30 * DAY_MS
    assert policy.max_attempts == 8
    assert (policy.bad_debt_flag, policy.no_success_flag) == (0x8000, 0x4000)
    assert policy.lag_budget_ms == 60_000


def test_grace_by_instrument_falls_back_to_the_default() -> None:
    policy = DunningPolicy(grace_ms={"default": 3 * DAY_MS, "paypal": 10 * DAY_MS})
    assert policy.grace_of("paypal") == 10 * DAY_MS
    assert policy.grace_of("sepa_debit") == 3 * DAY_MS


def test_no_two_policies_share_their_grace() -> None:
    assert DunningPolicy().grace_ms is not DunningPolicy().grace_ms
