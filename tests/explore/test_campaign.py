"""Campaigns: runs are told by their numbers alone, and what is found depends on nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.choices import MAX_SEED, AskedTwiceError
from billsim.explore import campaign as campaigns
from billsim.explore.baseline import NOTHING_KNOWN, Baseline
from billsim.explore.campaign import Batch, Campaign, Failing, Limits, Numbered, Order, Player, Tally, check_strategy, run_campaign
from billsim.explore.strategies import PORTFOLIO
from billsim.explore.workers import Workers
from billsim.faults.base import Dial
from billsim.run import RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Judge
from billsim.scenario.toml_file import find, load

RACE = load(find("dunning/pay_bad_debt_vs_webhook"))
CRON = load(find("dunning/cron_reads_stale_list"))
FAULTY = replace(RACE, faults={"late": Dial(ppm=1), "lost": Dial(ppm=1)})
STUCK, MISSED, LEDGER = (f"drift/{code}/data/given" for code in ("bad_debt_stuck", "bad_debt_missed", "ledger_drift"))


def test_scenarios_take_turns_and_each_has_the_seeds_from_the_first_on() -> None:
    campaign = Campaign((RACE, CRON), seed=40, strategy="pct2")
    assert [campaign.run(number)[1:] for number in range(5)] == [(0, 40, "pct2"), (1, 40, "pct2"), (0, 41, "pct2"), (1, 41, "pct2"), (0, 42, "pct2")]


def test_the_portfolio_takes_its_strategies_in_turn_with_faults_off_in_one_round_of_four() -> None:
    campaign = Campaign((RACE, FAULTY))
    size = len(PORTFOLIO)
    swarming = [f"{name}+swarm" for name in PORTFOLIO]
    assert [campaign.run(2 * turn).strategy for turn in range(6 * size)] == [*PORTFOLIO] * 6
    assert [campaign.run(2 * turn + 1).strategy for turn in range(6 * size)] == [*PORTFOLIO, *swarming, *PORTFOLIO, *PORTFOLIO, *PORTFOLIO, *swarming]


def test_swarm_alone_is_a_random_walk_with_faults_off() -> None:
    run = Campaign((FAULTY,), strategy="swarm").run(3)
    assert run == Numbered(3, 0, 3, "random+swarm")
    worlds = {tuple(Campaign((FAULTY,)).world(Numbered(0, 0, seed, "random+swarm")).faults) for seed in range(40)}
    assert worlds == {(), ("late",), ("lost",), ("late", "lost")}
    assert Campaign((FAULTY,)).world(Numbered(0, 0, 3, "random")) is FAULTY


def test_seeds_go_round_at_the_last() -> None:
    assert [Campaign((RACE,), seed=MAX_SEED).run(number).seed for number in range(2)] == [MAX_SEED, 0]


@pytest.mark.parametrize("name", ["portfolio", "swarm", "fifo", "pct5", "random+swarm"])
def test_strategies(name: str) -> None:
    check_strategy(name)


@pytest.mark.parametrize(("name", "hint"), [("pct9", "pct"), ("portfolio+swarm", ""), ("randm", "random"), ("", "")])
def test_a_strategy_that_there_is_not(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"there is no strategy '{name}'".replace("+", r"\+")) as raised:
        check_strategy(name)
    assert raised.value.hint.startswith(hint)


def test_a_run_is_the_scenario_under_its_strategy() -> None:
    campaign = Campaign((RACE,), engine="legacy")
    fifo, schedule = campaign.play(Numbered(0, 0, 5, "fifo"))
    assert schedule is None and fifo.data["digest"] == run_scenario(RACE, seed=5, engine="legacy", bodies=False).data["digest"]
    _, schedule = campaign.play(Numbered(0, 0, 5, "random"))
    assert schedule is not None and schedule.steps > 0
    assert campaign.play(Numbered(0, 0, 5, "fifo"), "recompute")[0].verdict == "holds"


# -- batches ---------------------------------------------------------------------------------------------------------------------------


def test_a_batch_says_what_became_of_its_runs() -> None:
    batch = Player(Campaign((RACE, CRON), engine="legacy"))(Order(3, 4, False))
    assert (batch.first, batch.runs, batch.end, batch.unfinished) == (3, 4, 7, 0)
    assert batch.marks[0]["lost_update_happened"] == 2
    assert [failing.number for failing in batch.failing if failing.number % 2 == 0] == [4, 6]
    assert batch.failing[-1].wrong == [("drift/no_successful_payment_stuck/lost_update/subs_account.flags",)]


def test_a_batch_ends_with_the_first_that_is_new_where_that_is_asked_for() -> None:
    player = Player(Campaign((RACE,), engine="legacy"))
    assert player(Order(2, 5, True)).runs == 1
    known = Baseline(frozenset({"drift/no_successful_payment_stuck/lost_update/subs_account.flags"}))
    assert player._replace(baseline=known)(Order(2, 5, True)).runs == 5


def test_a_run_that_cannot_be_brought_to_its_end_is_a_failure_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, seed: int, **__: object) -> RunResult:
        if seed == 1:
            raise AskedTwiceError("w/a")
        if seed == 2:
            raise KeyError("ada")
        return RunResult({"findings": [], "verdict": "holds", "marks": {}, "marks_missing": []}, [], None, "holds")

    monkeypatch.setattr(campaigns, "run_scenario", fails)
    batch = Player(Campaign((RACE,), strategy="fifo"))(Order(0, 4, False))
    assert batch.failing == [Failing(1, [("finding/run_failed/AskedTwiceError",)]), Failing(2, [("finding/run_failed/KeyError",)])]
    assert batch.runs == 4


def batch(first: int, runs: int, *failing: Failing, marks: dict[str, int] | None = None, unfinished: int = 0) -> Batch:
    return Batch(first, runs, unfinished, {0: marks or {}}, list(failing))


def test_failures_are_grouped_by_the_gravest_of_each_account() -> None:
    tally = Tally(Campaign((RACE,)))
    tally.add(batch(0, 10, Failing(3, [(STUCK, LEDGER), (MISSED,)]), Failing(4, [(STUCK,), (STUCK, MISSED)]), marks={"a": 2}))
    tally.add(batch(10, 5, Failing(12, [(MISSED,)]), marks={"a": 1, "b": 1}))
    groups = {group.signature: (group.first, group.runs, sorted(group.also), group.known) for group in tally.groups.values()}
    assert groups == {STUCK: (3, 2, [MISSED, LEDGER], False), MISSED: (3, 2, [], False)}
    assert (tally.end, tally.failing, tally.marks(), tally.verdict) == (15, 3, {"a": 3, "b": 1}, "falls")


def test_what_the_baseline_knows_is_no_failure_and_what_is_beside_it_is() -> None:
    tally = Tally(Campaign((RACE,)), Baseline(frozenset({STUCK}), frozenset({LEDGER})))
    tally.add(batch(0, 10, Failing(3, [(STUCK, LEDGER)])))
    assert (tally.verdict, tally.failing, [group.known for group in tally.groups.values()]) == ("holds", 1, [True])
    tally.add(batch(10, 1, Failing(10, [(STUCK, MISSED)])))
    assert (tally.verdict, [group.signature for group in tally.new]) == ("falls", [MISSED])


def test_an_empty_pass_is_no_pass() -> None:
    asking = replace(RACE, judge=Judge(sometimes=("boundary_fired", "redelivered")))
    tally = Tally(Campaign((asking,)))
    assert tally.verdict == "unknown"
    tally.add(batch(0, 10, marks={"redelivered": 1}))
    assert (tally.verdict, tally.marks_missing()) == ("unknown", ("boundary_fired",))
    tally.add(batch(10, 10, marks={"boundary_fired": 1}))
    assert tally.verdict == "holds"
    tally.add(batch(20, 1, unfinished=1))
    assert tally.verdict == "unknown"


def test_a_mark_counts_for_the_scenario_that_asks_for_it() -> None:
    asking = replace(RACE, judge=Judge(sometimes=("redelivered",)))
    tally = Tally(Campaign((asking, CRON)))
    tally.add(Batch(0, 10, 0, {1: {"redelivered": 3}}, []))
    assert (tally.marks(), tally.marks_missing()) == ({"redelivered": 3}, ("redelivered",))
    assert Tally(Campaign((asking, CRON), engine="legacy")).marks_missing() == ()


# -- a whole campaign ------------------------------------------------------------------------------------------------------------------


def run(
    campaign: Campaign, limits: Limits, jobs: int = 1, baseline: Baseline = NOTHING_KNOWN, after: tuple[Batch, ...] = ()
) -> tuple[Tally, list[Batch], bool]:
    tally, kept = Tally(campaign, baseline), list(after)
    for each in after:
        tally.add(each)
    with Workers(jobs, Player(campaign, baseline)) as workers:
        complete = run_campaign(tally, workers, limits, kept.append, lambda _tally: None)
    return tally, kept, complete


def numbers(batches: list[Batch]) -> list[int]:
    return [number for each in batches for number in range(each.first, each.end)]


def told(tally: Tally) -> object:
    groups = [(group.signature, group.first, group.runs, sorted(group.also)) for group in tally.groups.values()]
    return tally.end, tally.failing, tally.marks(), groups


def test_what_is_found_does_not_depend_on_the_number_of_jobs() -> None:
    campaign = Campaign((RACE, CRON), engine="legacy")
    one, kept, complete = run(campaign, Limits(runs=120))
    two, kept_by_two, _ = run(campaign, Limits(runs=120), jobs=2)
    assert complete and numbers(kept) == numbers(kept_by_two) == list(range(120))
    assert told(one) == told(two) and one.groups


def test_a_campaign_goes_on_where_it_stood() -> None:
    campaign = Campaign((CRON,), engine="legacy")
    whole, _, _ = run(campaign, Limits(runs=60))
    _, part, _ = run(campaign, Limits(runs=25))
    resumed, kept, _ = run(campaign, Limits(runs=60), after=tuple(part))
    assert numbers(kept) == list(range(60)) and told(resumed) == told(whole)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_failure_is_the_last_run(jobs: int) -> None:
    campaign = Campaign((CRON,), engine="legacy", strategy="random")
    whole, _, _ = run(campaign, Limits(runs=200))
    rare = max(whole.groups.values(), key=lambda group: group.first)
    known = Baseline(frozenset(whole.groups) - {rare.signature})
    tally, kept, _ = run(campaign, Limits(runs=200, first=True), jobs, known)
    assert tally.end == rare.first + 1 and numbers(kept) == list(range(tally.end)) and [group.first for group in tally.new] == [rare.first]


def test_a_limit_in_time_is_kept_and_told() -> None:
    tally, kept, complete = run(Campaign((RACE,)), Limits(seconds=0.3))
    assert not complete and tally.end > 0 and numbers(kept) == list(range(tally.end))
    tally, _, complete = run(Campaign((RACE,)), Limits(runs=3, seconds=600))
    assert complete and tally.end == 3
