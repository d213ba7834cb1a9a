"""The scenarios that ship do what they say: under both engines, in every order, and in their race-free controls."""

from __future__ import annotations

import pytest

from billsim.engines import names as engine_names
from billsim.explore.mutants import MUTANTS
from billsim.run import run_orders, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load, names

STORIES = sorted(name for name in names() if name.startswith(("dunning/", "subscriptions/", "zones/", "accounts/")))
# A canary is planted, and has its own page of tests; so has what takes minutes.
SHIPPED = sorted(name for name in names() if not name.startswith(("canaries/", "headline/")))
SEEDS = (0, 1, 2, 3, 5, 8)


def story(name: str) -> Scenario:
    return load(find(name))


def test_all_that_is_promised_ships() -> None:
    promised = {
        "late_failed_after_paid",
        "pay_bad_debt_vs_webhook",
        "cron_reads_stale_list",
        "newest_paid_older_owed",
        "void_after_bad_debt",
        "grace_runs_out",
        "delinquent_paid_incomplete",
        "duplicate_failed_counts_twice",
        "crash_between_writes",
        "paypal_wrong_path",
    }
    others = {
        "subscriptions/ghost_after_cancel",
        "subscriptions/upgrade_payment_pending",
        "subscriptions/annual_monthly_confusion",
        "zones/plan_level_missed",
        "accounts/merged",
        "accounts/enterprise_untouched",
        "accounts/no_stripe_customer",
        "load/small",
    }
    assert {f"dunning/{name}" for name in promised} | others <= set(SHIPPED)


@pytest.mark.parametrize("name", STORIES)
def test_each_story_pins_both_engines_and_its_control(name: str) -> None:
    """Legacy shows some drift in a story, at its end or on the way, and none in the control; recompute shows none at all."""
    expect = story(name).expect
    legacy, recompute = expect["legacy"], expect["recompute"]
    assert legacy.some_order is not None and (legacy.some_order.drift or legacy.some_order.closed)
    assert legacy.control is not None and not legacy.control.drift
    assert recompute.every_order is not None and not recompute.every_order.drift


@pytest.mark.parametrize("engine", ["legacy", "recompute"])
@pytest.mark.parametrize("name", STORIES)
def test_a_story_holds_to_its_pins_in_every_order(name: str, engine: str) -> None:
    for seed in SEEDS:
        result = run_orders(story(name), seed=seed, engine=engine)
        assert result.as_expected is True, (seed, [(d.account, d.code, d.cause) for _, run in result.orders for d in run.drift])
        if engine == "recompute":
            assert result.verdict == "holds", seed


@pytest.mark.parametrize("name", SHIPPED)
def test_the_marks_that_a_scenario_demands_are_reached(name: str) -> None:
    scenario = story(name)
    result = run_scenario(scenario, engine="recompute")
    assert result.verdict == "holds" and result.data["marks_missing"] == []
    assert all(result.data["marks"][mark] for mark in scenario.judge.sometimes)


@pytest.mark.parametrize(("name", "engine"), [(name, engine) for name in SHIPPED for engine in story(name).judge.red_under])
def test_a_scenario_falls_under_the_engines_that_it_must_expose(name: str, engine: str) -> None:
    assert engine in engine_names() or engine.removeprefix("mutant:") in MUTANTS
    assert run_scenario(story(name), engine=engine).verdict == "falls"


def test_an_order_that_voids_first_opens_the_drift_and_one_that_pays_first_does_not() -> None:
    result = run_orders(story("dunning/void_after_bad_debt"), engine="legacy")
    assert [[d.code for d in run.drift if d.closed_ms is None] for _, run in result.orders] == [["bad_debt_stuck"], []]


def test_the_good_news_and_a_lost_update_are_marks() -> None:
    paid = run_scenario(story("dunning/late_failed_after_paid"), engine="recompute").data["marks"]
    assert paid["recovered_sent"] == 1 and "lost_update_happened" not in paid
    assert run_scenario(story("dunning/pay_bad_debt_vs_webhook"), engine="legacy").data["marks"]["lost_update_happened"] == 1


def test_a_mark_that_is_never_reached_makes_the_verdict_unknown() -> None:
    """An empty pass is no pass."""
    import msgspec

    scenario = story("dunning/grace_runs_out")
    judge = msgspec.structs.replace(scenario.judge, sometimes=("dead_letter_used",))
    result = run_scenario(msgspec.structs.replace(scenario, judge=judge), engine="recompute")
    assert result.verdict == "unknown" and result.data["marks_missing"] == ["dead_letter_used"]
