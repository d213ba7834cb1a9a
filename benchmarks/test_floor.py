"""The floor, measured; and the ground floor's own hot paths."""

from __future__ import annotations

from itertools import count
from typing import Any

from billsim.core import latency
from billsim.core.choices import Seeded
from billsim.core.guard import guarded
from billsim.core.trace import MessageRecord, Trace
from billsim.engines import load_engine, modules_of
from billsim.floor import floor


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
    modules = modules_of("recompute", load_engine("recompute"))

    def enter() -> None:
        with guarded(modules):
            pass

    benchmark(enter)
