"""The state machine that campaigns are compared with is no straw man: it meets what is easily met, and takes nothing right for wrong."""

from __future__ import annotations

from benchmarks.state_machine import by_machine


def test_it_meets_an_easy_fault_and_finds_none_in_recompute() -> None:
    assert by_machine("mutant:grace_a_day_short", 60, 0).found
    right = by_machine("recompute", 5, 0)
    assert not right.found and right.runs > 20
