"""Stories of failures: shrunk, written, and falling again; somebody's own file is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import billsim.explore.shrink
from billsim.explore.campaign import Campaign
from billsim.explore.found import Wanted, story_of
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load

FLAGS = "drift/no_successful_payment_stuck/lost_update/subs_account.flags"
NAME = "drift-no_successful_payment_stuck-lost_update-subs_account-flags.toml"
CAMPAIGN = Campaign((load(find("dunning/pay_bad_debt_vs_webhook")),), engine="legacy")


def wanted(folder: Path, *, own: bool = True, seconds: float = 5.0, signature: str = FLAGS) -> Wanted:
    return Wanted(CAMPAIGN.run(1), signature, folder, own, seconds)


def test_a_failure_becomes_a_file_that_falls(tmp_path: Path) -> None:
    story = story_of(CAMPAIGN, wanted(tmp_path / "found"))
    assert story.file == tmp_path / "found" / NAME and story.replays and story.runs > 0
    scenario = load(story.file)
    assert (story.rows, scenario.from_) == (len(scenario.timeline), f"fuzz seed={CAMPAIGN.run(1).seed} engine=legacy")
    assert run_scenario(scenario, seed=story.seed, engine="legacy").verdict == "falls"
    assert run_scenario(scenario, seed=story.seed, engine="recompute").verdict == "holds"


def test_a_story_that_was_made_before_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = story_of(CAMPAIGN, wanted(tmp_path))
    monkeypatch.setattr(billsim.explore.shrink, "shrink", None)
    assert story_of(CAMPAIGN, wanted(tmp_path)) == made._replace(runs=0, seconds=0.0, exhausted=False)


def test_a_file_of_somebodys_own_is_left_alone(tmp_path: Path) -> None:
    story_of(CAMPAIGN, wanted(tmp_path, own=False))
    assert story_of(CAMPAIGN, wanted(tmp_path, own=False)).file == tmp_path / NAME
    mine = (tmp_path / NAME).read_text(encoding="utf-8").replace('"fuzz seed=1 engine=legacy"', '"hand"')
    (tmp_path / NAME).write_text(mine, encoding="utf-8")
    assert story_of(CAMPAIGN, wanted(tmp_path, own=False)).file == tmp_path / NAME.replace(".toml", "-2.toml")
    assert (tmp_path / NAME).read_text(encoding="utf-8") == mine


def test_without_time_to_shrink_the_run_is_played_again(tmp_path: Path) -> None:
    story = story_of(CAMPAIGN, wanted(tmp_path, seconds=0))
    assert (story.file, story.rows, story.replays, list(tmp_path.iterdir())) == (None, None, True, [])
    assert not story_of(CAMPAIGN, wanted(tmp_path, signature="drift/ledger_drift/data/given")).replays


def test_what_cannot_be_shrunk_is_told_with_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise LookupError("no such row")

    monkeypatch.setattr(billsim.explore.shrink, "shrink", fails)
    story = story_of(CAMPAIGN, wanted(tmp_path))
    assert (story.file, story.replays, story.why_not) == (None, True, "LookupError: no such row")
