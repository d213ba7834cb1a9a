"""Tales of the whole platform: what callers do, by every door, under every fault."""

from __future__ import annotations

import pytest

from billsim.faults.catalogue import CATALOGUE
from billsim.run import run_scenario
from billsim.scenario.actions import filled
from billsim.scenario.plan import Scenario, Tales
from billsim.scenario.rules import check
from billsim.scenario.tale_calls import CALLS
from billsim.scenario.tale_rows import ACTIONS
from billsim.scenario.tales import told
from billsim.scenario.toml_file import dump, find, load, loads, unplaced
from billsim.scenario.touchpoints import CALLERS


@pytest.fixture(scope="module")
def tales() -> Scenario:
    return load(find("fuzz/whole"))


@pytest.fixture(scope="module")
def stories(tales: Scenario) -> list[Scenario]:
    return [told(tales, seed) for seed in range(400)]


def test_each_action_of_a_tale_has_a_weight_of_its_own() -> None:
    assert {*ACTIONS, *CALLS} == set(Tales().actions) and not {*ACTIONS} & {*CALLS}


def test_every_story_is_a_scenario_that_a_file_could_hold(stories: list[Scenario]) -> None:
    for story in stories:
        check(story)
        assert unplaced(loads(dump(story))) == unplaced(story)


def test_every_caller_does_everything(stories: list[Scenario]) -> None:
    rows = [row for story in stories for row in story.timeline]
    seen = {(row.do, value) for row in rows for value in filled(row).values() if isinstance(value, str | int)}
    assert {row.by for row in rows} >= {*CALLERS, "bank", "support", "pipe", "stripe"} - {"dashboard"}
    for do, values in {
        "change": ("upgrade", "downgrade", "quantity", "cancel", "create", "now", "period_end", "year", "month"),
        "change_plan": ("now", "period_end", "year", 3),
        "cancel": ("now", "period_end"),
        "dispute": ("won", "lost"),
        "clear_flag": ("bad_debt", "no_successful_payment"),
        "update_profile": ("name", "email", "country", "marketing_opt_in", "email_verified"),
        "attach_card": ("card", "paypal", "sepa_debit", "good", "declines", "lost"),
    }.items():
        assert {(do, value) for value in values} <= seen, do
    assert {row.do for row in rows} >= {"credit", "refund", "remove_card", "retry", "checkout", "sell", "call"}
    assert len({row.params["operation"] for row in rows if row.do == "call"}) > 40


def test_every_fault_is_on(tales: Scenario) -> None:
    """But for an outage of the ingress, which outlasts most stories, and what befalls mirrors."""
    assert set(tales.faults) == {name for name in CATALOGUE if not name.startswith("mirror_")} - {"ingress_outage"}


@pytest.mark.parametrize("block", range(0, 2000, 500))
def test_recompute_holds_whatever_is_told(tales: Scenario, block: int) -> None:
    fallen = [seed for seed in range(block, block + 100) if run_scenario(tales, seed=seed, bodies=False).verdict != "holds"]
    assert fallen == []


def test_legacy_falls_often(tales: Scenario) -> None:
    fallen = [seed for seed in range(40) if run_scenario(tales, seed=seed, engine="legacy", bodies=False).verdict == "falls"]
    assert len(fallen) > 15
