"""A world that is taken back is the world that it was: nothing that changes is forgotten."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

import pytest

from billsim.explore.orders import Known, Search, path_of
from billsim.explore.rewind import Rewinder, Tape, conversation, taped
from billsim.explore.stage import Story
from billsim.ports import Message, Read, Steps
from billsim.scenario.toml_file import find, load


class Thing:
    def __init__(self) -> None:
        self.number = 1
        self.names = ["a"]
        self.rows = {"a": [1]}
        self.known = {1, 2}
        self.order = deque([1])


class Slotted:
    __slots__ = ("number", "things")

    def __init__(self) -> None:
        self.number = 1
        self.things = [Thing()]


def test_everything_reached_is_put_back_into_the_same_objects() -> None:
    thing = Slotted()
    inner, rows = thing.things[0], thing.things[0].rows
    rewinder = Rewinder([thing])
    moment = rewinder.save()
    thing.number = 2
    thing.things.append(Thing())
    inner.number, inner.names = 2, []
    rows["a"].append(2)
    rows["b"] = []
    inner.known.clear()
    inner.order.append(2)
    inner.later = 1  # type: ignore[attr-defined]
    rewinder.rewind(moment)
    assert (thing.number, thing.things, inner.number, inner.names) == (1, [inner], 1, ["a"])
    assert inner.rows is rows
    assert (rows, inner.known, inner.order) == ({"a": [1]}, {1, 2}, deque([1]))
    assert not hasattr(inner, "later")


def test_what_functions_hold_is_put_back() -> None:
    count, held = 0, [1]

    def counting(thing: list[int]) -> int:
        nonlocal count
        count += 1
        thing.append(count)
        return count

    bound = partial(counting, held)
    rewinder = Rewinder([bound])
    moment = rewinder.save()
    assert (bound(), bound()) == (1, 2)
    rewinder.rewind(moment)
    assert (bound(), held) == (1, [1, 1])


def counts(message: Message) -> Steps:
    total = 0
    while True:
        total += yield Read("subs_dunning", f"{message.account}{total}")


def tape() -> Tape:
    return taped(counts, lambda _tape, _effect: None)(Message("m", "e", "request.recompute", "ada", 0))  # type: ignore[return-value]


def test_a_handler_goes_on_from_where_it_was() -> None:
    work = tape()
    rewinder = Rewinder([work])
    asked = [work.send(None), work.send(2)]
    moment = rewinder.save()
    assert work.send(30).account == "ada32"
    rewinder.rewind(moment)
    assert [said.answer for said in conversation(work.said)] == [None, 2]
    assert work.asked is asked[1]
    assert work.send(5).account == "ada7"


def test_a_moment_survives_another_way_on() -> None:
    """Two ways from one moment: the second must not leave its answers in the first."""
    work = tape()
    rewinder = Rewinder([work])
    work.send(None)
    fork = rewinder.save()
    work.send(1)
    one = rewinder.save()
    rewinder.rewind(fork)
    work.send(50)
    work.send(50)
    rewinder.rewind(one)
    assert work.send(2).account == "ada3"


def test_a_refusal_is_thrown_again() -> None:
    def forgives(message: Message) -> Steps:
        try:
            yield Read("subs_dunning", message.account)
        except ValueError:
            yield Read("subs_dunning", "forgiven")
        yield Read("subs_dunning", "after")

    work: Any = taped(forgives, lambda _tape, _effect: None)(Message("m", "e", "request.recompute", "ada", 0))
    rewinder = Rewinder([work])
    work.send(None)
    assert work.throw(ValueError("no")).account == "forgiven"
    moment = rewinder.save()
    work.send(None)
    rewinder.rewind(moment)
    assert work.send(None).account == "after"


class Twin(Search):
    """Plays each way that it comes along once more from the beginning, in a second world: both must be one state, with one set of options."""

    def __init__(self, story: Story, second: Story, **how: Any) -> None:
        super().__init__(story, **how)
        self._first, self._second, self.compared = story, second, 0

    def meet(self, place: Any, options: Any) -> int:
        if len(options) == 1:
            return super().meet(place, options)
        looking = Looking(self._second)
        with pytest.raises(Known):
            self._second.begin(looking, path_of(place.way))
        assert looking.seen == (self._first.name(), [option.name for option in options])
        self.compared += 1
        return super().meet(place, options)


class Looking(Search):
    """Looks at the first state that it meets, and stops."""

    seen: tuple[str, list[str]]

    def meet(self, place: Any, options: Any) -> int:
        if len(options) == 1:
            return 0
        self.seen = self._stage.name(), [option.name for option in options]
        raise Known


REMEMBERING = [f"mutant:{name}" for name in ("gather_cached", "filter_remembers_early", "async_at_most_once", "older_events_dropped")]


@pytest.mark.parametrize("engine", ["recompute", "legacy", *REMEMBERING])
@pytest.mark.parametrize("name", ["dunning/pay_bad_debt_vs_webhook", "races/written_off_then_paid", "dunning/crash_between_writes"])
def test_a_state_is_the_same_by_rewinding_and_from_the_beginning(name: str, engine: str) -> None:
    scenario = load(find(name))
    with Story(scenario, engine).open() as story, Story(scenario, engine).open() as second:
        search = Twin(story, second, most_runs=40)
        search.run()
    assert search.compared > 30


