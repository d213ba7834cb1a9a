"""A run that is watched: what its mirrors had that never became drift, and what no engine could mend, are told apart from false alarms."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.grading.watching import Viewed, Watched, view, watch
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load, loads
from billsim.warehouse.dataform import shipped
from billsim.warehouse.grade import Mark
from billsim.warehouse.screening import Screen

# The mirror is taken at three, while the news of a payment is under way.
PAYS_AT_NIGHT = """
id = "x/pays_at_night"
start = 2026-03-14T00:00:00Z
until = 2026-03-14T12:00:00Z
calm_hours = 2
given = [ { account = "ada", card = "good", failed_attempts = 3 } ]
timeline = [ { at = 2026-03-14T02:59:59.800Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" } ]
[warehouse]
"""


@pytest.fixture(scope="module")
def screen() -> Screen:
    return Screen(shipped())


def graded(watched: Watched, screen: Screen) -> Viewed:
    screen.clear()
    return view(watched, screen)


def alarms(marks: dict[str, Mark]) -> int:
    return sum(mark.false_alarms for mark in marks.values())


def test_what_is_on_its_way_at_the_mirrors_instant_is_lag(screen: Screen) -> None:
    watched = watch(loads(PAYS_AT_NIGHT), seed=0, engine="recompute")
    assert watched.result.data["drift"]["opened"] == 0 and watched.snapshots[0].first_ms == watched.snapshots[0].last_ms
    taken_ms = watched.snapshots[0].first_ms
    assert watched.lags and all(lag.account == "ada" and lag.opened_ms <= taken_ms < lag.closed_ms for lag in watched.lags)
    marks = dict(graded(watched, screen).grade.by_code)
    assert marks["dunning_wrong"].data | {"in_lag": 1, "true": 0} == marks["dunning_wrong"].data
    assert alarms(marks) == 0 and sum(mark.in_lag for mark in marks.values()) == len(marks)
    assert alarms(dict(graded(watched._replace(lags=()), screen).grade.by_code)) == len(marks)  # nobody else could tell them from false alarms


@pytest.mark.parametrize("own", [True, False])
def test_nobody_notices_that_lags_are_listened_to(own: bool) -> None:
    story = loads(PAYS_AT_NIGHT) if own else replace(loads(PAYS_AT_NIGHT), warehouse=None)
    assert watch(story, seed=3, engine="legacy").result.data["digest"] == run_scenario(story, seed=3, engine="legacy").data["digest"]


def test_lags_that_no_mirror_had_are_not_kept() -> None:
    watched = watch(loads(PAYS_AT_NIGHT.replace("02:59:59.800Z", "02:50:00Z")), seed=0, engine="recompute")
    assert watched.result.data["lag_ms"]["max"] > 0 and watched.lags == ()


@pytest.mark.parametrize(("name", "whose"), [("accounts/merged", {"ada", "bob"}), ("accounts/no_stripe_customer", {"ada"})])
def test_who_is_merged_or_unknown_from_the_beginning_is_set_apart_by_truth_and_by_the_marks(name: str, whose: set[str], screen: Screen) -> None:
    watched = watch(load(find(name)), seed=0, engine="recompute")
    assert {account for account, code in watched.unhealable if code == "mapping_drift"} == whose
    assert watched.result.data["drift"]["unhealable"] == len(whose)
    marks = dict(graded(watched, screen).grade.by_code)
    assert (marks["mapping_drift"].unhealable, marks["mapping_drift"].false_alarms, marks["mapping_drift"].data["true"]) == (len(whose), 0, 0)
    assert alarms(marks) == 0


def test_who_is_merged_during_the_run_drifts_and_is_found(screen: Screen) -> None:
    story = """
id = "x/merged_since"
start = 2026-03-14T00:00:00Z
until = 2026-03-16T00:00:00Z
calm_hours = 2
given = [ { account = "ada" }, { account = "bob" } ]
timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "merge", account = "ada", into = "bob" } ]
"""
    watched = watch(loads(story), seed=0, engine="noop")
    mark = graded(watched, screen).grade.by_code["mapping_drift"]
    assert (len(mark.found), mark.unhealable, mark.false_alarms) == (2, 0, 0)


def test_of_a_platform_that_is_handed_over_the_nights_since_are_marked(screen: Screen) -> None:
    """bob is mended, by hand, before the handover of the second day: truth keeps nothing of it, and what was told of him then is no false alarm."""
    story = """
id = "x/before"
start = 2026-03-14T00:00:00Z
until = 2026-03-17T00:00:00Z
calm_hours = 2
given = [ { account = "bob", rows = { stripe_metadata = { bad_debt = "true" } } } ]
timeline = [ { at = 2026-03-14T10:00:00Z, by = "ninjapanel", do = "recompute", account = "bob" } ]
[before]
engine = "recompute"
days = 1
"""
    watched = watch(loads(story), seed=0, engine="recompute")
    assert watched.result.drift == [] and len(watched.snapshots) == 3
    assert not graded(watched, screen).grade.by_code
    assert alarms(dict(graded(watched._replace(scenario=replace(watched.scenario, before=None)), screen).grade.by_code)) == 2
