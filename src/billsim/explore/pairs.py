"""The smallest pair of racing rows that does not commute: each pair alone, in both orders, a minute apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.core.time import MINUTE_MS, iso
from billsim.explore.stage import Make, Story
from billsim.run import SHIPPED
from billsim.scenario.orders import racing_groups
from billsim.scenario.plan import Scenario, TimelineRow

Outcome = tuple[str, str, tuple[str, ...]]


def first_pair(scenario: Scenario, engine: str | Make, seed: int, platform: Platform = SHIPPED) -> tuple[TimelineRow, TimelineRow] | None:
    """The first two rows of one instant whose order tells in the end, although each has all the time it needs; None where all commute."""
    for one, other in _pairs(scenario):
        outcomes = [_outcome(_alone(scenario, order), engine, seed, platform) for order in ((one, other), (other, one))]
        if outcomes[0] != outcomes[1]:
            return scenario.timeline[one], scenario.timeline[other]
    return None


def as_data(row: TimelineRow) -> dict[str, Any]:
    """A row, for JSON."""
    return {"at": iso(row.at), "by": row.by, "do": row.do, **row.params, "line": row.line}


def _pairs(scenario: Scenario) -> Iterator[tuple[int, int]]:
    """Pairs of racing rows, those next to each other in the story first."""
    pairs = [pair for group in racing_groups(scenario.timeline) for pair in combinations(group, 2)]
    yield from sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair))


def _alone(scenario: Scenario, order: tuple[int, int]) -> Scenario:
    """The story with these two of all that race in it, the second a minute after the first. Rows keep their places, by which things are named."""
    racing = [index for group in racing_groups(scenario.timeline) for index in group]
    at = scenario.timeline[order[0]].at
    moved = {index: replace(scenario.timeline[index], at=at + place * MINUTE_MS) for place, index in enumerate(order)}
    away = max(scenario.end + 1, scenario.timeline[-1].at + 1)
    rows = tuple(moved.get(index, replace(row, at=away + index) if index in racing else row) for index, row in enumerate(scenario.timeline))
    return replace(scenario, timeline=rows, until=max(scenario.until, at + 2 * MINUTE_MS))


def _outcome(scenario: Scenario, engine: str | Make, seed: int, platform: Platform) -> Outcome:
    with Story(scenario, engine, seed, platform).open() as story:
        end = story.begin(None)
    return end.authorities, end.derived, end.signatures
