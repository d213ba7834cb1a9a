"""What a story that was found says of itself."""

from __future__ import annotations

import pytest

from billsim.explore.wording import pinned, rule_of, titled
from billsim.run import run_orders
from billsim.scenario.plan import Expect, ExpectedDrift, Judge, Outcome
from billsim.scenario.rules import check
from billsim.scenario.toml_file import find, load
from billsim.scenario.vocabulary import CAUSES, CODES

STORY = load(find("dunning/void_after_bad_debt"))


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_rule_of_its_own(code: str) -> None:
    rules = [rule_of(f"drift/{code}/{cause}/clock") for cause in CAUSES]
    assert len(set(rules)) == len(CAUSES)
    assert all(rule.endswith(".") and "_" not in rule and "does not happen" not in rule for rule in rules)


def test_a_finding_has_the_rule_of_its_check() -> None:
    assert rule_of("finding/foreign_bits/dunning_brain/subs_account") == "An engine leaves alone the flags that are not its own."
    assert rule_of("finding/never_heard_of/x/y") == "Never heard of does not happen."


def test_a_title_is_a_valid_scenario_whatever_the_signature() -> None:
    story = titled(STORY, "drift/bad_debt_stuck/lost_update/stripe.invoice.metadata", "fuzz seed=1 engine=legacy")
    check(story)
    assert (story.id, story.source, story.expect, story.judge) == ("found/drift-bad_debt_stuck-lost_update-stripe-invoice-metadata", "", {}, Judge())


def test_what_orders_differ_in_is_expected_of_one_of_them() -> None:
    story = pinned(STORY, "legacy", run_orders(STORY, engine="legacy"), "recompute")
    stuck = ExpectedDrift(account="ada", code="bad_debt_stuck", cause="missing_handler")
    assert story.expect == {"recompute": Expect(every_order=Outcome()), "legacy": Expect(some_order=Outcome(drift=(stuck,)))}
    assert story.judge.red_under == ("legacy",)
    assert run_orders(story, engine="legacy").as_expected and run_orders(story).as_expected
