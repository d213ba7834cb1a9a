"""Tales: told stories that a seed makes up."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from billsim.core.choices import Table
from billsim.core.time import DAY_MS, HOUR_MS
from billsim.run import run_scenario
from billsim.scenario.plan import Scenario, Tales
from billsim.scenario.rules import check
from billsim.scenario.tale_rows import EVENTS
from billsim.scenario.tales import tell_as, told
from billsim.scenario.toml_file import dump, find, load, loads, unplaced

SEEDS = range(400)


@pytest.fixture(scope="module")
def tales() -> Scenario:
    return load(find("fuzz/tales"))


@pytest.fixture(scope="module")
def stories(tales: Scenario) -> list[Scenario]:
    return [told(tales, seed) for seed in SEEDS]


def of(**fields: object) -> Scenario:
    start = 20_526 * DAY_MS
    return Scenario(id="fuzz/x", tales=Tales(**fields), start=start, until=start + 6 * DAY_MS)  # type: ignore[arg-type]


class Least:
    """Answers every question with the least, and remembers the labels."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    def fact(self, label: str, table: Table) -> int:
        self.labels.append(label)
        return table.answer(0)


def test_every_story_is_a_scenario_that_a_file_could_hold(stories: list[Scenario]) -> None:
    for story in stories:
        check(story)
        assert unplaced(loads(dump(story))) == unplaced(story)


def test_a_seed_tells_one_story_and_another_seed_another(tales: Scenario, stories: list[Scenario]) -> None:
    assert [told(tales, seed) for seed in SEEDS] == stories
    assert len({dump(replace(story, from_="")) for story in stories}) > 380
    assert stories[7].from_ == "tale seed=7" and stories[7].tales is None


def test_a_run_of_tales_is_the_run_of_the_story_that_its_seed_tells(tales: Scenario) -> None:
    for seed in (1, 2, 3):
        first, second = run_scenario(tales, seed=seed), run_scenario(told(tales, seed), seed=seed)
        assert first.data["digest"] == second.data["digest"] and first.data["records"] > 0


def test_a_scenario_without_tales_is_its_own_story() -> None:
    story = load(find("dunning/grace_runs_out"))
    assert told(story, 3) is story and tell_as(story, Least()) is story


def test_whoever_answers_with_the_least_gets_the_plainest_story() -> None:
    least = Least()
    story = tell_as(of(), least)
    assert [account.account for account in story.given] == ["ada"] and story.timeline == ()
    assert {label[:7] for label in least.labels} == {"w/tale/"}


def test_a_story_is_bounded_and_its_rows_are_in_order(stories: list[Scenario]) -> None:
    for story in stories:
        assert 1 <= len(story.given) <= 3 and len(story.timeline) <= 12
        instants = [row.at for row in story.timeline]
        assert instants == sorted(instants)
        assert all(story.start + HOUR_MS <= at < story.until for at in instants)


def test_everything_happens_to_everybody(stories: list[Scenario]) -> None:
    """Every action and result, every kind of account, all doors, all events that may be late."""
    rows = [row for story in stories for row in story.timeline]
    assert {row.do for row in rows} >= {*[name for name, weight in Tales().actions.items() if weight], "release", "run"} - {"cron"}
    seen = {(row.do, value) for row in rows for value in row.params.values()}
    for do, values in {
        "charge": ("declined", "paid", "lost_card", "requires_action", "processing"),
        "pay": ("dashboard", "hosted"),
        "update_card": ("good", "declines", "lost"),
        "hold": EVENTS,
        "duplicate": EVENTS,
    }.items():
        assert {(do, value) for value in values} <= seen
    accounts = [account for story in stories for account in story.given]
    assert {account.instrument for account in accounts} == {"card", "paypal", "sepa_debit"}
    assert {len(account.invoices) for account in accounts} == {0, 1, 2}
    assert {invoice.failed_attempts for account in accounts for invoice in account.invoices} == set(range(1, 9))
    assert {account.subscription for account in accounts} == {None, "incomplete"}
    assert any(account.started for account in accounts) and any(account.rows for account in accounts)
    assert any(not account.stripe_customer for account in accounts) and any(account.account_type != "self_serve" for account in accounts)


def test_half_of_the_rows_come_in_bursts(stories: list[Scenario]) -> None:
    gaps = [after.at - row.at for story in stories for row, after in zip(story.timeline, story.timeline[1:], strict=False)]
    assert 0.25 < sum(gap == 0 for gap in gaps) / len(gaps) < 0.6
    calm = [told(replace(of(bursts=0, actions={"charge": 1})), seed) for seed in range(50)]
    gaps = [after.at - row.at for story in calm for row, after in zip(story.timeline, story.timeline[1:], strict=False)]
    assert sum(gap < 60_000 for gap in gaps) < len(gaps) / 5


def test_rows_meet_what_happens_by_itself() -> None:
    """The next try of an invoice, to the second, from the default schedule: after 1, 3, 5, 7, 9, 11 and 14 days."""
    waits = dict(enumerate((1, 2, 2, 2, 2, 2, 3), start=1))
    stories, met = [told(of(states={"retrying": 1}), seed) for seed in range(100)], 0
    for story in stories:
        tries = {
            invoice.last_attempt + waits[invoice.failed_attempts] * DAY_MS
            for account in story.given
            for invoice in account.invoices
            if invoice.failed_attempts in waits and invoice.last_attempt is not None
        }
        met += any(min((abs(row.at - at) for at in tries), default=DAY_MS) <= 4_000 for row in story.timeline)
    assert met > len(stories) / 4


def test_what_is_held_is_let_go_beside_a_later_row(stories: list[Scenario]) -> None:
    released = held = 0
    for story in stories:
        at: Counter[int] = Counter(row.at for row in story.timeline)
        held += sum(row.do == "hold" for row in story.timeline)
        released += sum(row.do == "release" and at[row.at] > 1 for row in story.timeline)
    assert held > 150 and released > held / 2


def test_weights_of_nothing_leave_out() -> None:
    only = of(accounts=1, states={"bad_debt": 1, "retrying": 0}, actions={"void": 1})
    for seed in range(20):
        story = told(only, seed)
        assert [invoice.failed_attempts for account in story.given for invoice in account.invoices] == [8]
        assert {row.do for row in story.timeline} <= {"void"}


@pytest.mark.parametrize("block", range(0, 2000, 500))
def test_recompute_holds_whatever_is_told(tales: Scenario, block: int) -> None:
    fallen = [seed for seed in range(block, block + 125) if run_scenario(tales, seed=seed, bodies=False).verdict != "holds"]
    assert fallen == []


def test_legacy_falls_often(tales: Scenario) -> None:
    fallen = [seed for seed in range(60) if run_scenario(tales, seed=seed, engine="legacy", bodies=False).verdict == "falls"]
    assert len(fallen) > 15


def test_a_story_is_small(tales: Scenario) -> None:
    events = sorted(run_scenario(tales, seed=seed, bodies=False).data["events"]["stripe"] for seed in range(100))
    assert events[90] <= 60


@pytest.mark.parametrize("first", [0, 1, 10**6, 2**62])
def test_seeds_in_a_row_take_turns_in_who_there_is(first: int) -> None:
    """Of six states, each as likely: in any six seeds in a row at least four are met, in twelve all, and by chance alone neither."""
    even = of(accounts=1, states=dict.fromkeys(("healthy", "renewing", "retrying", "bad_debt", "incomplete", "no_customer"), 1), actions={"void": 1})
    met = [shape(told(even, first + n)) for n in range(60)]
    assert all(len(dict.fromkeys(met[n : n + 6])) >= 4 for n in range(54))
    assert all(len(dict.fromkeys(met[n : n + 12])) == 6 for n in range(48))
    assert max(Counter(met).values()) <= 12


def shape(story: Scenario) -> tuple[object, ...]:
    """What tells the six states of the one account apart."""
    account = story.given[0]
    failed = [invoice.failed_attempts == 8 for invoice in account.invoices]
    return account.stripe_customer, account.subscription, bool(account.started), tuple(failed)


def test_a_merged_account_stands_on_a_customer_that_there_is() -> None:
    story = of(accounts=2, states={"no_customer": 1, "merged": 1}, actions={"subscribe": 1})
    for seed in range(40):
        assert run_scenario(story, seed=seed, bodies=False).verdict == "holds"
