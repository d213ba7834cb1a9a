"""Marks, by hand: what is found, missed in spite of a mirror, missed between two, told wrongly, and how late."""

from __future__ import annotations

from billsim.core.trace import DriftRecord
from billsim.warehouse.grade import Lag, grade, is_pictured
from billsim.warehouse.screening import Looked, Sighting

DAY = 86_400_000


def drift(account: str, code: str, opened_ms: int, closed_ms: int | None) -> DriftRecord:
    return DriftRecord("drift", account, code, opened_ms, closed_ms, "data", None, None, "")


def night(number: int, *told: Sighting, spread_ms: int = 0, late_ms: int = 0, **by_view: list[Sighting]) -> Looked:
    last_ms = number * DAY + spread_ms
    views = {name: frozenset(each) for name, each in by_view.items()}
    return Looked(number * DAY, last_ms, last_ms + late_ms, frozenset(told), views, {})


STUCK, OTHER = ("ada", "bad_debt_stuck"), ("bob", "bad_debt_stuck")


def test_what_is_found_missed_and_between() -> None:
    truth = [
        drift("ada", "bad_debt_stuck", DAY - 1000, 3 * DAY),  # seen the second time that a mirror has it
        drift("bob", "bad_debt_stuck", DAY + 1, 2 * DAY - 1),  # between two mirrors
        drift("cem", "bad_debt_stuck", DAY - 5, None),  # never told of
        drift("ada", "www_drift", 2 * DAY + 5, None),  # after the last night
    ]
    marks = grade(truth, [night(1), night(2, STUCK)]).by_code
    assert list(marks) == ["bad_debt_stuck", "www_drift"]
    assert marks["bad_debt_stuck"].data == {
        "true": 3,
        "found": 1,
        "missed": 2,
        "unseen": 1,
        "between_snapshots": 1,
        "false_alarms": 0,
        "in_lag": 0,
        "unhealable": 0,
        "delay_ms_p50": DAY + 1000,
        "delay_ms_p99": DAY + 1000,
    }
    assert marks["www_drift"].data["between_snapshots"] == 1
    assert [(each.drift.account, each.pictured) for each in grade(truth, [night(1), night(2, STUCK)]).missed] == [
        ("cem", True),
        ("bob", False),
        ("ada", False),
    ]


def test_a_false_alarm_lasts_as_long_as_it_is_told_every_night() -> None:
    nights = [night(1, STUCK), night(2, STUCK, OTHER), night(3), night(4, STUCK)]
    assert grade([], nights).by_code["bad_debt_stuck"].false_alarms == 3


def test_what_is_told_of_one_account_is_no_drift_of_another_nor_of_another_code() -> None:
    marks = grade([drift("ada", "dunning_wrong", 0, None)], [night(1, STUCK, ("bob", "dunning_wrong"))]).by_code
    assert (marks["dunning_wrong"].found, marks["dunning_wrong"].false_alarms) == ((), 1)
    assert (marks["bad_debt_stuck"].found, marks["bad_debt_stuck"].false_alarms) == ((), 1)


def test_what_has_closed_and_is_still_told_of_is_an_alarm_from_then_on() -> None:
    mark = grade([drift("ada", "bad_debt_stuck", 0, 2 * DAY)], [night(1, STUCK), night(2, STUCK)]).by_code["bad_debt_stuck"]
    assert (mark.found, mark.false_alarms) == ((DAY,), 1)


def test_a_torn_mirror_pictures_what_stood_open_while_it_was_taken_and_a_late_one_is_seen_later() -> None:
    truth = [drift("ada", "bad_debt_stuck", DAY + 10, DAY + 20)]
    assert is_pictured(truth[0], DAY, DAY + 60) and not is_pictured(truth[0], DAY, DAY) and not is_pictured(truth[0], DAY + 20, DAY + 60)
    mark = grade(truth, [night(1, STUCK, spread_ms=60, late_ms=600)]).by_code["bad_debt_stuck"]
    assert (mark.found, mark.missed, mark.false_alarms) == ((650,), (), 0)


def counted(lags: list[Lag], unhealable: frozenset[Sighting], *nights: Looked) -> tuple[int, int, int]:
    mark = grade([], nights, lags, unhealable).by_code["bad_debt_stuck"]
    return mark.false_alarms, mark.in_lag, mark.unhealable


def test_what_was_on_its_way_to_be_mended_when_the_mirror_was_taken_is_no_false_alarm() -> None:
    none: frozenset[Sighting] = frozenset()
    told = night(1, STUCK)
    assert counted([Lag("ada", "bad_debt_stuck", DAY - 200, DAY + 1)], none, told) == (0, 1, 0)
    assert counted([Lag("ada", "bad_debt_stuck", DAY - 200, DAY)], none, told) == (1, 0, 0)  # over when the mirror was taken
    assert counted([Lag("ada", "bad_debt_stuck", DAY + 1, DAY + 200)], none, told) == (1, 0, 0)  # and not yet begun
    assert counted([Lag("bob", "bad_debt_stuck", DAY - 200, DAY + 1)], none, told) == (1, 0, 0)
    assert counted([Lag("ada", "dunning_wrong", DAY - 200, DAY + 1)], none, told) == (1, 0, 0)


def test_lag_is_another_every_night_and_what_goes_on_after_it_is_an_alarm() -> None:
    lags = [Lag("ada", "bad_debt_stuck", number * DAY - 5, number * DAY + 5) for number in (1, 2)]
    assert counted(lags, frozenset(), night(1, STUCK), night(2, STUCK), night(3, STUCK), night(4, STUCK)) == (1, 2, 0)


def test_what_no_engine_could_mend_is_counted_by_account_and_is_no_false_alarm() -> None:
    nights = [night(1, STUCK, OTHER), night(2, STUCK), night(3, STUCK, ("eve", "bad_debt_stuck"))]
    assert counted([], frozenset({STUCK, OTHER}), *nights) == (1, 0, 2)
    mark = grade([drift("ada", "bad_debt_stuck", 0, None)], nights[:1], (), frozenset({STUCK})).by_code["bad_debt_stuck"]
    assert (mark.found, mark.unhealable, mark.false_alarms) == ((DAY,), 0, 1)  # what opened since is drift all the same; and bob's is an alarm


def test_delays_are_percentiles_of_what_was_found() -> None:
    truth = [drift(f"a{n}", "bad_debt_stuck", DAY - n, None) for n in range(1, 11)]
    data = grade(truth, [night(1, *[(f"a{n}", "bad_debt_stuck") for n in range(1, 11)])]).by_code["bad_debt_stuck"].data
    assert (data["delay_ms_p50"], data["delay_ms_p99"]) == (5, 10)


def test_a_view_is_marked_for_the_codes_that_it_tells_of() -> None:
    truth = [drift("ada", "bad_debt_stuck", 0, None), drift("bob", "bad_debt_stuck", 0, None), drift("ada", "www_drift", 0, None)]
    one = night(1, STUCK, OTHER, stuck=[STUCK], more=[STUCK, OTHER, ("eve", "bad_debt_stuck")], silent=[])
    counted = {
        name: {code: (len(mark.found), len(mark.missed), mark.false_alarms) for code, mark in marks.items()}
        for name, marks in grade(truth, [one]).by_view.items()
    }
    assert counted == {
        "stuck": {"bad_debt_stuck": (1, 1, 0)},
        "more": {"bad_debt_stuck": (2, 0, 1)},
        "silent": {},
    }


def test_nothing_at_all() -> None:
    assert grade([], []) == ({}, {})
