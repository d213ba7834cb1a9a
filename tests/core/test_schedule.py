"""A schedule: which of the things that race goes first, told as latencies that make the same order without it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from billsim.core.kernel import Kernel, Unwatched, Wake
from billsim.core.schedule import Schedule
from billsim.explore.strategies import STRATEGIES
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load

TALES = load(find("fuzz/tales"))


class Last(Schedule):
    """Whatever may, goes last in, first out."""

    def first(self, waiting: Sequence[Wake]) -> int:
        return len(waiting) - 1


def play(schedule: Schedule, *things: tuple[str, int, int]) -> list[tuple[str, int]]:
    """(name, instant) of what happened, of (name, due, how much of that was open); a name in capitals has no label."""
    kernel, seen = Kernel(0, schedule), list[tuple[str, int]]()
    for rank, (name, due, open_ms) in enumerate(things):
        label = "" if name.isupper() else f"w/{name}"
        kernel.call_at(due, rank, lambda name: seen.append((name, kernel.now)), name, label=label, open_ms=open_ms)
    kernel.run(10_000, Unwatched(), 100)
    return seen


def test_without_a_choice_of_its_own_everything_happens_when_it_is_due() -> None:
    things = (("a", 10, 10), ("b", 10, 5), ("FIX", 10, 0), ("c", 12, 12))
    schedule = Schedule()
    assert play(schedule, *things) == [("a", 10), ("b", 10), ("FIX", 10), ("c", 12)]
    assert not schedule.answers and not schedule.picks


def test_what_overtakes_is_early_and_what_is_overtaken_is_late() -> None:
    schedule = Last()
    assert play(schedule, ("a", 10, 10), ("b", 30, 25), ("c", 60, 5)) == [("c", 55), ("b", 56), ("a", 57)]
    assert schedule.answers == {"w/c": 0, "w/b": 51, "w/a": 57}
    assert [(pick.label, pick.before) for pick in schedule.picks] == [("w/c", "w/a"), ("w/b", "w/a")]


def test_what_has_no_latency_is_never_late_and_what_goes_before_it_is_early_enough() -> None:
    schedule = Last()
    assert play(schedule, ("FIX", 10, 0), ("a", 30, 25), ("b", 40, 10)) == [("a", 9), ("FIX", 10), ("b", 40)]
    assert schedule.answers == {"w/a": 4}
    assert play(Last(), ("ONE", 10, 0), ("TWO", 11, 0), ("a", 11, 0)) == [("ONE", 10), ("TWO", 11), ("a", 11)]


def test_two_instants_that_are_fixed_keep_their_order() -> None:
    assert play(Last(), ("ONE", 10, 0), ("TWO", 10, 0)) == [("ONE", 10), ("TWO", 10)]


@pytest.mark.parametrize("engine", ["legacy", "recompute"])
@pytest.mark.parametrize("strategy", ["random", "few", "pct3"])
def test_the_answers_of_a_schedule_repeat_its_order_without_it(strategy: str, engine: str) -> None:
    """The same trace, to the byte."""
    moved = 0
    for seed in range(12):
        schedule = STRATEGIES[strategy](seed)
        assert schedule is not None
        played = run_scenario(TALES, seed=seed, engine=engine, schedule=schedule, bodies=False)
        again = run_scenario(TALES, seed=seed, engine=engine, overrides=schedule.answers, bodies=False)
        assert again.data["digest"] == played.data["digest"], seed
        moved += bool(schedule.answers)
    assert moved


def test_first_in_first_out_changes_no_world() -> None:
    for seed in range(12):
        schedule = Schedule()
        played = run_scenario(TALES, seed=seed, engine="legacy", schedule=schedule, bodies=False)
        assert played.data["digest"] == run_scenario(TALES, seed=seed, engine="legacy", bodies=False).data["digest"]
        assert not schedule.answers
