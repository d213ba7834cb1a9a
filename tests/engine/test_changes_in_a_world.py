"""Subscriptions that keep changing, in a whole world: OPE, Stripe, plans and zones agree in the end, whatever raced, died or came twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from billsim.run import run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import load

# The customers change for six days of 40, so that every delayed change has its day, and what was not paid has lapsed.
STORY = """
id = "changes/many"
rule = "What was bought is what is billed, and what may be used."
from = "hand"
start = 2026-03-10T00:00:00Z
until = 2026-04-20T00:00:00Z
given = [
  { account = "ada", plan = "pro_monthly", price = 2000 },
  { account = "bob", plan = "pro_monthly", price = 2000, card = "declines" },
  { account = "cyd", plan = "pro_monthly", price = 2000 },
  { account = "dee", plan = "pro_monthly", price = 2000, instrument = "sepa_debit" },
]
timeline = [{ at = 2026-03-14T01:00:00Z, by = "support", do = "recompute", account = "ada" }]
"""
FAULTS = """
[faults]
late         = { ppm = 20000 }
duplicate    = { ppm = 30000 }
lost         = { ppm = 20000 }
redelivery   = { ppm = 20000 }
out_of_order = { ppm = 20000 }
crash        = { ppm = 200000 }
slow_handler = { ppm = 60000 }
"""


@pytest.fixture(params=["", FAULTS], ids=["fair weather", "faults"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    path = tmp_path / "many.toml"
    path.write_text(STORY + request.param)
    return load(path)


@pytest.mark.parametrize("seed", range(8))
def test_in_the_end_everything_agrees(story: Scenario, seed: int) -> None:
    run = run_scenario(story, seed=seed, engine="tests.engine.changing:engine")
    assert (run.verdict, [drift for drift in run.drift if drift.closed_ms is None], run.data["findings"]) == ("holds", [], [])
