"""Causes are graded: known faults are planted, alone and mixed, in worlds that converge otherwise, and what the judge tells is compared with them."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from benchmarks.causes import ALONE, APART, NOTHING, TOGETHER, Matrix, matrices, on_the_diagonal, shared, table
from benchmarks.planted import BASES, PLANTS
from billsim.checks.cause import CAUSES

SEEDS = 6
WAYS = (ALONE, APART, TOGETHER)


@cache
def found() -> dict[str, Matrix]:
    return matrices(SEEDS)


def test_every_cause_is_planted_alone_and_beside_every_other_and_on_the_same_account_as_others() -> None:
    assert set(PLANTS) == set(BASES) == set(CAUSES)
    assert {cause for causes, _ in shared() for cause in causes} == set(CAUSES)
    assert {len(causes) for causes, _ in shared()} == {2, 3}


@pytest.mark.parametrize("way", WAYS)
def test_at_least_95_percent_of_at_least_500_drifts_are_told_right(way: str) -> None:
    matrix = found()[way]
    assert sum(matrix.values()) >= 500
    assert on_the_diagonal(matrix) >= 0.95, table(matrix)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cause", CAUSES)
def test_no_cause_is_told_right_at_the_expense_of_another(way: str, cause: str) -> None:
    matrix = found()[way]
    planted = sum(count for (of, _), count in matrix.items() if of == cause)
    told = sum(count for (_, told), count in matrix.items() if told == cause)
    right = matrix[cause, cause]
    assert planted >= 20
    assert right >= 0.9 * planted and right >= 0.9 * told, table(matrix)


def test_hardly_any_drift_has_been_opened_by_nothing_that_was_planted() -> None:
    together = found()[TOGETHER]
    assert sum(count for (cause, _), count in together.items() if cause == NOTHING) <= 0.01 * sum(together.values())


def test_the_diagonal_is_what_it_says() -> None:
    assert on_the_diagonal(Counter({("a", "a"): 3, ("a", "b"): 1})) == 0.75
