"""The platform that was left stuck, with exactly so many accounts of each code: the new engine takes them to 0, and the old one does not.

A twentieth of it here; `billsim run headline/stuck_accounts` is the whole.
"""

from __future__ import annotations

import pytest

from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import find, load

STUCK = ("bad_debt_stuck", "debt_flags_inconsistent", "no_successful_payment_stuck")
SCENARIO = load(find("headline/stuck_twentieth"))


@pytest.fixture(scope="module")
def recompute() -> RunResult:
    return run_scenario(SCENARIO, engine="recompute", bodies=False)


@pytest.fixture(scope="module")
def legacy() -> RunResult:
    return run_scenario(SCENARIO, engine="legacy", bodies=False)


def test_the_whole_is_twenty_times_the_twentieth() -> None:
    whole, part = load(find("headline/stuck_accounts")).before, SCENARIO.before
    assert whole is not None and part is not None
    assert [whole.drift[code] for code in STUCK] == [906, 625, 633] and (whole.accounts, whole.debtors) == (50_000, 2_000)
    assert [part.drift[code] for code in STUCK] == [45, 31, 32] and (part.accounts, part.debtors) == (2_500, 100)


def test_the_old_engine_has_left_exactly_so_many_stuck(recompute: RunResult) -> None:
    told = recompute.data["handover"]
    assert [told["inherited"][code] for code in STUCK] == [45, 31, 32]
    assert told["accounts"] == recompute.data["accounts"] == 2_500 and told["debtors"]["at_handover"] == 100 and told["drained"]
    assert sum(told["together"].values()) == told["reached"]["accounts"]
    assert set(told["causes"]["no_successful_payment_stuck"]) >= {"lost_update", "missing_handler"}, "the page, and the key that support forgot"


def test_the_new_engine_takes_them_to_nothing(recompute: RunResult) -> None:
    told = recompute.data["handover"]
    assert recompute.verdict == "holds" and recompute.as_expected is True and recompute.data["findings"] == []
    assert told["open_at_end"] == {} and told["reached"]["never"] == 0 and told["new_drift"] == 0
    assert [told["by_day"][0][code] for code in STUCK] == [45, 31, 32] and all(told["by_day"][-1][code] == 0 for code in STUCK)


def test_what_still_happens_to_an_account_reaches_it_and_the_button_the_rest(recompute: RunResult) -> None:
    """Whoever still renews is reached within a month; who was canceled for a debt that is no more has nothing that could wake anybody."""
    told = recompute.data["handover"]
    month = told["by_day"][31]
    assert month["no_successful_payment_stuck"] == 0 < month["bad_debt_stuck"] < 45
    assert told["reached"]["by"]["request.recompute"] > 10 and told["reached"]["by"]["stripe.customer.subscription.updated"] > 10
    assert sum(told["reached"]["by"].values()) == told["reached"]["accounts"]
    assert told["mended_by"]["bad_debt_stuck"]["request.recompute"] == month["bad_debt_stuck"]


def test_debtors_stay_flagged_and_nobody_healthy_is_harmed(recompute: RunResult) -> None:
    told = recompute.data["handover"]
    assert told["debtors"]["still_bad"] > 50 and told["debtors"]["not_flagged"] == 0 and told["harmed"] == 0


def test_the_old_engine_does_not_get_there(legacy: RunResult, recompute: RunResult) -> None:
    told = legacy.data["handover"]
    assert legacy.verdict == "falls" and told["inherited"] == recompute.data["handover"]["inherited"]
    assert all(legacy.data["drift"]["by_code"][code]["open_at_end"] > 10 for code in STUCK)
    assert told["open_at_end"]["bad_debt_stuck"] == 45 and told["reached"]["never"] > 40 and told["debtors"]["not_flagged"] > 0
