"""The floor, measured; and the ground floor's own hot paths."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

import pytest

from benchmarks import floor as module
from benchmarks.floor import CHAINS, against_floor, floor
from billsim.core import latency
from billsim.core.choices import Seeded
from billsim.core.guard import guarded
from billsim.core.trace import MessageRecord, Trace


@pytest.mark.parametrize("stripe_events", [1, CHAINS, 1_000])
def test_the_floor_is_seven_timeouts_an_event(stripe_events: int) -> None:
    assert floor(stripe_events) == 7 * stripe_events


def test_nothing_fires_for_no_events() -> None:
    assert floor(0) == 0


def test_a_run_against_the_mean_of_the_floors_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 40.0, 50.0, 54.0])  # a floor of 2 s for 20,000 events, a run of 30 s, a floor of 4 s
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(module, "floor", lambda stripe_events: 0)
    figure = against_floor(lambda: 40_000)
    assert figure == (6.0, 30.0)
    assert figure.ratio == 5.0


def test_floor(benchmark: Any) -> None:
    """20,000 Stripe events' worth of nothing."""
    assert benchmark(floor, 20_000) == 140_000


def test_keyed_answer(benchmark: Any) -> None:
    """One question under a fresh label."""
    choices, labels = Seeded(1), count()
    benchmark(lambda: choices.when(f"w/pipe/in_ada_1.payment_failed.{next(labels)}/attempt1", latency.PUBSUB))


def test_trace_record(benchmark: Any) -> None:
    """One record into the trace, its digest included."""
    trace = Trace()
    record = MessageRecord("messages", 1_773_450_000_000, "delivered", "evt_in_ada_1.paid.1", "stripe.invoice.paid", "ada", 1)
    benchmark(trace.add, record)


def test_entering_the_guard(benchmark: Any) -> None:
    """What a small world pays for being guarded."""
    modules = sorted(name for name in sys.modules if name.startswith("billsim."))

    def enter() -> None:
        with guarded(modules):
            pass

    benchmark(enter)
