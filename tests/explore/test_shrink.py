"""Shrinking: whatever fails becomes a short told story that fails in the same way, holds where it should, and says so of itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.time import DAY_MS, HOUR_MS
from billsim.explore.shrink import Shrunk
from billsim.explore.shrink import shrink as shrink_within
from billsim.explore.signature import key_of, signature
from billsim.explore.strategies import STRATEGIES
from billsim.faults.base import Dial
from billsim.run import run_orders, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario, TimelineRow
from billsim.scenario.toml_file import dump, find, load, loads

# The time that it takes depends on the machine: it is no part of what is tested.
shrink = partial(shrink_within, budget_s=3_600)
TALES = load(find("fuzz/tales"))
LATE = load(find("dunning/late_failed_after_paid"))
CHASED = "finding/paid_chased/invoice_payment_failed/cancel"


def assert_is_a_story(shrunk: Shrunk, engine: str) -> None:
    """As a file it fails as it says, and holds; and it expects that."""
    story = loads(dump(shrunk.scenario))
    assert dump(story) == dump(shrunk.scenario)
    assert shrunk.seed == 0 and story.population is None and story.tales is None
    assert shrunk.signature in signature(run_scenario(story, engine=engine))
    orders = run_orders(story, engine=engine)
    assert orders.verdict == "falls" and orders.as_expected is True
    assert run_orders(story).verdict == "holds" and run_orders(story).as_expected is True
    assert story.judge.red_under == (engine,) and f"engine={engine}" in story.from_ and story.rule.endswith(".")


def with_noise(story: Scenario, name: str) -> Scenario:
    """The story of `name` among others, with rows that have nothing to do with it, some of them at the same instants."""
    others = tuple(GivenAccount(account=f"acct{n}", plan="other", price=900, failed_attempts=n % 8) for n in range(9))
    rows = [replace(row, params={**row.params}) for row in story.timeline]
    end = story.until
    for n in range(9):
        at = story.start + (n * (end - story.start)) // 9
        rows.append(TimelineRow(at=at, by=f"acct{n}", do="update_card", params={"card": "good"}))
        rows.append(TimelineRow(at=at, by="support", do="recompute", params={"account": f"acct{(n + 3) % 9}"}))
        with_one = story.timeline[n % len(story.timeline)].at
        rows.append(TimelineRow(at=with_one, by=f"acct{n}", do="set_flag", params={"flag": "email_verified", "on": True}))
    ordered = tuple(sorted(rows, key=lambda row: row.at))
    return replace(story, id=f"noise/{name}", given=(*others[:4], *story.given, *others[4:]), timeline=ordered, expect={})


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("late_failed_after_paid", 4),
        ("pay_bad_debt_vs_webhook", 3),
        ("cron_reads_stale_list", 2),
        ("void_after_bad_debt", 1),
        ("delinquent_paid_incomplete", 1),
        ("duplicate_failed_counts_twice", 2),
        ("newest_paid_older_owed", 1),
    ],
)
def test_a_story_among_others_is_found_again(name: str, most: int) -> None:
    told = with_noise(load(find(f"dunning/{name}")), name)
    failing = next(seed for seed in range(20) if run_scenario(told, seed=seed, engine="legacy").verdict == "falls")
    shrunk = shrink(told, failing, "legacy")
    assert_is_a_story(shrunk, "legacy")
    assert shrunk.rows <= most and not shrunk.exhausted
    assert [account.account for account in shrunk.scenario.given] == ["ada"]
    assert not shrunk.pins and not shrunk.scenario.faults


def test_a_story_is_told_as_a_person_would() -> None:
    shrunk = shrink(with_noise(LATE, "late"), 5, "legacy")
    assert dump(shrunk.scenario).split("\n\n")[0] == (
        'id   = "found/finding-paid_chased-invoice_payment_failed-cancel"\n'
        'rule = "Once an invoice is paid, nobody is chased for it."\n'
        'from = "fuzz seed=5 engine=legacy"\n'
        "given = [\n"
        '  { account = "ada", failed_attempts = 7 },\n'
        "]\n"
        "timeline = [\n"
        '  { at = 2026-03-14T01:00:00Z, by = "pipe",   do = "hold",   event = "invoice.payment_failed" },\n'
        '  { at = 2026-03-14T02:00:00Z, by = "stripe", do = "charge", invoice = "ada_1" },\n'
        '  { at = 2026-03-15T02:00:00Z, by = "ada",    do = "update_card" },\n'
        '  { at = 2026-03-15T02:01:00Z, by = "ada",    do = "pay",    invoice = "ada_1" },\n'
        "]"
    )


def failures(scenario: Scenario, engine: str, strategy: str, most: int) -> list[tuple[int, dict[str, int], str]]:
    """(seed, answers of the schedule, gravest signature) of runs that fail under this engine and hold under `recompute`."""
    found: list[tuple[int, dict[str, int], str]] = []
    for seed in range(200):
        schedule = STRATEGIES[strategy](seed)
        result = run_scenario(scenario, seed=seed, engine=engine, schedule=schedule, bodies=False)
        answers = schedule.answers if schedule is not None else {}
        if key_of(result) and not key_of(run_scenario(scenario, seed=seed, overrides=answers, bodies=False)):
            found.append((seed, answers, key_of(result)))
        if len(found) == most:
            break
    return found


@pytest.mark.parametrize("strategy", ["fifo", "random", "pct3"])
def test_a_tale_in_whatever_order_becomes_a_story_of_few_rows(strategy: str) -> None:
    shrunk = [shrink(TALES, seed, "legacy", answers, want) for seed, answers, want in failures(TALES, "legacy", strategy, 8)]
    assert len(shrunk) == 8
    for one in shrunk:
        assert_is_a_story(one, "legacy")
    assert median(one.rows for one in shrunk) <= 3 and max(one.rows for one in shrunk) <= 8
    assert median(one.runs for one in shrunk) <= 100


def test_of_an_order_only_what_it_takes_is_pinned() -> None:
    """Two of one row's handlers at once: some latencies are pinned, and they are round."""
    story = with_noise(load(find("dunning/duplicate_failed_counts_twice")), "order")
    rows = tuple(row for row in story.timeline if row.do != "duplicate")
    raced = replace(story, timeline=rows, faults={"duplicate": Dial(ppm=400_000)})
    seed, answers, want = failures(raced, "legacy", "random", 1)[0]
    shrunk = shrink(raced, seed, "legacy", answers, want)
    assert_is_a_story(shrunk, "legacy")
    assert shrunk.scenario.faults == {"duplicate": Dial(ppm=1)} and 1 <= shrunk.pins <= 6
    assert [answer for label, answer in shrunk.scenario.answers.items() if "/fault/duplicate/" in label] == [1]


@pytest.mark.parametrize("name", ["snapshot_trusted", "void_not_heard", "paypal_path", "recovered_for_void"])
def test_a_mutant_of_recompute_falls_in_few_rows(name: str) -> None:
    engine = f"mutant:{name}"
    seed, answers, want = failures(TALES, engine, "random", 1)[0]
    shrunk = shrink(TALES, seed, engine, answers, want)
    assert_is_a_story(shrunk, engine)
    assert shrunk.rows <= 4 and shrunk.runs <= 200


def test_a_failure_of_a_population_is_told_of_one_account_with_the_fault_that_struck() -> None:
    shrunk = shrink(load(find("load/faulty_small")), 2, "legacy")
    assert_is_a_story(shrunk, "legacy")
    assert [account.account for account in shrunk.scenario.given] == ["ada"] and shrunk.scenario.given[0].card == "declines"
    assert [row.do for row in shrunk.scenario.timeline] == ["update_card", "pay"]
    assert shrunk.scenario.answers == {"w/fault/stale_snapshot/in_ada_1.payment_failed.1": 1}


def test_rows_that_fail_in_one_order_alone_are_told_in_that_order() -> None:
    story = load(find("dunning/void_after_bad_debt"))
    seed = next(seed for seed in range(20) if run_scenario(story, seed=seed, engine="legacy").verdict == "holds")
    assert_is_a_story(shrink(story, seed, "legacy"), "legacy")


def test_another_failure_than_the_gravest_may_be_wanted() -> None:
    found = signature(run_scenario(LATE, engine="legacy"))
    shrunk = shrink(LATE, 0, "legacy", None, found[-1])
    assert found[-1].startswith("drift/consequence_missing/") and shrunk.signature == found[-1]
    assert_is_a_story(shrunk, "legacy")


def test_where_both_engines_fall_nothing_is_said_of_the_other() -> None:
    shrunk = shrink(LATE, 0, "legacy", against="noop")
    assert shrunk.against is None and list(shrunk.scenario.expect) == ["legacy"]
    alone = shrink(LATE, 0, "noop", against="noop")
    assert alone.against is None and list(alone.scenario.expect) == ["noop"]


def test_a_drift_that_the_clock_opens_keeps_its_days() -> None:
    invoice = GivenInvoice(invoice="bob_1", failed_attempts=8, last_attempt=LATE.start - HOUR_MS)
    story = Scenario(id="x", given=(GivenAccount(account="bob", invoices=(invoice,)),), start=LATE.start, until=LATE.start + 9 * DAY_MS)
    shrunk = shrink(story, 3, "all_healthy")
    assert_is_a_story(shrunk, "all_healthy")
    assert shrunk.rows == 0 and shrunk.scenario.given == (GivenAccount(account="ada", failed_attempts=8),)


def test_a_budget_that_is_spent_leaves_a_story_that_fails_all_the_same() -> None:
    told = with_noise(LATE, "late")
    short = shrink(told, 5, "legacy", budget_runs=30)
    assert short.exhausted and short.runs <= 36 and short.rows < len(told.timeline)
    story = loads(dump(short.scenario))
    assert key_of(run_scenario(story, engine="legacy")) == CHASED and run_scenario(story).verdict == "holds"


def test_what_does_not_fail_is_not_shrunk() -> None:
    for engine, want, what in (("recompute", "", "does not fail under recompute"), ("legacy", "drift/x/y/z", "does not fail with drift/x/y/z")):
        with pytest.raises(InputError, match=what):
            shrink(LATE, 0, engine, None, want)


def test_imported_events_are_not_shrunk(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="imported"):
        shrink(replace(LATE, events="events.jsonl"), 0, "legacy")


def test_shrinking_is_deterministic() -> None:
    def once() -> Any:
        return shrink(with_noise(LATE, "late"), 5, "legacy")._replace(seconds=0)

    assert once() == once()
