"""Instants are integers in UTC, and months keep the day of the billing cycle anchor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.core.time import DAY_MS, DAY_S, add_months, day_of, day_of_month, iso, to_datetime, to_ms


def seconds(text: str) -> int:
    return to_ms(datetime.fromisoformat(text)) // 1000


def test_to_ms() -> None:
    assert to_ms(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_ms(datetime(1970, 1, 2, 0, 0, 0, 7_999, tzinfo=UTC)) == DAY_MS + 7  # whole milliseconds, rounded down
    assert to_ms(datetime(2026, 3, 14, 1, tzinfo=UTC)) == 1_773_450_000_000
    assert to_ms(datetime(2026, 3, 14, 3, tzinfo=timezone(timedelta(hours=2)))) == 1_773_450_000_000


def test_a_naive_moment_is_utc() -> None:
    assert to_ms(datetime(1970, 1, 2)) == DAY_MS  # noqa: DTZ001


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_there_and_back(instant_ms: int) -> None:
    assert to_ms(to_datetime(instant_ms)) == instant_ms


def test_iso_shows_milliseconds_only_where_there_are_any() -> None:
    assert iso(1_773_450_000_000) == "2026-03-14T01:00:00Z"
    assert iso(1_773_450_000_005) == "2026-03-14T01:00:00.005Z"


def test_day_of() -> None:
    assert [day_of(DAY_MS - 1), day_of(DAY_MS), day_of(10 * DAY_MS + 5)] == [0, 1, 10]
    assert DAY_S * 1000 == DAY_MS


@pytest.mark.parametrize(
    ("start", "months", "anchor_day", "end"),
    [
        ("2026-03-14T09:30:05Z", 1, 14, "2026-04-14T09:30:05Z"),
        ("2026-01-31T00:00:00Z", 1, 31, "2026-02-28T00:00:00Z"),  # the shorter month's last day
        ("2026-02-28T00:00:00Z", 1, 31, "2026-03-31T00:00:00Z"),  # and back to the anchor
        ("2028-01-31T00:00:00Z", 1, 31, "2028-02-29T00:00:00Z"),
        ("2028-02-29T12:00:00Z", 12, 29, "2029-02-28T12:00:00Z"),
        ("2026-11-30T00:00:00Z", 1, 30, "2026-12-30T00:00:00Z"),
        ("2026-12-15T00:00:00Z", 1, 15, "2027-01-15T00:00:00Z"),
        ("2026-10-31T00:00:00Z", 14, 31, "2027-12-31T00:00:00Z"),
        ("2026-03-14T00:00:00Z", 0, 14, "2026-03-14T00:00:00Z"),
    ],
)
def test_add_months(start: str, months: int, anchor_day: int, end: str) -> None:
    assert add_months(seconds(start), months, anchor_day) == seconds(end)


@given(st.integers(min_value=-(10**9), max_value=10**10), st.integers(min_value=-400, max_value=400), st.integers(min_value=1, max_value=31))
def test_the_time_of_day_stays_and_the_day_is_the_anchor_or_the_last(start_s: int, months: int, anchor_day: int) -> None:
    moved_s = add_months(start_s, months, anchor_day)
    assert moved_s % DAY_S == start_s % DAY_S
    before, after = to_datetime(start_s * 1000), to_datetime(moved_s * 1000)
    assert (after.year - before.year) * 12 + after.month - before.month == months
    assert after.day == day_of_month(moved_s) == anchor_day or (after.day < anchor_day and day_of_month(moved_s + DAY_S) == 1)
