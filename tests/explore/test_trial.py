"""Leaving out: the fewest of a list, and a trial within its budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.explore.edits import untold, with_rows
from billsim.explore.trial import Budget, Spent, Step, Trial, fewest
from billsim.run import SHIPPED
from billsim.scenario.toml_file import find, load

STORY = untold(load(find("dunning/late_failed_after_paid")))
KEY = "finding/paid_chased/invoice_payment_failed/cancel"


@given(st.sets(st.integers(0, 60)), st.integers(1, 61))
def test_what_is_needed_stays_and_all_else_goes(needed: set[int], size: int) -> None:
    wanted = {item for item in needed if item < size}
    assert fewest(range(size), lambda rest: wanted <= set(rest)) == sorted(wanted)


@given(st.lists(st.frozensets(st.integers(0, 12), min_size=1), min_size=1))
def test_nothing_that_is_left_can_be_left_out_alone(enough: list[frozenset[int]]) -> None:
    """Several lists would do: one of them is found, and no part of it would."""

    def keeps(rest: list[int]) -> bool:
        return any(wanted <= set(rest) for wanted in enough)

    left = fewest(range(13), keeps)
    assert keeps(left) and not any(keeps([item for item in left if item != gone]) for gone in left)


def test_large_parts_go_in_few_steps() -> None:
    asked: list[int] = []

    def keeps(rest: list[int]) -> bool:
        asked.append(len(rest))
        return 977 in rest

    assert fewest(range(1000), keeps) == [977]
    assert len(asked) < 30


def trial(budget: Budget, want: str = "", against: str | None = "recompute") -> Trial:
    return Trial("legacy", want, against, budget, SHIPPED, None)


def test_the_gravest_failure_is_the_one_where_none_is_named() -> None:
    it = trial(Budget())
    assert it.begin(STORY, 0, {}) and it.want == KEY and it.against == "recompute" and it.runs == 2
    assert it.best.answers and it.result.verdict == "falls"


def test_a_failure_that_is_not_shown_begins_nothing() -> None:
    assert not trial(Budget(), "drift/ledger_drift/duplicate/clock").begin(STORY, 0, {})
    assert not Trial("recompute", "", None, Budget(), SHIPPED, None).begin(STORY, 0, {})


def test_an_engine_that_falls_itself_is_no_measure() -> None:
    it = trial(Budget(), against="legacy")
    assert it.begin(STORY, 0, {}) and it.against is None


def test_what_does_not_fail_so_is_not_taken_and_nothing_is_tried_twice() -> None:
    it = trial(Budget())
    it.begin(STORY, 0, {})
    shorter = with_rows(it.best, [0, 1, 2])
    before, best = it.runs, it.best
    assert not it.keeps(*shorter) and it.best is best and it.runs == before + 1
    assert not it.keeps(*shorter) and it.runs == before + 1
    assert it.keeps(*with_rows(it.best, [0, 1, 2, 3])) and len(it.best.timeline) == 4
    assert it.runs == before + 3


def test_the_budget_ends_it() -> None:
    steps: list[Step] = []
    it = Trial("legacy", "", None, Budget(runs=2), SHIPPED, steps.append)
    it.begin(STORY, 0, {})
    it.keeps(*with_rows(it.best, [0, 1, 2]))
    with pytest.raises(Spent):
        it.keeps(*with_rows(it.best, [0, 1, 2, 3]))
    assert [(step.runs, step.most_runs) for step in steps] == [(1, 2), (2, 2)] and steps[0].rows == 5
    it.unlimited = True
    assert it.keeps(*with_rows(it.best, [0, 1, 2, 3]))


def test_a_part_of_the_budget_ends_what_is_inside_alone() -> None:
    it = trial(Budget(runs=6))
    it.begin(STORY, 0, {})
    with it.part(0.5):
        it.keeps(*with_rows(it.best, [0]))
        it.keeps(*with_rows(it.best, [1]))
        raise AssertionError("three runs are half of six")
    assert it.runs == 3 and not it.keeps(*with_rows(it.best, [1]))


def test_a_story_that_cannot_be_told_is_not_taken() -> None:
    it = trial(Budget())
    it.begin(STORY, 0, {})
    rows = it.best.timeline
    backwards = with_rows(it.best, range(len(rows) - 1, -1, -1))
    before = it.runs
    assert not it.keeps(*backwards) and it.runs == before


def test_an_engine_that_fails_otherwise_is_a_measure_of_this_failure_until_it_holds() -> None:
    """Under `noop` nobody is chased, though much is wrong."""
    it = trial(Budget(), against="noop")
    assert it.begin(STORY, 0, {}) and it.against == "noop" and it.holds_under is None
    assert it.keeps(*with_rows(it.best, [0, 1, 2, 3])) and it.holds_under is None
    recompute = trial(Budget())
    assert recompute.begin(STORY, 0, {}) and recompute.holds_under == "recompute"


def test_who_is_interrupted_still_has_the_best_story_and_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    it = trial(Budget(), against=None)
    assert it.begin(STORY, 3, {})
    best = it.best

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(it, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        it.keeps(with_rows(best, [0])[0], seed=0)
    assert (it.best, it.seed) == (best, 3)
