"""The floor that a run is measured against: an empty SimPy run, so that a figure means the same on every machine.

For each Stripe event seven chained timeouts that do nothing, spread over 64 chains; measured in the same process just before and just after the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from simpy import Environment

from billsim.core.measure import clock_ns

TIMEOUTS_PER_EVENT = 7
CHAINS = 64
# It is not known beforehand how many events a run makes, so the floor has a size of its own and is scaled.
SAMPLE_EVENTS = 20_000
_SECOND_NS = 1_000_000_000


class Figure(NamedTuple):
    """A run against its floor: seconds, and how many floors the run took."""

    floor_s: float
    run_s: float

    @property
    def ratio(self) -> float:
        return self.run_s / self.floor_s


def against_floor(run: Callable[[], int]) -> Figure:
    """Measure `run`, which returns how many Stripe events it made, against the mean of a floor before it and one after."""
    before_s = seconds(lambda: floor(SAMPLE_EVENTS))
    made: list[int] = []
    run_s = seconds(lambda: made.append(run()))
    after_s = seconds(lambda: floor(SAMPLE_EVENTS))
    return Figure((before_s + after_s) / 2 * made[0] / SAMPLE_EVENTS, run_s)


def floor(stripe_events: int) -> int:
    """An empty run for this many Stripe events. Returns how many timeouts fired."""
    environment = Environment()
    left = stripe_events * TIMEOUTS_PER_EVENT
    fired = 0

    def following(_: Any) -> None:
        nonlocal left, fired
        fired += 1
        if left:
            left -= 1
            environment.timeout(1).callbacks.append(following)

    for _ in range(min(CHAINS, left)):
        left -= 1
        environment.timeout(1).callbacks.append(following)
    environment.run()
    return fired


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, in seconds of the wall clock."""
    began = clock_ns()
    work()
    return (clock_ns() - began) / _SECOND_NS
