"""The safety valves, each at its edge."""

from __future__ import annotations

import pytest

from billsim.core.remediation import RemediationPolicy
from billsim.remediation.valves import DRIFT_JUMP, FAILURES, KILL_SWITCH, MOST_ACCOUNTS, MOST_SHARE, Valves

NAMES = tuple(f"a{n}" for n in range(100))


def valves(rules: RemediationPolicy, candidates: int = 100, population: int = 1_000_000, yesterday: int | None = None) -> Valves:
    return Valves(rules, NAMES[:candidates], population, yesterday)


def test_the_kill_switch_goes_before_everything() -> None:
    assert valves(RemediationPolicy(kill_switch=True, most_accounts=0), yesterday=1).shut() == KILL_SWITCH


@pytest.mark.parametrize(("candidates", "yesterday", "why"), [(60, 20, ""), (61, 20, DRIFT_JUMP), (61, None, ""), (21, 0, DRIFT_JUMP), (20, 0, "")])
def test_drift_may_be_three_times_what_it_was_and_few_say_nothing(candidates: int, yesterday: int | None, why: str) -> None:
    assert valves(RemediationPolicy(jump_percent=300, floor=20), candidates, yesterday=yesterday).shut() == why


def test_so_many_accounts_are_attempted() -> None:
    night = valves(RemediationPolicy(most_accounts=2))
    for _ in range(2):
        assert night.shut() == ""
        night.count(failed=False)
    assert night.shut() == MOST_ACCOUNTS


@pytest.mark.parametrize(("population", "most"), [(1_000, 20), (1_500, 30), (0, 20)])
def test_two_in_a_hundred_are_attempted_but_never_fewer_than_the_floor(population: int, most: int) -> None:
    night, attempted = valves(RemediationPolicy(most_share_ppm=20_000, floor=20), population=population), 0
    while not night.shut():
        night.count(failed=False)
        attempted += 1
    assert attempted == most and night.shut() == MOST_SHARE


def test_a_night_ends_when_over_a_quarter_has_failed_but_not_by_the_first_few() -> None:
    night = valves(RemediationPolicy(failures_percent=25, floor=3))
    for nth in range(3):
        night.count(failed=True)
        assert night.shut() == "", nth
    night.count(failed=False)
    assert night.shut() == FAILURES
    for _ in range(7):
        night.count(failed=False)
    assert night.shut() == FAILURES  # 3 of 11 are more than 25 %
    night.count(failed=False)
    assert night.shut() == ""  # 3 of 12 are not
