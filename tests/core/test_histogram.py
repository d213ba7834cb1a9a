"""Percentiles by nearest rank, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from billsim.core.histogram import Histogram


def histogram(values: list[int]) -> Histogram:
    counted = Histogram()
    for value in values:
        counted.add(value)
    return counted


def test_nothing_counted() -> None:
    assert Histogram().percentile(99) == 0 and Histogram().largest == 0


def test_nearest_rank() -> None:
    counted = histogram([15, 20, 35, 40, 50])
    assert [counted.percentile(p) for p in (1, 20, 21, 40, 50, 100)] == [15, 15, 20, 20, 35, 50]
    assert (counted.count, counted.largest) == (5, 50)


@given(st.lists(st.integers(0, 2047), min_size=1), st.integers(1, 100))
def test_exact_below_2048(values: list[int], percent: int) -> None:
    rank = max(1, -(-len(values) * percent // 100))
    assert histogram(values).percentile(percent) == sorted(values)[rank - 1]


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(1, 100))
def test_to_one_part_in_1024_above(values: list[int], percent: int) -> None:
    true = sorted(values)[max(1, -(-len(values) * percent // 100)) - 1]
    assert true - true // 1024 <= histogram(values).percentile(percent) <= true


def test_memory_is_bounded() -> None:
    assert len(histogram(list(range(100_000)))._buckets) < 2048 + 1024 * 6
