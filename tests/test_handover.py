"""A platform that is handed over: judged from there, nothing ordered, nothing mended; who belongs to it; and the button."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.compare import compare
from billsim.core.platform import Platform
from billsim.explore.stage import Story
from billsim.handover import Belongs, choose, lines
from billsim.replay.replay import replay
from billsim.replay.tape import record
from billsim.run import RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Before, Button, Scenario
from billsim.scenario.toml_file import dump, loads, unplaced

DAY_MS = 86_400_000
# Support voids ada's bad debt on the second day, of which the old platform hears nothing. bob's last try has failed when the story begins: the grace
# is over on the 7th. cyd's card was lost, and it pays on the 8th, after the handover of the 6th.
STORY = """
id = "x/handed_over"
start = 2026-03-01T00:00:00Z
until = 2026-03-11T00:00:00Z
given = [
  { account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-02-10T06:00:00Z } ] },
  { account = "bob", invoices = [ { invoice = "bob_1", failed_attempts = 8, last_attempt = 2026-02-28T06:00:00Z } ] },
  { account = "cyd", invoices = [ { invoice = "cyd_1", failed_attempts = 8, last_attempt = 2026-02-10T06:00:00Z } ], card = "good" },
]
timeline = [
  { at = 2026-03-02T10:00:00Z, by = "support", do = "void", invoice = "ada_1" },
  { at = 2026-03-08T10:00:00Z, by = "cyd",     do = "pay",  invoice = "cyd_1", via = "hosted" },
]
[before]
engine = "legacy"
days = 5
"""
BUTTON = "[button]\nafter_days = 4\n"


def run(text: str, engine: str = "recompute", **how: Any) -> RunResult:
    return run_scenario(loads(text), engine=engine, **how)


def open_drift(result: RunResult) -> list[tuple[str, str]]:
    return sorted((each.account, each.code) for each in result.drift if each.closed_ms is None)


def test_what_stood_open_is_inherited_with_the_write_that_opened_it() -> None:
    result = run(STORY)
    told = result.data["handover"]
    assert told["inherited"] == {"bad_debt_stuck": 1} and told["causes"] == {"bad_debt_stuck": {"missing_handler": 1}}
    assert told["at"] == loads(STORY).start + 5 * DAY_MS and told["accounts"] == 3 and told["drained"]
    stuck = next(each for each in result.drift if each.code == "bad_debt_stuck")
    assert stuck.account == "ada" and stuck.opened_ms < told["at"]


def test_nothing_wakes_an_account_but_what_happens_to_it() -> None:
    """ada is never looked at; nobody has ordered bob a wake-up for the end of its grace; cyd's payment wakes the new engine."""
    result = run(STORY)
    assert result.verdict == "falls"
    assert {account for account, _ in open_drift(result)} == {"ada", "bob"}
    assert ("ada", "bad_debt_stuck") in open_drift(result) and ("bob", "bad_debt_missed") in open_drift(result)
    told = result.data["handover"]
    assert told["reached"] == {"accounts": 1, "by": {}, "never": 1, "p50_ms": 0, "max_ms": 0}
    assert told["debtors"] == {"at_handover": 1, "still_bad": 0, "not_flagged": 0}
    assert result.data["marks"]["recovered_sent"] == 1, "cyd"


def test_remediation_begins_with_the_handover() -> None:
    """What the mirror shows by night is nobody's candidate before."""
    row = '  {{ at = 2026-03-{day}T03:00:00Z, by = "cron", do = "driftcontrol", stripe = "ada bad_debt_stuck" }},\n'
    paid = '"hosted" },\n'
    for later, healed in (("", False), (row.format(day="09"), True)):
        told = STORY.replace("  { at = 2026-03-08", row.format(day="03") + "  { at = 2026-03-08", 1).replace(paid, paid + later, 1)
        told += '[remediation]\nmode = "on"\n'
        result = run(told, "legacy")
        assert result.data["handover"]["inherited"]["bad_debt_stuck"] == 1
        assert (("ada", "bad_debt_stuck") not in open_drift(result)) == healed
        assert result.data["remediation"]["attempts"] == int(healed)


def test_support_goes_through_whoever_is_left() -> None:
    result = run(STORY + BUTTON)
    told = result.data["handover"]
    assert result.verdict == "holds" and result.data["drift"]["open_at_end"] == 0
    assert told["mended_by"] == {"bad_debt_stuck": {"request.recompute": 1}} and told["reached"]["by"] == {"request.recompute": 1}
    assert told["button"] == {"pressed": 2, "in_drift": 2}
    assert [day["bad_debt_stuck"] for day in told["by_day"]][:6] == [1, 1, 1, 1, 1, 0], "day 0 is the handover, and day 5 ends after the button"


def test_the_button_comes_before_the_clock_where_it_can() -> None:
    """Pressed while bob is delinquent still: from then on a wake-up is ordered, and the end of the grace is on time."""
    result = run(STORY + "[button]\nafter_days = 1\n")
    assert result.data["handover"]["button"] == {"pressed": 3, "in_drift": 1}, "ada is stuck, bob's grace will end, and cyd will be banned"
    assert result.verdict == "holds" and result.data["marks"]["boundary_fired"] >= 1
    assert {each.account for each in result.drift} == {"ada"}


def test_the_old_engine_has_no_such_button() -> None:
    result = run(STORY + BUTTON, "legacy")
    assert result.verdict == "falls" and ("ada", "bad_debt_stuck") in open_drift(result)
    assert {account for account, _ in open_drift(result)} == {"ada"}, "its nightly job calls bob bad debt, late"


def test_an_engine_that_calls_everybody_bad_harms_who_is_healthy() -> None:
    """cyd has paid, and had inherited nothing; its payment is what wakes that engine."""
    told = run(STORY, "all_bad").data["handover"]
    assert (told["harmed"], told["harmed_first"], told["new_drift"]) == (1, ["cyd"], 2)


def test_what_went_wrong_before_is_nobodys_drift_now() -> None:
    """Closed before the handover: neither counted nor told of. The same days without one count it."""
    text = STORY.replace("days = 5", "days = 9")
    cured = [each for each in run(text, "legacy").drift if each.account == "bob"]
    alone = run_scenario(replace(loads(text), before=None), engine="legacy")
    assert cured == [] and [each for each in alone.drift if each.account == "bob"]


def test_the_first_part_is_the_same_whoever_takes_over() -> None:
    comparison = compare(loads(STORY + BUTTON), ["legacy", "recompute"])
    assert comparison.pairing.holds and comparison.pairing.equal == comparison.pairing.by_both
    legacy, recompute = (comparison.results[name].data["handover"] for name in ("legacy", "recompute"))
    assert legacy["inherited"] == recompute["inherited"] and legacy["at"] == recompute["at"]


def test_it_is_replayed_to_the_same_digest(tmp_path: Path) -> None:
    record(loads(STORY + BUTTON), tmp_path / "run", seed=3, engine="recompute")
    assert replay(tmp_path / "run", strict=True).same_digest


def test_orders_are_not_searched_across_a_handover() -> None:
    with pytest.raises(InputError, match="handed over"):
        Story(loads(STORY), "recompute", platform=Platform())


def test_a_scenario_that_is_handed_over_survives_being_written() -> None:
    people = "[population]\naccounts = 9\ndays = 5\nnewcomers = { accounts = 5, cleared = 1 }\naftermath = { waived = 3, returns = 4 }\n"
    people += "challenged = 7\n"
    told = 'id = "x"\nstart = 2026-03-01T00:00:00Z\n[before]\nengine = "legacy"\ndays = 3\naccounts = 8\ndrift = { bad_debt_stuck = 1 }\n'
    for text in (STORY + BUTTON, told + people + BUTTON.replace("4", "2")):
        scenario = loads(text)
        assert unplaced(loads(dump(scenario))) == unplaced(scenario)
    scenario = loads(told + people)
    assert scenario.before == Before(engine="legacy", days=3, accounts=8, drift={"bad_debt_stuck": 1})
    assert scenario.until == scenario.start + 8 * DAY_MS, "the population's days are counted from the handover"
    assert loads(STORY + BUTTON).button == Button(after_days=4)


# -- who belongs to it ---------------------------------------------------------------------------------------------------------------

STANDING = {"b": ("stuck",), "c": ("stuck", "flags"), "d": ("stuck",), "f": ("flags",), "g": ("other",)}


def chosen(debtors: int = 0, accounts: int = 0, **drift: int) -> Belongs:
    return choose(Before(engine="legacy", days=1, accounts=accounts, debtors=debtors, drift=drift), "abcdefghi", STANDING, ("f", "h", "i"), 0)


def test_each_stays_while_there_is_room_for_what_it_is_in() -> None:
    assert chosen() == (list("abcdefghi"), [])
    assert chosen(stuck=2) == (list("abcefghi"), ["d"])
    assert chosen(stuck=2, flags=1) == (list("abceghi"), ["d", "f"])
    assert chosen(stuck=1, flags=1) == (list("aceghi"), ["b", "d", "f"]), "c, who is in both, goes before b"
    assert chosen(debtors=2) == (list("abcdefgh"), ["i"])
    assert chosen(debtors=1, flags=2) == (list("abcdefg"), ["h", "i"]), "f is a debtor whose flags disagree"


def test_of_those_who_are_in_nothing_the_last_leave() -> None:
    assert chosen(accounts=8) == (list("abcdfghi"), ["e"])
    assert chosen(accounts=7, stuck=2) == (list("abcfghi"), ["d", "e"])


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"stuck": 4}, "under seed 0 the first part came to 3 stuck of 4: it needs more days or accounts"),
        ({"debtors": 5}, "under seed 0 the first part came to 3 debtors of 5: it needs more days or accounts"),
        ({"accounts": 10}, "only 9 accounts may stay, of 10: the population needs more"),
    ],
)
def test_a_place_that_nobody_fills_is_an_error(asked: dict[str, int], line: str) -> None:
    with pytest.raises(InputError, match=line):
        chosen(**asked)


# -- what is told --------------------------------------------------------------------------------------------------------------------


def test_it_is_told_in_a_few_lines() -> None:
    told = list(lines(run(STORY + BUTTON).data["handover"]))
    assert told[0].startswith("Handed over by legacy at 2026-03-06T00:00:00Z, after ") and told[0].endswith(": 3 accounts")
    assert told[1:] == [
        "  bad_debt_stuck: 1 inherited, 0 on day 7, 0 at the end",
        "  1 accounts in drift: 1 by request.recompute; 0 never reached",
        "  support pressed the button for 2 accounts, 2 of them in drift",
        "  1 true debtors: 0 still are, 0 of these not flagged",
        "  0 healthy accounts were harmed",
    ]


HEAD = STORY.partition("[before]")[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{HEAD}[before]\nengine = "legasy"\ndays = 5\n', "before.engine: unknown engine 'legasy'"),
        (f'{HEAD}[before]\nengine = "legacy"\ndays = 0\n', "before.days: must be 1 to 3660"),
        (f'{HEAD}[before]\nengine = "legacy"\ndays = 10\n', "before.days: end after the scenario, see 'until'"),
        (f'{HEAD}[before]\nengine = "legacy"\ndays = 5\ndebtors = 1\n', "before: chooses among the accounts of a 'population', and there is none"),
        (f"{HEAD}{BUTTON}", "button: needs a handover to count its days from, see 'before'"),
        (STORY + BUTTON.replace("4", "40"), "button.after_days: lie after the scenario's end"),
        (STORY.replace("days = 5", "days = 5\ndrift = { bad_debt_stick = 1 }"), "before.drift.bad_debt_stick: unknown drift code 'bad_debt_stick'"),
    ],
)
def test_what_cannot_be_handed_over_is_one_line(text: str, line: str) -> None:
    with pytest.raises(InputError) as error:
        loads(text, "x.toml")
    assert line in str(error.value)


def test_a_world_without_a_handover_has_nothing_of_it() -> None:
    scenario: Scenario = replace(loads(STORY), before=None)
    assert "handover" not in run_scenario(scenario).data and scenario.handover == scenario.start
