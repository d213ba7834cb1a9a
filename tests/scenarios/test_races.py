"""Stories of four to six racing rows: both engines keep to their pins in every order, and legacy falls in just the orders in which it must."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billsim.explore.strategies import STRATEGIES
from billsim.run import run_orders, run_scenario
from billsim.scenario.orders import count_orders, offset_label, racing_groups
from billsim.scenario.plan import Scenario, TimelineRow
from billsim.scenario.toml_file import find, load, names

RACES = sorted(name for name in names() if name.startswith("races/"))
SEEDS = (0, 1)
# By row: its place in an order.
Places = dict[str, int]


def _counts_the_try_twice(at: Places) -> bool:
    """The try fails when nothing is held back any more and a doubling waits for it: one that ada's own failure has not used up."""
    used_up = max(at["pipe duplicate"], at["pipe release"]) < at["ada pay"] < at["stripe charge"]
    return max(at["pipe duplicate"], at["pipe release"]) < at["stripe charge"] and not used_up


# In which orders legacy falls, and how many those are: of 24, 120 or 720.
FALLS: dict[str, tuple[int, Callable[[Places], bool]]] = {
    "races/ban_falls_due": (12, lambda at: at["cron run"] < at["ada pay"]),
    "races/counted_twice_while_paying": (30, _counts_the_try_twice),
    "races/first_payment_and_bank": (12, lambda at: at["bank challenge"] < at["ada pay"]),
    "races/job_among_payers": (60, lambda at: at["cron run"] < at["ada pay"]),
    "races/late_failure_card_payment": (
        2,
        lambda at: max(at["stripe charge"], at["ada update_card"]) < at["ada pay"] < at["pipe release"],
    ),
    "races/leaves_enterprise": (24, lambda _at: True),
    "races/newest_paid_in_two_tabs": (80, lambda at: min(at["ada pay"], at["ada pay hosted"]) < at["support void"]),
    "races/two_customers_at_once": (360, lambda at: at["support void"] < at["ada pay"]),
    "races/void_pay_card_recompute": (12, lambda at: at["support void"] < at["ada pay"]),
    "races/written_off_then_paid": (12, lambda at: at["support mark_uncollectible"] < at["ada pay"]),
}
HOSTED_APART = ("races/newest_paid_in_two_tabs",)


def story(name: str) -> Scenario:
    return load(find(name))


def seeds(name: str) -> tuple[int, ...]:
    return SEEDS if count_orders(story(name)) <= 24 else SEEDS[:1]


def places(scenario: Scenario, offsets: dict[str, int]) -> Places:
    """The place of each racing row in the order that these offsets make."""
    racing = [index for group in racing_groups(scenario.timeline) for index in group]
    ranked = sorted(racing, key=lambda index: offsets[offset_label(index)])
    return {called(scenario, scenario.timeline[index]): place for place, index in enumerate(ranked)}


def called(scenario: Scenario, row: TimelineRow) -> str:
    hosted = scenario.id in HOSTED_APART and row.params.get("via") == "hosted"
    return f"{row.by} {row.do}{' hosted' if hosted else ''}"


def test_each_has_four_to_six_rows_that_race() -> None:
    assert sorted(FALLS) == RACES
    sizes = [[len(group) for group in racing_groups(story(name).timeline)] for name in RACES]
    assert all(len(groups) == 1 and 4 <= groups[0] <= 6 for groups in sizes)
    assert {groups[0] for groups in sizes} == {4, 5, 6}


@pytest.mark.parametrize("name", RACES)
def test_each_pins_both_engines_with_a_cause_and_its_control(name: str) -> None:
    expect = story(name).expect
    legacy, recompute = expect["legacy"], expect["recompute"]
    assert recompute.every_order is not None and not recompute.every_order.drift
    assert legacy.some_order is not None and any(drift.cause for drift in legacy.some_order.drift)
    assert legacy.control is not None and not legacy.control.drift


def test_together_they_show_seven_causes() -> None:
    outcomes = [story(name).expect["legacy"].some_order for name in RACES]
    causes = {drift.cause for outcome in outcomes if outcome is not None for drift in outcome.drift if drift.cause is not None}
    assert causes == {"blind_overwrite", "duplicate", "lost_update", "manual_write", "missing_handler", "stale_event", "stale_read"}


@pytest.mark.parametrize("name", RACES)
def test_recompute_holds_in_every_order(name: str) -> None:
    for seed in seeds(name):
        result = run_orders(story(name), seed=seed, engine="recompute")
        assert (result.verdict, result.as_expected, len(result.orders)) == ("holds", True, count_orders(story(name))), seed


@pytest.mark.parametrize("name", RACES)
def test_legacy_falls_in_the_orders_in_which_it_must(name: str) -> None:
    scenario = story(name)
    count, falls = FALLS[name]
    for seed in seeds(name):
        result = run_orders(scenario, seed=seed, engine="legacy")
        fell = [order for order, run in result.orders if run.data["drift"]["open_at_end"]]
        assert result.as_expected is True, seed
        assert fell == [order for order, _ in result.orders if falls(places(scenario, order))]
        assert len(fell) == count


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_recompute_holds_when_handlers_race_as_well(strategy: str) -> None:
    for name in RACES:
        for seed in range(3):
            result = run_scenario(story(name), seed=seed, engine="recompute", schedule=STRATEGIES[strategy](seed))
            assert result.verdict == "holds", (name, seed, [(drift.account, drift.code) for drift in result.drift])


def test_who_leaves_a_contract_has_the_payment_of_before_in_the_ledger() -> None:
    """The payment is the first of the two, and nothing but the end of the contract wakes anybody afterwards."""
    scenario = story("races/leaves_enterprise")
    paid_first = {offset_label(index): offset for index, offset in enumerate((60_000, 0, 120_000, 180_000))}
    result = run_scenario(scenario, engine="recompute", overrides=paid_first, keep_records=True)
    entered = [record for record in result.records if getattr(record, "store", "") == "billing_prod" and record.key.startswith("in_ada_2")]
    assert [(record.new.status, record.component) for record in entered] == [("paid", "invoicing")]
    assert entered[0].at_ms > scenario.timeline[0].at + 60_000
