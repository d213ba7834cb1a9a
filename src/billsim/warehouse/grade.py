"""How much of the truth views find: the drift that there was, in intervals, against what was detected night by night.

Drift is in a mirror's picture where it stood open while the mirror was taken. It is found where views tell of its account and code on a night that
pictures it, and missed else. What no night pictures has lived and died between snapshots, and no view could have told of it. What views tell of
that did not stand open then is a false alarm, and on consecutive nights one; that includes lag, which is on its way to be mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from billsim.core.trace import DriftRecord
from billsim.warehouse.screening import Looked, Sighting


class Missed(NamedTuple):
    """Drift that no night told of. `pictured`: a mirror had it, so that a view might have."""

    drift: DriftRecord
    pictured: bool


class Mark(NamedTuple):
    """What views make of one code. `found` are delays, in milliseconds, from the opening of a drift until views looked at a mirror that shows it."""

    found: tuple[int, ...]
    missed: tuple[Missed, ...]
    false_alarms: int

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


def grade(drift: Sequence[DriftRecord], nights: Sequence[Looked]) -> Grade:
    """The marks of what was detected, for every code that drifted or was told of; and of each view, for the codes that it ever tells of."""
    told = [night.detected for night in nights]
    views = {name: [night.by_view[name] for night in nights] for name in (nights[0].by_view if nights else ())}
    return Grade(_marks(drift, nights, told, _codes(told, drift)), {name: _marks(drift, nights, each, _codes(each)) for name, each in views.items()})


def is_pictured(drift: DriftRecord, first_ms: int, last_ms: int) -> bool:
    """Whether drift stood open while a mirror was taken."""
    return drift.opened_ms <= last_ms and (drift.closed_ms is None or drift.closed_ms > first_ms)


def _codes(told: Sequence[frozenset[Sighting]], drift: Sequence[DriftRecord] = ()) -> list[str]:
    return sorted({each.code for each in drift} | {code for night in told for _, code in night})


def _marks(drift: Sequence[DriftRecord], nights: Sequence[Looked], told: Sequence[frozenset[Sighting]], codes: Iterable[str]) -> dict[str, Mark]:
    marks: dict[str, tuple[list[int], list[Missed], list[int]]] = {code: ([], [], []) for code in codes}
    right: list[set[Sighting]] = [set() for _ in nights]
    for each in drift:
        if each.code not in marks:
            continue
        found, missed, _ = marks[each.code]
        which, pictured = (each.account, each.code), [number for number, night in enumerate(nights) if is_pictured(each, *night[:2])]
        for number in pictured:
            right[number].add(which)
        by = next((number for number in pictured if which in told[number]), None)
        if by is None:
            missed.append(Missed(each, bool(pictured)))
        else:
            found.append(max(0, nights[by].seen_ms - each.opened_ms))
    before: set[Sighting] = set()
    for number, night in enumerate(told):
        wrong = set(night - right[number])
        for _, code in sorted(wrong - before):
            marks[code][2].append(number)
        before = wrong
    return {code: Mark(tuple(sorted(found)), tuple(missed), len(alarms)) for code, (found, missed, alarms) in marks.items()}


def _percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many of a hundred do not exceed; None of nothing."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
