"""The one clock that measures billsim itself (`_us`, progress): read outside the world, and no part of any digest."""

from __future__ import annotations

from time import perf_counter_ns as clock_ns

__all__ = ["clock_ns"]
