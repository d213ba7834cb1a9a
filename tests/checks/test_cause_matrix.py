"""Causes are graded: known ones are injected into worlds that converge otherwise, and what the judge tells is compared with what was injected."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from benchmarks.causes import INJECTED, Matrix, graded, on_the_diagonal, table
from billsim.checks.cause import CAUSES

SEEDS = 6


@cache
def matrix() -> Matrix:
    return Counter((cause, drift.cause) for cause, _, drift in graded(SEEDS))


def test_every_cause_is_injected() -> None:
    assert set(INJECTED) == set(CAUSES)


def test_at_least_95_percent_of_at_least_500_drifts_are_told_right() -> None:
    assert sum(matrix().values()) >= 500
    assert on_the_diagonal(matrix()) >= 0.95, table(matrix())


@pytest.mark.parametrize("cause", CAUSES)
def test_no_cause_is_told_right_at_the_expense_of_another(cause: str) -> None:
    injected = sum(count for (of, _), count in matrix().items() if of == cause)
    told = sum(count for (_, told), count in matrix().items() if told == cause)
    right = matrix()[cause, cause]
    assert injected >= 30
    assert right >= 0.9 * injected and right >= 0.9 * told, table(matrix())


def test_the_diagonal_is_what_it_says() -> None:
    assert on_the_diagonal(Counter({("a", "a"): 3, ("a", "b"): 1})) == 0.75
