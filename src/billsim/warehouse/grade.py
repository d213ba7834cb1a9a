"""How much of the truth views find: the drift that there was, in intervals, against what was detected night by night.

Drift is in a mirror's picture where it stood open while the mirror was taken. It is found where views tell of its account and code on a night that
pictures it, and missed else. What no night pictures has lived and died between snapshots, and no view could have told of it.

What views tell of that did not stand open then is a false alarm, and on consecutive nights one. Two things are told rightly, are no drift and are
counted apart: lag, which was on its way to be mended while the mirror was taken; and what was so from the beginning and no engine could mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from billsim.core.trace import DriftRecord
from billsim.warehouse.screening import Looked, Sighting


class Lag(NamedTuple):
    """A disagreement that was mended while something was on its way for the account, and so never became drift."""

    account: str
    code: str
    opened_ms: int
    closed_ms: int


class Missed(NamedTuple):
    """Drift that no night told of. `pictured`: a mirror had it, so that a view might have."""

    drift: DriftRecord
    pictured: bool


class Mark(NamedTuple):
    """What views make of one code. `found` are delays, in milliseconds, from the opening of a drift until views looked at a mirror that shows it.

    `in_lag`: told of while it was on its way to be mended, each night by itself. `unhealable`: accounts of whom it is told what no engine could mend.
    """

    found: tuple[int, ...]
    missed: tuple[Missed, ...]
    false_alarms: int
    in_lag: int = 0
    unhealable: int = 0

    @property
    def data(self) -> dict[str, Any]:
        """For JSON. `unseen`: missed though a mirror had it; `between_snapshots`: missed because none had."""
        unseen = sum(each.pictured for each in self.missed)
        return {
            "true": len(self.found) + len(self.missed),
            "found": len(self.found),
            "missed": len(self.missed),
            "unseen": unseen,
            "between_snapshots": len(self.missed) - unseen,
            "false_alarms": self.false_alarms,
            "in_lag": self.in_lag,
            "unhealable": self.unhealable,
            "delay_ms_p50": _percentile(self.found, 50),
            "delay_ms_p99": _percentile(self.found, 99),
        }


class Grade(NamedTuple):
    """Marks by code, and for each view its marks by the codes that it tells of."""

    by_code: Mapping[str, Mark]
    by_view: Mapping[str, Mapping[str, Mark]]

    @property
    def missed(self) -> list[Missed]:
        """All that was missed: what a mirror had before what none had, and then by when it opened."""
        found = [each for mark in self.by_code.values() for each in mark.missed]
        return sorted(found, key=lambda each: (not each.pictured, each.drift.opened_ms, each.drift.account, each.drift.code))


def grade(
    drift: Sequence[DriftRecord], nights: Sequence[Looked], lags: Sequence[Lag] = (), unhealable: frozenset[Sighting] = frozenset()
) -> Grade:
    """The marks of what was detected, for every code that drifted or was told of; and of each view, for the codes that it ever tells of. `lags` need
    be no more than those that a mirror may show.
    """
    truth = _Truth(drift, nights, lags, unhealable)
    told = [night.detected for night in nights]
    views = {name: [night.by_view[name] for night in nights] for name in (nights[0].by_view if nights else ())}
    return Grade(_marks(truth, told, _codes(told, drift)), {name: _marks(truth, each, _codes(each)) for name, each in views.items()})


def is_pictured(drift: DriftRecord | Lag, first_ms: int, last_ms: int) -> bool:
    """Whether a disagreement stood open while a mirror was taken."""
    return drift.opened_ms <= last_ms and (drift.closed_ms is None or drift.closed_ms > first_ms)


def _codes(told: Sequence[frozenset[Sighting]], drift: Sequence[DriftRecord] = ()) -> list[str]:
    return sorted({each.code for each in drift} | {code for night in told for _, code in night})


class _Truth:
    """What the nights could show: the drift, and on which nights a mirror had it; and what is told rightly on a night though it is none."""

    def __init__(self, drift: Sequence[DriftRecord], nights: Sequence[Looked], lags: Sequence[Lag], unhealable: frozenset[Sighting]) -> None:
        self.nights = nights
        self.drift = [(each, [number for number, night in enumerate(nights) if is_pictured(each, *night[:2])]) for each in drift]
        self.in_lag = [{(lag.account, lag.code) for lag in lags if is_pictured(lag, *night[:2])} for night in nights]
        self.unhealable = unhealable


class _Count:
    """The marks of a code, while they are made."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self.missed: list[Missed] = []
        self.false_alarms = 0
        self.in_lag = 0
        self.unhealable: set[str] = set()

    @property
    def mark(self) -> Mark:
        return Mark(tuple(sorted(self.found)), tuple(self.missed), self.false_alarms, self.in_lag, len(self.unhealable))


def _marks(truth: _Truth, told: Sequence[frozenset[Sighting]], codes: Iterable[str]) -> dict[str, Mark]:
    counts = {code: _Count() for code in codes}
    right: list[set[Sighting]] = [set() for _ in told]
    for each, pictured in truth.drift:
        if each.code not in counts:
            continue
        which = (each.account, each.code)
        for number in pictured:
            right[number].add(which)
        by = next((number for number in pictured if which in told[number]), None)
        if by is None:
            counts[each.code].missed.append(Missed(each, bool(pictured)))
        else:
            counts[each.code].found.append(max(0, truth.nights[by].seen_ms - each.opened_ms))
    before: set[Sighting] = set()
    for number, night in enumerate(told):
        before = _count_the_rest(counts, sorted(night - right[number]), truth.in_lag[number], truth.unhealable, before)
    return {code: count.mark for code, count in counts.items()}


def _count_the_rest(
    counts: Mapping[str, _Count], told: Sequence[Sighting], in_lag: set[Sighting], unhealable: frozenset[Sighting], before: set[Sighting]
) -> set[Sighting]:
    """Count what is told on a night and is no drift. Answer: the false alarms; those of the night before are not counted again."""
    alarms = set()
    for which in told:
        account, code = which
        if which in in_lag:
            counts[code].in_lag += 1
        elif which in unhealable:
            counts[code].unhealable.add(account)
        else:
            alarms.add(which)
            counts[code].false_alarms += which not in before
    return alarms


def _percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many of a hundred do not exceed; None of nothing."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
