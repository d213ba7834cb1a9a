"""The callers of a population: as many as their rates say, the same under every engine, none where there are no rates; and told as rows later."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.explore.labels import Labels
from billsim.explore.narrate import narrated
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.population_data import MILLION, callers_of
from billsim.scenario.rules import check
from billsim.scenario.toml_file import find, load
from billsim.scenario.touchpoints import touchpoints
from billsim.world import World

SMALL = load(find("load/small"))
EVERY_ONE: dict[str, dict[str, int]] = {}
for point in touchpoints().values():
    EVERY_ONE.setdefault(point.caller, {})[point.operation] = 9_000
SOME = {"dashboard": {"upgrade": 40_000, "attach_card": 40_000}, "iapi": {"get_profile": 80_000}, "product_team": {"quantity": 40_000}}


def scenario(callers: dict[str, dict[str, int]], **fields: int) -> Scenario:
    population = Population(accounts=60, days=12, declines=150, lost=60, pays_dashboard=200, renewal_spread_days=12, callers=callers)
    told = replace(SMALL, population=replace(population, **fields), until=SMALL.start + 12 * DAY_MS, expect={})
    check(told)
    return told


def calls(result: RunResult) -> dict[str, int]:
    return {label: answer for label, answer in (result.tape or ()) if label.startswith("w/caller/")}


def test_a_population_without_rates_is_asked_nothing() -> None:
    assert not calls(run_scenario(scenario({}), keep_tape=True, bodies=False))


def test_as_many_call_as_the_rates_say_and_under_every_engine_the_same() -> None:
    """60 accounts, 12 days, a fifth of them a day: 144 calls, give or take three times a deviation of 11."""
    tapes = [calls(run_scenario(scenario(SOME), engine=engine, keep_tape=True, bodies=False)) for engine in ("recompute", "legacy")]
    assert tapes[0] == tapes[1]
    counts = Counter(answer for label, answer in tapes[0].items() if label.endswith("/does"))
    assert sum(counts.values()) == 60 * 12 and 111 <= 720 - counts[-1] <= 177
    assert counts[2] == max(counts[n] for n in range(4)), "the third is called twice as often as the others"


@pytest.mark.parametrize("seed", range(4))
def test_recompute_holds_whatever_is_called(seed: int) -> None:
    run = run_scenario(scenario(EVERY_ONE), seed=seed, bodies=False)
    assert run.verdict == "holds" and run.data["drift"]["open_at_end"] == 0 and run.data["findings"] == []


def test_every_touchpoint_is_called() -> None:
    """A population of a few hundred, all of whom call every day, comes to every line of the table."""
    everyone = {caller: dict.fromkeys(rates, 11_000) for caller, rates in EVERY_ONE.items()}
    tape = calls(run_scenario(scenario(everyone, accounts=150), keep_tape=True, bodies=False))
    assert {answer for label, answer in tape.items() if label.endswith("/does")} - {-1} == set(range(len(touchpoints())))


def test_nobody_calls_once_the_storm_is_over() -> None:
    told = scenario(EVERY_ONE)
    world = World(told, load_engine("recompute"), Seeded(0), Trace(), DunningPolicy(), bodies=False)
    while not world.run_until(told.until - DAY_MS // 2, 10_000):
        pass
    world.stop_faults()
    asked: list[str] = []
    world.request = lambda kind, account, name, body: asked.append(kind)  # type: ignore[method-assign]
    while not world.run_until(told.until + DAY_MS, 10_000):
        pass
    assert [kind for kind in asked if not kind.startswith("cron.")] == []


@pytest.mark.parametrize(
    ("callers", "wrong"),
    [
        ({"dashbord": {"upgrade": 1}}, "unknown caller 'dashbord' (did you mean 'dashboard'?)"),
        ({"iapi": {"upgrad": 1}}, "unknown operation of iapi 'upgrad' (did you mean 'upgrade'?)"),
        ({"iapi": {"upgrade": MILLION + 1}}, "at most one act a day for each account: the rates must add up to at most 1000000"),
    ],
)
def test_what_is_wrong_with_callers(callers: dict[str, dict[str, int]], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong.replace("(", r"\(").replace("?)", r"\?\)")):
        scenario(callers)


def test_the_customers_of_the_data_file_call_and_iapi_looks_most() -> None:
    rates = callers_of(load(find("load/day_100k")))
    looks = Counter[str]()
    for name, rate in rates.items():
        if touchpoints()[name].entry.partition(".")[2].startswith(("view", "list")):
            looks[name.partition(".")[0]] += rate
    assert looks.most_common(1)[0][0] == "iapi" and looks["iapi"] > sum(rates.values()) // 2
    assert sum(rates.values()) - sum(looks.values()) > 0


def test_what_callers_did_for_an_account_happens_again_when_it_is_told_as_a_story() -> None:
    # Nothing that needs a new price at Stripe, which whoever is first makes for all.
    dashboard = {"cancel_at_period_end": 30_000, "attach_card": 60_000}
    callers = {"dashboard": dashboard, "iapi": {"set_name": 60_000}, "product_team": {"quantity": 60_000}}
    told = scenario(callers, second_subscription=0)
    result = run_scenario(told, seed=3, keep_tape=True, keep_records=True, bodies=False)
    pinned = replace(told, answers=dict(result.tape or ()))
    compared = 0
    for number in range(1, 7):
        account = f"acct_{number:05d}"
        ((story, rename),) = narrated(pinned, account, seed=3, engine="recompute", platform=SHIPPED)
        check(story)
        answers = Labels(pinned.answers, 0).renamed(pinned.answers, rename)
        alone = run_scenario(replace(story, answers=answers), seed=3, keep_records=True, bodies=False)
        there, here = ([record for record in run.records if record[0] == "writes" and record.account == account] for run in (result, alone))
        assert [(record.component, record.store) for record in here] == [(record.component, record.store) for record in there], account
        assert all(abs(one.at_ms - other.at_ms) <= 2 for one, other in zip(here, there, strict=True)), account
        compared += any(row.do == "call" for row in story.timeline)
    assert compared >= 4
