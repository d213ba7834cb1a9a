"""Every mutant can be told from `recompute`: for each there is a short story that it cannot bear, and `recompute` bears them all."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engines import UnknownEngineError, check_engine, load_engine
from billsim.explore.mutants import DUNNING, HELD_OUT, MUTANTS, PARTS, TUNED
from billsim.run import run_scenario
from tests.explore.mutant_stories import FILES, STORIES, story

# Which story each falls on, and under which seed: where it takes a race or a fault, not every seed has it.
FALLS: dict[str, tuple[str, int]] = {
    "abandoned_purchase_counts": ("dunning/delinquent_paid_incomplete", 0),
    "acknowledged_before_handled": ("dead_letters", 0),
    "async_at_most_once": ("mail_poisoned", 0),
    "ban_boundary_forgotten": ("from_the_last_try_to_the_ban", 0),
    "ban_never_lifted": ("banned_and_paid", 0),
    "boundary_not_ordered": ("from_the_last_try_to_the_ban", 0),
    "boundary_of_worst_debt_only": ("two_graces", 0),
    "boundary_recorded_before_sent": ("crashes_on_the_last_try", 5),
    "braintree_forgotten": ("paid_at_braintree", 0),
    "cancellation_not_seen": ("newer_debt_after_the_cancellation", 0),
    "consequence_without_key": ("older_owed_newer_written_off", 0),
    "consequences_not_rechecked": ("slow_while_paying", 14),
    "contract_types_written": ("contract_account", 0),
    "customer_metadata_forgotten": ("older_written_off", 0),
    "dead_letters_not_redriven": ("dead_letters", 0),
    "declined_by_hand_forgotten": ("declined_once_more_by_hand", 0),
    "delay_cut_short": ("from_the_last_try_to_the_ban", 0),
    "domain_events_at_most_once": ("poisoned", 0),
    "entitlements_not_restored": ("banned_and_paid", 0),
    "failed_not_heard": ("two_failures", 0),
    "filter_by_object": ("two_failures", 0),
    "filter_remembers_early": ("dead_letters", 0),
    "first_boundary_kept": ("from_the_last_try_to_the_ban", 0),
    "first_product_only": ("addon_in_bad_debt", 0),
    "flags_written_whole": ("older_written_off", 0),
    "gather_cached": ("paid_a_little_after_it_failed", 0),
    "grace_a_day_short": ("from_the_last_try_to_the_ban", 0),
    "invoice_metadata_forgotten": ("older_written_off", 0),
    "last_arrival_wins": ("flags_while_failing", 0),
    "ledger_charges_forgotten": ("declined_once_more_by_hand", 0),
    "ledger_last_arrival_wins": ("ledger_hears_late_of_a_new_invoice", 0),
    "ledger_lost_race_taken_for_won": ("ledger_overtaken", 0),
    "merged_written": ("shared_customer", 0),
    "metadata_key_by_content": ("bad_debt_twice_in_a_day", 0),
    "metadata_not_cleared": ("banned_and_paid", 0),
    "newest_invoice_only": ("dunning/newest_paid_older_owed", 0),
    "no_compare_and_set": ("flags_while_failing", 0),
    "no_success_flag_forgotten": ("first_money", 0),
    "not_gathered_again": ("slow_while_paying", 14),
    "notice_not_rechecked": ("mail_that_waits", 0),
    "notice_recorded_before_ordered": ("crashes_on_the_first_failure", 8),
    "notice_without_key": ("mail_that_comes_twice", 0),
    "older_events_dropped": ("written_off_unheard", 1),
    "oldest_debt_only": ("older_owed_newer_written_off", 0),
    "one_notice_an_account": ("bad_debt_twice_in_a_day", 0),
    "one_success_is_enough": ("crashes_on_the_last_try", 12),
    "paid_not_heard": ("banned_and_paid", 0),
    "paid_subscription_cancelled": ("dunning/newest_paid_older_owed", 0),
    "paid_without_charge_is_success": ("never_paid", 0),
    "passed_steps_made_up_for": ("delinquent_looked_at", 0),
    "paypal_path": ("dunning/paypal_wrong_path", 0),
    "processing_is_failure": ("first_try_in_processing", 0),
    "recorded_before_executed": ("crashes", 1),
    "recovered_for_every_payment": ("first_money", 0),
    "recovered_for_void": ("dunning/void_after_bad_debt", 2),
    "retry_count_counts_deliveries": ("declined_once_more_by_hand", 0),
    "since_when_seen": ("written_off_unheard", 0),
    "snapshot_trusted": ("dunning/late_failed_after_paid", 0),
    "stripe_not_retried": ("lost", 0),
    "type_change_not_heard": ("contract_ends", 0),
    "uncollectible_is_settled": ("written_off_unheard", 0),
    "uncollectible_not_heard": ("older_written_off", 0),
    "void_not_heard": ("dunning/void_after_bad_debt", 2),
    "waiting_is_exhausted": ("last_try_waits_for_the_customer", 0),
}

# The shrunk stories by which the rest were found, a file for each.
FALLS |= {name: (name, 0) for name in FILES}


@pytest.mark.parametrize("name", FALLS)
def test_a_mutant_falls_where_recompute_holds(name: str) -> None:
    told, seed = FALLS[name]
    scenario = story(told)
    mutated, sound = (run_scenario(scenario, seed=seed, engine=engine, bodies=False) for engine in (MUTANTS[name].engine, "recompute"))
    assert mutated.verdict == "falls" and sound.verdict == "holds"
    assert mutated.data["engine"] == f"mutant:{name}"


def test_each_mutant_has_its_story_and_each_story_its_mutant() -> None:
    assert set(FALLS) == set(MUTANTS)
    assert set(STORIES) <= {told for told, _ in FALLS.values()}


def test_recompute_holds_on_every_story_under_many_seeds() -> None:
    for told in (*STORIES, *FILES):
        scenario = story(told)
        for seed in range(4):
            assert run_scenario(scenario, seed=seed, bodies=False).verdict == "holds", (told, seed)


def test_there_are_enough_of_every_part_in_both_halves() -> None:
    for part in PARTS:
        halves = [mutant.half for mutant in MUTANTS.values() if mutant.part == part]
        assert min(halves.count(TUNED), halves.count(HELD_OUT)) >= 4
    for dunning in (True, False):
        assert abs(sum(1 if mutant.half == TUNED else -1 for mutant in MUTANTS.values() if (mutant.part in DUNNING) == dunning)) <= 1


def test_a_mutant_says_what_it_does_without_in_one_line() -> None:
    for name, mutant in MUTANTS.items():
        assert mutant.name == name and mutant.safeguard and "\n" not in mutant.safeguard and len(mutant.safeguard) <= 90
    assert len({mutant.safeguard for mutant in MUTANTS.values()}) == len(MUTANTS) and list(MUTANTS) == sorted(MUTANTS)


def test_a_mutant_is_an_engine_by_name_and_each_load_makes_another() -> None:
    first, second = load_engine("mutant:gather_cached"), load_engine("mutant:gather_cached")
    assert first is not second and first.name == "mutant:gather_cached"
    check_engine("mutant:void_not_heard")
    policy = DunningPolicy(ban_after_ms=1)
    assert load_engine("mutant:paypal_path", policy).components


def test_a_mutant_that_there_is_not_is_met_with_one_line() -> None:
    with pytest.raises(UnknownEngineError) as caught:
        load_engine("mutant:void_not_herd")
    assert "there is no mutant 'void_not_herd'" in str(caught.value) and caught.value.hint == "mutant:void_not_heard"


def test_what_one_run_of_a_mutant_has_seen_does_not_reach_the_next() -> None:
    """Mutants remember things; a run must not depend on those before it."""
    for name in ("gather_cached", "retry_count_counts_deliveries", "older_events_dropped", "filter_remembers_early"):
        told, seed = FALLS[name]
        digests = {run_scenario(story(told), seed=seed, engine=f"mutant:{name}", bodies=False).data["digest"] for _ in range(2)}
        assert len(digests) == 1
