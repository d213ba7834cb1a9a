"""Hypothesis strategies: worlds on Hypothesis' own choice sequence."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import find as smallest
from hypothesis import strategies as st

from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.rules import check
from billsim.scenario.toml_file import dump, find, load, loads, unplaced
from billsim.strategies import Played, stories, worlds

QUICKLY = settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@QUICKLY
@given(stories())
def test_every_story_is_one_that_a_file_could_hold(story: Scenario) -> None:
    check(story)
    assert unplaced(loads(dump(story))) == unplaced(story)
    assert story.tales is None and 1 <= len(story.given) <= 3 and len(story.timeline) <= 12


def test_stories_differ_in_everything_and_have_some_kinds_of_fault() -> None:
    rows, accounts, faults = set(), set(), set()

    @QUICKLY
    @given(stories())
    def look(story: Scenario) -> None:
        rows.update(row.do for row in story.timeline)
        accounts.add(len(story.given))
        faults.add(tuple(story.faults))

    look()
    assert len(rows) == 14 and accounts == {1, 2, 3} and len(faults) > 50


def test_the_plainest_story_is_one_account_to_which_nothing_happens() -> None:
    story = smallest(stories(), lambda story: True)
    assert [account.account for account in story.given] == ["ada"] and story.timeline == () and story.faults == {}


@pytest.mark.parametrize("do", ["void", "hold", "subscribe"])
def test_what_decides_is_found_and_all_else_shrinks_away(do: str) -> None:
    found = smallest(stories(), lambda story: any(row.do == do for row in story.timeline), settings=settings(QUICKLY, max_examples=2000))
    assert [row.do for row in found.timeline] in ([do], [do, "release"]) and len(found.given) == 1 and found.faults == {}


def test_a_world_is_repeated_by_its_story_its_seed_and_its_pins() -> None:
    deviating = 0

    @settings(QUICKLY, max_examples=40, phases=[Phase.generate])
    @given(worlds())
    def play(world: Played) -> None:
        nonlocal deviating
        run = world.run("legacy")
        assert run.data["digest"] == world.run("legacy").data["digest"]
        again = Played(world.pinned("legacy"), world.seed).run("legacy")
        assert again.verdict == run.verdict
        assert [(drift.account, drift.code) for drift in again.drift] == [(drift.account, drift.code) for drift in run.drift]
        deviating += bool(world.pinned("legacy").answers)

    play()
    assert deviating > 10


def test_recompute_holds_in_every_world() -> None:
    @settings(QUICKLY, max_examples=200, phases=[Phase.generate])
    @given(worlds())
    def play(world: Played) -> None:
        assert world.run().verdict == "holds"

    play()


def test_a_told_story_is_itself_and_in_a_world_of_it_chance_and_order_differ() -> None:
    story = load(find("dunning/grace_runs_out"))
    assert smallest(stories(story), lambda told: True) == story == smallest(stories("dunning/grace_runs_out"), lambda told: True)
    assert smallest(worlds(story), lambda world: world.seed > 7).seed == 8
    assert smallest(worlds(story), lambda world: len(world.deviations) == 1).deviations == ((0, 1),)
    with pytest.raises(AssertionError):
        given(worlds(story, orders=False))(settings(QUICKLY)(_no_seed))()


def _no_seed(world: Played) -> None:
    assert world.deviations == ()
    assert world.seed == 0


def test_a_scenario_that_there_is_not() -> None:
    with pytest.raises(InputError, match="did you mean 'fuzz/tales'"):
        stories("fuzz/tale")


def test_how_a_failing_example_shows_itself() -> None:
    world = Played(load(find("dunning/grace_runs_out")), 7, ((3, 1),))
    assert str(world) == "<dunning/grace_runs_out: 1 accounts, 1 rows, seed 7, 1 deviations>"
    assert isinstance(worlds(), st.SearchStrategy)
