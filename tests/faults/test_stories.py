"""The told stories of faults do what they say under both engines, in every order and in their controls, whatever the seed."""

from __future__ import annotations

import pytest

from billsim.faults.catalogue import FAULTS
from billsim.run import run_orders
from billsim.scenario.toml_file import find, load, names

STORIES = sorted(name for name in names() if name.startswith("faults/"))
TOLD = {
    "stale_cache", "stale_replica", "cron_missed", "cron_overlap", "cron_twice",
    "missing_price", "merged_account", "missing_customer", "no_payment_method",
    "mirror_torn", "mirror_missing", "mirror_late",
}  # fmt: skip


def test_each_fault_has_a_story_of_its_own() -> None:
    assert {f"faults/{fault.name}" for fault in FAULTS} == set(STORIES)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_of_a_fault_is_of_that_fault(name: str) -> None:
    assert set(load(find(name)).faults) == {name.removeprefix("faults/")}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_of_a_fault_sets_it_and_pins_where_it_strikes(name: str) -> None:
    story, fault = load(find(name)), name.removeprefix("faults/")
    if fault in TOLD:
        assert set(story.faults) == {fault} and any(f"/fault/{fault}/" in label and answer == 1 for label, answer in story.answers.items())


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
@pytest.mark.parametrize("name", STORIES)
def test_it_holds_to_its_pins(name: str, engine: str) -> None:
    story = load(find(name))
    for seed in (0, 1, 2, 3, 5, 8):
        result = run_orders(story, seed=seed, engine=engine)
        assert result.as_expected is not False, (seed, [(d.account, d.code, d.cause) for _, run in result.orders for d in run.drift])
        assert result.as_expected is True or engine not in story.expect
        assert engine == "legacy" or result.verdict == "holds", seed
