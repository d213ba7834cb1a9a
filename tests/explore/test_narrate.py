"""An account of a population as a story: what happened to it happens to it again, alone, at the same instants."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.explore.labels import Labels, Rename
from billsim.explore.narrate import narrated
from billsim.faults.base import Dial
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.rules import check
from billsim.scenario.toml_file import find, load

ENGINE, SEED = "recompute", 4
PLAIN = replace(
    load(find("load/small")),
    population=Population(
        accounts=40, days=40, declines=350, lost=150, never_paid=100, second_subscription=150, updates_card=300, pays_hosted=300, pays_dashboard=300
    ),
    faults={"late": Dial(ppm=60_000), "duplicate": Dial(ppm=60_000), "twin": Dial(ppm=60_000), "redelivery": Dial(ppm=200_000)},
)


@pytest.fixture(scope="module")
def played() -> tuple[Scenario, RunResult]:
    """A month of a population, all of whose answers are pinned."""
    result = run_scenario(PLAIN, seed=SEED, engine=ENGINE, keep_tape=True, keep_records=True, bodies=False)
    return replace(PLAIN, answers=dict(result.tape or ())), result


def happened(result: RunResult, account: str, rename: Rename = str) -> list[tuple[str, str, str]]:
    """(store, what, status) of every write to an account and every act, by their names in the story."""
    writes = [record for record in result.records if record[0] == "writes" and record.account == account]
    acts = [record for record in result.records if record[0] == "actions" and record.account == account]
    told = [(record.store, rename(record.key), str(getattr(record.new, "status", ""))) for record in writes]
    return sorted(told) + sorted((record.kind, record.debt, record.step) for record in acts)


def instants(result: RunResult, account: str) -> list[int]:
    return sorted(record.at_ms for record in result.records if record[0] in ("writes", "actions") and record.account == account)


def test_what_happened_to_an_account_happens_again(played: tuple[Scenario, RunResult]) -> None:
    scenario, result = played
    dos: dict[str, int] = {}
    compared = 0
    for number in (1, 2, *range(5, 41, 4)):
        account = f"acct_{number:05d}"
        if f"w/population/{account}/second_plan" in scenario.answers:
            continue
        ((story, rename),) = narrated(scenario, account, seed=SEED, engine=ENGINE, platform=SHIPPED)
        check(story)
        labels = Labels(scenario.answers, 0)
        pinned = replace(story, answers=labels.renamed(scenario.answers, rename))
        alone = run_scenario(pinned, seed=SEED, engine=ENGINE, keep_records=True, bodies=False)

        def in_story(key: str, labels: Labels = labels, rename: Rename = rename) -> str:
            return next(iter(labels.renamed({key: 0}, rename)))

        assert happened(alone, account) == happened(result, account, in_story), account
        assert all(abs(one - other) <= 2 for one, other in zip(instants(alone, account), instants(result, account), strict=True)), account
        compared += len(story.timeline) > 0
        for row in story.timeline:
            dos[row.do] = dos.get(row.do, 0) + 1
    assert compared >= 3 and set(dos) == {"update_card", "pay", "charge"}


def test_a_second_subscription_is_told_as_if_it_were_the_only_one(played: tuple[Scenario, RunResult]) -> None:
    scenario, _ = played
    account = next(label.split("/")[2] for label in scenario.answers if label.endswith("/second_plan"))
    (first, _), (second, rename) = narrated(scenario, account, seed=SEED, engine=ENGINE, platform=SHIPPED)
    assert first.given[0].account == second.given[0].account == account and first.given[0].started != second.given[0].started
    assert rename(f"w/pipe/in_{account}-2_1.paid.1/post1") == f"w/pipe/in_{account}_1.paid.1/post1"
    assert rename(f"w/pipe/in_{account}_1.paid.1/post1") == "w/pipe/in_gone_1.paid.1/post1"
    assert rename(f"cus_{account}") == f"cus_{account}"


def test_a_yearly_plan_has_no_story() -> None:
    people = replace(PLAIN, population=Population(accounts=60, days=5, people="saas"), faults={})
    result = run_scenario(people, engine=ENGINE, keep_tape=True, bodies=False)
    pinned = replace(people, answers=dict(result.tape or ()))
    told = [list(narrated(pinned, f"acct_{number:05d}", seed=0, engine=ENGINE, platform=SHIPPED)) for number in range(1, 9)]
    assert any(not stories for stories in told) and any(stories for stories in told)
    for stories in told:
        for story, _ in stories:
            check(story)
