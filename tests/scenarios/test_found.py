"""The bug base: a story for each real fault that was found by telling thousands of them. All hold now."""

from __future__ import annotations

import pytest

from billsim.run import run_orders
from billsim.scenario.toml_file import find, load, names

FOUND = [name for name in names() if name.startswith("found/")]


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    story = load(find(name))
    assert story.expect["recompute"].every_order is not None and story.from_ != "hand"
    for seed in range(4):
        orders = run_orders(story, seed=seed, engine="recompute")
        assert (orders.verdict, orders.as_expected) == ("holds", True), seed


def test_there_is_a_bug_base() -> None:
    assert len(FOUND) >= 5
