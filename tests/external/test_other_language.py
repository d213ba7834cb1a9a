"""The worked example in another language: a whole brain in JavaScript, in the stories that are told and in a population."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from billsim.core.platform import Platform
from billsim.core.time import DAY_MS
from billsim.run import run_orders, run_scenario
from billsim.scenario.toml_file import find, load, names

BRAIN = f"cmd:node '{Path(__file__).resolve().parents[2] / 'examples' / 'other_language' / 'brain.mjs'}'"
STORIES = sorted(name for name in names() if name.startswith("dunning/"))


@pytest.fixture(autouse=True)
def node() -> None:
    if shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node (Node.js 18 or newer) is missing, and in CI this test must run")
        pytest.skip("node (Node.js 18 or newer) is not installed")


@pytest.mark.parametrize("story", STORIES)
def test_it_holds_in_every_order_of_a_story(story: str) -> None:
    orders = run_orders(load(find(story)), engine=BRAIN)
    assert orders.verdict == "holds", [(drift.account, drift.code) for _, run in orders.orders for drift in run.drift]


def test_it_decides_as_recompute_does_for_a_population_over_a_month() -> None:
    """Same decisions, same effects, same trace: what it is written in leaves no mark."""
    scenario = load(find("load/small"))
    theirs, ours = run_scenario(scenario, engine=BRAIN), run_scenario(scenario, engine="recompute")
    assert theirs.verdict == "holds" and theirs.data["digest"] == ours.data["digest"]


def test_it_is_told_the_policy() -> None:
    platform = Platform(policy={"grace_ms": {"default": 2 * DAY_MS}, "bad_debt_flag": 1 << 20, "bad_debt_key": "written_off"})
    orders = run_orders(load(find("dunning/grace_runs_out")), engine=BRAIN, platform=platform)
    assert orders.verdict == "holds"
