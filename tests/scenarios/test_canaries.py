"""A canary for each drift code, and for the checks that always hold as far as a platform lets anybody break them: each must fall, by its own check.

What no story can bring about, because a store or Stripe itself refuses it, is planted by hand in `tests/checks/test_canaries.py`.
"""

from __future__ import annotations

import pytest

from billsim.checks.codes import CODES
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load, names

CANARIES = sorted(name.removeprefix("canaries/") for name in names() if name.startswith("canaries/"))
ALWAYS = ["action_twice", "automatic_write", "foreign_bits", "paid_chased"]


def test_each_code_has_one() -> None:
    assert sorted([*CODES, *ALWAYS]) == CANARIES


@pytest.mark.parametrize("name", CANARIES)
def test_it_falls_by_its_own_check(name: str) -> None:
    scenario = load(find(f"canaries/{name}"))
    assert scenario.judge.red_under
    for engine in scenario.judge.red_under:
        result = run_scenario(scenario, engine=engine)
        assert result.verdict == "falls"
        if name in ALWAYS:
            assert name in {finding["check"] for finding in result.data["findings"]}
        else:
            assert result.as_expected is True, [(drift.account, drift.code, drift.cause) for drift in result.drift]
            assert name in {drift.code for drift in result.drift}


# What an engine cannot heal, or what nothing wakes it for, stands whoever runs.
PLANTED = {
    "account_type_drift", "bad_debt_missed", "bad_debt_stuck", "debt_flags_inconsistent", "dunning_wrong", "entitlement_drift", "mapping_drift",
    "no_successful_payment_missed", "no_successful_payment_stuck", "orphaned_state", "profile_drift", "stripe_drift", "www_drift",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CANARIES if name not in PLANTED])
def test_an_engine_that_does_its_work_bears_it(name: str) -> None:
    assert run_scenario(load(find(f"canaries/{name}")), engine="recompute").verdict == "holds"
