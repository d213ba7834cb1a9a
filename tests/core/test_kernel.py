"""Time moves in whole milliseconds, and what ties at one instant goes by rank."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.core.kernel import Kernel, Unwatched, Wake

MANY = 1_000_000


class Lookout:
    """A watcher with appointments, that notes what it sees and when."""

    def __init__(self, kernel: Kernel, *instants_ms: int) -> None:
        self.kernel = kernel
        self.instants_ms = list(instants_ms)
        self.seen: list[tuple[str, int]] = []

    @property
    def clock(self) -> Lookout:
        return self

    @property
    def next_clock_ms(self) -> int:
        return self.instants_ms[0] if self.instants_ms else 1 << 62

    def after_step(self) -> None:
        self.seen.append(("step", self.kernel.now))

    def strike(self, instant_ms: int) -> None:
        self.seen.append(("strike", instant_ms))
        assert self.instants_ms.pop(0) == instant_ms


def nothing(_: Any) -> None:
    """An event without effect."""


def run(kernel: Kernel, until_ms: int) -> bool:
    return kernel.run(until_ms, Unwatched(), MANY)


def test_goes_by_instant_then_rank_and_never_by_scheduling() -> None:
    kernel, fired = Kernel(0), []
    for at_ms, rank in [(20, 1), (10, 9), (10, 3), (20, 0)]:
        kernel.call_at(at_ms, rank, fired.append, (at_ms, rank))
    assert run(kernel, 20)
    assert fired == [(10, 3), (10, 9), (20, 0), (20, 1)]


@given(st.permutations([(10, 1), (10, 2), (11, 0), (11, 5), (13, 4)]))
def test_the_order_of_scheduling_does_not_show(plan: list[tuple[int, int]]) -> None:
    kernel, fired = Kernel(0), []
    for at_ms, rank in plan:
        kernel.call_at(at_ms, rank, fired.append, (at_ms, rank))
    run(kernel, 13)
    assert fired == sorted(plan)


def test_the_clock_stands_at_the_instant_of_what_fires() -> None:
    kernel, seen = Kernel(1_773_450_000_000), []
    kernel.call_at(1_773_450_000_250, 0, lambda _: seen.append(kernel.now))
    run(kernel, 1_773_450_000_250)
    assert seen == [1_773_450_000_250]
    assert type(kernel.now) is int


def test_an_instant_that_has_passed_means_now() -> None:
    kernel, seen = Kernel(100), []
    kernel.call_at(40, 0, lambda _: seen.append(kernel.now))
    run(kernel, 100)
    assert seen == [100]


def test_until_is_included_and_what_is_later_stays() -> None:
    kernel, fired = Kernel(0), []
    for at_ms in (10, 11):
        kernel.call_at(at_ms, 0, fired.append, at_ms)
    assert run(kernel, 10)
    assert fired == [10]
    assert kernel.next_at() == 11
    assert run(kernel, 11)
    assert fired == [10, 11]
    assert kernel.next_at() is None


def test_most_bounds_a_run() -> None:
    kernel, fired = Kernel(0), []
    for at_ms in range(5):
        kernel.call_at(at_ms, 0, fired.append, at_ms)
    assert not kernel.run(10, Unwatched(), 3)
    assert fired == [0, 1, 2] and kernel.events == 3
    assert kernel.run(10, Unwatched(), 3)
    assert kernel.events == 5


def test_the_watcher_looks_after_each_step() -> None:
    kernel = Kernel(0)
    for at_ms in (1, 2, 2):
        kernel.call_at(at_ms, 0, nothing)
    lookout = Lookout(kernel)
    kernel.run(2, lookout, MANY)
    assert lookout.seen == [("step", 1), ("step", 2), ("step", 2)]


def test_an_appointment_strikes_between_events_and_after_those_of_its_own_instant() -> None:
    kernel = Kernel(0)
    for at_ms in (10, 20, 30):
        kernel.call_at(at_ms, 0, nothing)
    lookout = Lookout(kernel, 5, 20, 25, 26, 40)
    assert kernel.run(30, lookout, MANY)
    assert lookout.seen == [("strike", 5), ("step", 10), ("step", 20), ("strike", 20), ("strike", 25), ("strike", 26), ("step", 30)]
    assert kernel.events == 3  # looking is no event


def test_an_appointment_at_the_end_of_a_run_is_kept_and_a_later_one_waits() -> None:
    kernel = Kernel(0)
    lookout = Lookout(kernel, 30, 31)
    assert kernel.run(30, lookout, MANY)
    assert lookout.seen == [("strike", 30)]


def test_what_fires_may_schedule_for_the_same_instant() -> None:
    kernel, fired = Kernel(0), []

    def first(_: Any) -> None:
        fired.append("first")
        kernel.call_at(kernel.now, 0, fired.append, "second")

    kernel.call_at(5, 7, first)
    run(kernel, 5)
    assert fired == ["first", "second"] and kernel.now == 5


def test_a_cancelled_call_does_nothing() -> None:
    kernel, fired = Kernel(0), []
    call = kernel.call_at(5, 0, fired.append, "never")
    call.cancelled = True
    run(kernel, 5)
    assert fired == []


def test_one_wake_serves_again_and_again() -> None:
    class Beat(Wake):
        left = 3

        def fire(self) -> None:
            beats.append(kernel.now)
            self.left -= 1
            if self.left:
                kernel.after(10, 0, self)

    kernel, beats = Kernel(0), []
    kernel.after(10, 0, Beat())
    run(kernel, 100)
    assert beats == [10, 20, 30]


def test_what_fails_stops_the_run_and_the_rest_can_go_on() -> None:
    def fail(_: Any) -> None:
        raise KeyError("the world fell")

    kernel, fired = Kernel(0), []
    kernel.call_at(1, 0, fail)
    kernel.call_at(2, 0, fired.append, 2)
    with pytest.raises(KeyError):
        run(kernel, 2)
    assert run(kernel, 2)
    assert fired == [2]


def test_move_to() -> None:
    kernel = Kernel(100)
    kernel.move_to(500)
    assert kernel.now == 500
    kernel.move_to(300)
    assert kernel.now == 500
    kernel.call_at(600, 0, nothing)
    kernel.move_to(600)
    assert kernel.now == 600
    with pytest.raises(RuntimeError, match="still due"):
        kernel.move_to(601)
