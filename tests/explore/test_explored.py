"""`explore` as a whole: verdict, figures, the failing order as a story, the pair that does not commute, and the laws with their canaries."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.explore.explored import TORN, Asked, Exploration, Progress, Stopped, as_file, explore
from billsim.explore.pairs import as_data, first_pair
from billsim.ports import GatherAll, Write
from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import dump, find, load, loads
from tests.explore.tiny import Tiny, story

ENGINES = "tests.explore.engines"
# Ada tries once more with a card that has no money, while the schedule's own try fails; support asks for a recompute.
TWO_FAILURES = """
    id = "explored/two_failures"
    start = 2026-03-14T00:00:00Z
    until = 2026-03-14T12:00:00Z
    calm_hours = 2
    given = [ { account = "ada", price = 2000, paid_before = false, failed_attempts = 2 } ]
    timeline = [
      { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
      { at = 2026-03-14T10:00:00Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" },
      { at = 2026-03-14T11:00:00Z, by = "support", do = "recompute", account = "ada" },
    ]
"""


def looked(scenario: Scenario, engine: str, switches: int | None = 0, **how: Any) -> Exploration:
    ships = ":" in engine or engine in ("recompute", "legacy")
    return explore(scenario, engine if ships else f"{ENGINES}:{engine}", asked=Asked(switches, **how))


def two_failures() -> Scenario:
    return loads(TWO_FAILURES)


# -- verdicts and figures


def test_recompute_holds_in_every_order() -> None:
    found = looked(load(find("dunning/duplicate_failed_counts_twice")), "recompute", None)
    assert (found.verdict, found.data["complete"], found.data["complete_within"], found.data["end_states"]) == ("holds", True, None, 1)
    assert found.data["orders"] > 1_000 > found.data["runs"]
    assert {law.holds for law in found.laws.values()} == {True}
    assert found.told is None and found.data["failing"] is None


def test_a_spent_budget_is_no_verdict() -> None:
    found = looked(load(find("races/void_pay_card_recompute")), "recompute", 2, runs=40)
    assert (found.verdict, found.data["complete"], found.data["complete_within"]) == ("unknown", False, 0)
    assert found.data["left_out"] == "the budget of branches or of time was spent"


def test_a_gather_torn_in_too_few_ways_is_owned_up_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks(message: Any) -> Any:
        yield GatherAll(message.account, ("subs_dunning", "subs_account"))

    def moves(message: Any) -> Any:
        yield Write("subs_dunning", message.account, {"since_ms": 5})
        yield Write("subs_account", message.account, {"country": "NZ"})

    def found() -> Exploration:
        return explore(story(1), lambda _policy: Tiny([looks, moves]), asked=Asked(None))

    whole = found()
    assert (whole.verdict, whole.data["complete"], whole.data["complete_within"], whole.data["left_out"]) == ("holds", True, None, None)
    monkeypatch.setattr("billsim.explore.guide.MOST_TEARS", 1)
    short = found()
    assert (short.verdict, short.data["complete"], short.data["complete_within"], short.data["left_out"]) == ("unknown", False, 2, TORN)


def test_what_a_small_bound_covered_stands_where_all_is_too_much() -> None:
    found = looked(load(find("dunning/void_after_bad_debt")), "recompute", None, runs=1_000)
    assert (found.verdict, found.data["complete"], found.data["complete_within"]) == ("unknown", False, 2)


def test_the_pair_that_does_not_commute() -> None:
    found = looked(load(find("races/void_pay_card_recompute")), "recompute")
    one, other = found.data["non_commuting"]
    assert (one["do"], other["do"]) == ("update_card", "pay")


def test_rows_that_commute_are_no_pair() -> None:
    assert first_pair(story(3), "recompute", 0) is None
    assert as_data(story(1).timeline[0]) == {"at": "2026-03-14T01:00:00Z", "by": "support", "do": "recompute", "account": "ada", "line": 0}


def test_what_has_no_orders_is_refused() -> None:
    with pytest.raises(InputError, match="is a population"):
        looked(load(find("load/small")), "recompute")
    with pytest.raises(InputError, match="cannot be taken back"):
        explore(story(), "cmd:true")


def test_ctrl_c_tells_what_was_covered() -> None:
    def interrupt(to: Progress) -> None:
        if to.runs > 100:
            raise KeyboardInterrupt

    with pytest.raises(Stopped) as stopped:
        explore(load(find("races/void_pay_card_recompute")), asked=Asked(2), progress=interrupt)
    explored = stopped.value.explored
    assert explored.within == 0 and explored.orders >= 24 and not explored.complete


def test_the_same_twice() -> None:
    once, again = (looked(two_failures(), "recompute", 1).data for _ in range(2))
    for figure in ("wall_s", "orders_per_s", "runs_per_s"):
        assert once.pop(figure) is not None
        again.pop(figure)
    assert once == again


# -- the failing order as a story


def falls_by_itself(found: Exploration, engine: str) -> Scenario:
    written = as_file(found, engine, 0)
    assert written is not None
    again = loads(dump(written))
    result = run_scenario(again, engine=engine)
    assert (result.verdict, result.as_expected) == ("falls", True)
    return again


def test_a_lost_update_is_told_by_latencies() -> None:
    engine = f"{ENGINES}:loses"
    assert looked(story(2, later=1), engine, 0).verdict == "holds"
    found = looked(story(2, later=1), engine, 1)
    assert found.verdict == "falls"
    assert run_scenario(story(2, later=1), engine=engine).verdict == "holds"
    again = falls_by_itself(found, engine)
    assert 1 <= len(again.answers) <= 2
    assert again.from_ == f"explore seed=0 engine={engine}"


def test_a_torn_gather_is_told_by_latencies() -> None:
    engine = f"{ENGINES}:torn"
    assert looked(story(1), engine, 0).verdict == "holds"
    found = looked(story(1), engine, 3)  # both writes go before the gather, and one of its branches is read early
    assert found.verdict == "falls"
    assert "drift/ada/consequence_unjustified" in found.data["failing"]["wrong"]
    again = falls_by_itself(found, engine)
    assert any("/part0/gather/subs_" in label for label in again.answers)


@pytest.mark.parametrize("name", ["races/counted_twice_while_paying", "races/written_off_then_paid", "dunning/void_after_bad_debt"])
def test_what_falls_under_legacy_falls_in_its_file(name: str) -> None:
    found = looked(load(find(name)), "legacy", 1)
    assert found.verdict == "falls" and 0 < found.data["failing_orders"] < found.data["orders"]
    falls_by_itself(found, "legacy")


def test_answers_of_the_story_stay_pinned() -> None:
    engine = f"{ENGINES}:loses"
    pinned = replace(story(2, later=1), answers={"w/story/row0/offset": 7, "w/story/row1/offset": 9})
    again = falls_by_itself(looked(pinned, engine, 1), engine)
    assert {"w/story/row0/offset", "w/story/row1/offset"} <= set(again.answers)


# -- the laws: recompute keeps them, and each is broken by an engine made for that


def test_recompute_keeps_the_laws() -> None:
    found = looked(two_failures(), "recompute", 1)
    assert {name: law.holds for name, law in found.laws.items()} == dict.fromkeys(found.laws, True)
    assert all(law.tried for law in found.laws.values())


@pytest.mark.parametrize(
    ("law", "engine"),
    [
        ("idempotent", "counts_requests"),
        ("order_invariant", "believes_events"),
        ("duplicate_invariant", "counts_deliveries"),
        ("split_invariant", "minds_lateness"),
        ("minimal_diff", "writes_what_is"),
    ],
)
def test_each_law_can_be_broken(law: str, engine: str) -> None:
    found = looked(two_failures(), engine, 1)
    assert found.laws[law].holds is False
    assert found.laws[law].counter
    if law.startswith(("duplicate", "split")):
        assert found.laws["order_invariant"].holds


def test_a_law_with_nothing_to_try_it_on_is_untried() -> None:
    def nothing(_message: Any) -> Any:
        yield from ()

    found = explore(story(1), lambda _policy: Tiny([nothing]), asked=Asked(0))
    assert found.laws["minimal_diff"].holds is None
