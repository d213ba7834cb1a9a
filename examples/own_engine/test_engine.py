"""Our engine in simulated worlds. `pytest` runs these and every `*.billsim.toml` beside them; `pytest.ini` names engine and policy."""

from __future__ import annotations

import pytest

STORIES = (
    "dunning/grace_runs_out",
    "dunning/newest_paid_older_owed",
    "dunning/pay_bad_debt_vs_webhook",
    "dunning/void_after_bad_debt",
)


@pytest.mark.parametrize("story", STORIES)
def test_converges_whoever_comes_first(billsim, story):
    billsim.assert_converges(story, seeds=range(3))


def test_converges_for_a_population_over_a_month(billsim):
    billsim.assert_converges("load/small")


def test_is_what_our_old_handlers_are_not(billsim):
    comparison = billsim.compare("dunning/late_failed_after_paid", ["legacy", billsim.engine])
    assert {name: run.verdict for name, run in comparison.results.items()} == {"legacy": "falls", billsim.engine: "holds"}
