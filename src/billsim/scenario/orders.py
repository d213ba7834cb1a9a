"""Orders of a story: rows with one `at` race, and each permutation of them is one order. And its race-free control.

An order is a set of answers to the question that each racing row asks, how long after `at` it acts, so that a run, a replay and a shrinker need
nothing more than the table of answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, permutations, product
from math import factorial, prod

from msgspec.structs import replace

from billsim.core.time import MINUTE_MS
from billsim.scenario.plan import Control, Scenario, TimelineRow

MOST_ORDERS = 5040
MOST_GAP_MS = 60_000


class TooManyOrdersError(Exception):
    """A story has more orders than may be tried; a sample of them would prove nothing."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"the story has {self.count} orders, at most {MOST_ORDERS} are tried"


def racing_groups(timeline: Sequence[TimelineRow]) -> tuple[tuple[int, ...], ...]:
    """The indexes of the rows that race: those that share their instant with another."""
    by_instant = groupby(range(len(timeline)), key=lambda index: timeline[index].at)
    return tuple(rows for _, group in by_instant if len(rows := tuple(group)) > 1)


def open_groups(scenario: Scenario) -> tuple[tuple[int, ...], ...]:
    """The groups of racing rows whose order the story leaves open: it pins the answer of none of them."""
    return tuple(rows for rows in racing_groups(scenario.timeline) if not any(offset_label(index) in scenario.answers for index in rows))


def count_orders(scenario: Scenario) -> int:
    """How many orders the story has; 1 when nothing races."""
    return prod(factorial(len(rows)) for rows in open_groups(scenario))


def orders(scenario: Scenario) -> Iterator[dict[str, int]]:
    """The answers, by label, that bring about each order; the first is the order of the file.

    Raises TooManyOrdersError when there are more than `MOST_ORDERS`.
    """
    count = count_orders(scenario)
    if count > MOST_ORDERS:
        raise TooManyOrdersError(count)
    groups = [[_answers(scenario, rows, order) for order in permutations(rows)] for rows in open_groups(scenario)]
    for chosen in product(*groups):
        yield {label: answer for answers in chosen for label, answer in answers.items()}


def offset_label(index: int) -> str:
    """The label of the question how many milliseconds after its `at` a row of the timeline acts."""
    return f"w/story/row{index}/offset"


def _answers(scenario: Scenario, rows: tuple[int, ...], order: tuple[int, ...]) -> dict[str, int]:
    gap = _gap(scenario, rows)
    return {offset_label(index): place * gap for place, index in enumerate(order)}


def _gap(scenario: Scenario, rows: tuple[int, ...]) -> int:
    """How far apart racing rows are set, in milliseconds: all of them before the row that follows."""
    at = scenario.timeline[rows[0]].at
    after = scenario.timeline[rows[-1] + 1].at if rows[-1] + 1 < len(scenario.timeline) else scenario.until
    return max(1, min(MOST_GAP_MS, (after - at) // (len(rows) + 1)))


def control(scenario: Scenario, told: Control) -> Scenario:
    """The story without its race: without some actions or given invoices, and with its rows at least so many minutes apart.

    What it pins is its race, or its fault: the control answers that like any other question. It ends as long after its last row as it did.
    """
    rows: list[TimelineRow] = []
    for row in scenario.timeline:
        if row.do in told.without:
            continue
        earliest = rows[-1].at + told.apart_minutes * MINUTE_MS if rows else row.at
        rows.append(replace(row, at=max(row.at, earliest)))
    later = rows[-1].at - scenario.timeline[-1].at if rows else 0
    given = tuple(
        replace(account, invoices=tuple(invoice for invoice in account.invoices if invoice.invoice not in told.without_invoices))
        for account in scenario.given
    )
    return replace(scenario, given=given, timeline=tuple(rows), answers={}, until=scenario.until + max(0, later))
