"""The floor: an empty run of a known size, and a run measured against the mean of two of them."""

from __future__ import annotations

import pytest

from billsim import floor as module
from billsim.floor import CHAINS, against_floor, floor


@pytest.mark.parametrize("stripe_events", [1, CHAINS, 1_000])
def test_the_floor_is_seven_timeouts_an_event(stripe_events: int) -> None:
    assert floor(stripe_events) == 7 * stripe_events


def test_nothing_fires_for_no_events() -> None:
    assert floor(0) == 0


def test_a_run_against_the_mean_of_the_floors_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 2, 10, 40, 50, 54])  # a floor of 2 s for 20,000 events, a run of 30 s, a floor of 4 s
    monkeypatch.setattr(module, "clock_ns", lambda: next(clock) * 1_000_000_000)
    monkeypatch.setattr(module, "floor", lambda stripe_events: 0)
    figure = against_floor(lambda: 40_000)
    assert figure == (6.0, 30.0)
    assert figure.ratio == 5.0
