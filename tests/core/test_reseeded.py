"""Answers from one seed up to an instant, and from another after it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from billsim.core.choices import AskedTwiceError, Quantiles, Reseeded, Seeded

LATENCY = Quantiles("latency", (0, 1_000_000))
START, TURN = 1_000, 5_000


def at(now: int, **more: object) -> tuple[Reseeded, SimpleNamespace]:
    given = {"pinned": {}, "overrides": {}, **more}
    choices, clock = Reseeded(1, 2, TURN, START, **given), SimpleNamespace(now=now)  # type: ignore[arg-type]
    choices.clock = clock
    return choices, clock


def of(seed: int, label: str) -> int:
    return Seeded(seed).ask(label, LATENCY)


def test_the_instant_itself_is_still_the_first_seeds() -> None:
    choices, clock = at(TURN)
    assert choices.ask("w/a", LATENCY) == of(1, "w/a") != of(2, "w/a")
    assert choices.rank("w/r") == Seeded(1).rank("w/r")
    clock.now = TURN + 1
    assert choices.ask("w/b", LATENCY) == of(2, "w/b") != of(1, "w/b")
    assert choices.rank("w/r") == Seeded(2).rank("w/r")


def test_before_anything_has_begun_it_is_the_start() -> None:
    assert Reseeded(1, 2, START, START, pinned={}, overrides={}).ask("w/a", LATENCY) == of(1, "w/a")
    assert Reseeded(1, 2, START - 1, START, pinned={}, overrides={}).ask("w/a", LATENCY) == of(2, "w/a")


def test_a_fact_that_was_told_stays_and_a_new_one_is_the_other_seeds() -> None:
    choices, clock = at(START)
    told = choices.fact("w/fact/a", LATENCY)
    clock.now = TURN + 1
    assert choices.fact("w/fact/a", LATENCY) == told == Seeded(1).fact("w/fact/a", LATENCY)
    assert choices.fact("w/fact/b", LATENCY) == Seeded(2).fact("w/fact/b", LATENCY)


def test_what_is_pinned_holds_as_long_as_the_seed_and_an_override_always() -> None:
    choices, clock = at(START, pinned={"w/a": 7, "w/b": 8, "w/c": 9}, overrides={"w/c": 10, "w/d": 11})
    assert (choices.ask("w/a", LATENCY), choices.ask("w/c", LATENCY)) == (7, 10)
    clock.now = TURN + 1
    assert (choices.ask("w/b", LATENCY), choices.ask("w/d", LATENCY)) == (of(2, "w/b"), 11)


def test_what_is_asked_ahead_is_the_other_seeds_without_its_pin() -> None:
    choices, _ = at(START, pinned={"w/row1": 7}, ahead=["w/row1"])
    assert (choices.ask("w/row1", LATENCY), choices.ask("w/row2", LATENCY)) == (of(2, "w/row1"), of(1, "w/row2"))


def test_the_tape_holds_everything_and_kept_is_where_the_other_seed_begins() -> None:
    choices, clock = at(START, ahead=["w/row"])
    choices.ask("w/row", LATENCY)
    choices.fact("w/fact", LATENCY)
    choices.fact("w/fact", LATENCY)
    choices.ask("w/a", LATENCY)
    clock.now = TURN + 1
    choices.ask("w/b", LATENCY)
    assert [label for label, _ in choices.asked] == ["w/row", "w/fact", "w/a", "w/b"]
    assert choices.kept == 3


def test_an_event_is_still_asked_once() -> None:
    choices, _ = at(START)
    choices.ask("w/a", LATENCY)
    with pytest.raises(AskedTwiceError):
        choices.ask("w/a", LATENCY)
