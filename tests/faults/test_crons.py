"""The scheduler's faults: a night that is missed, a job that is started twice, and a second run that begins while the first one walks."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.core.time import DAY_MS, MINUTE_MS, SECOND_MS
from billsim.faults.base import Dial, Shift
from billsim.faults.catalogue import weather_of
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import find, load, loads

NIGHT = "nightly.20526"
ALWAYS = 1_000_000


def shifts(**faults: Any) -> tuple[tuple[Shift, ...], list[str]]:
    choices = Seeded(1)
    weather = weather_of({name: Dial(**dial) for name, dial in faults.items()}, choices, lambda customer: ())
    assert weather is not None
    found = weather.shifts(NIGHT)
    weather.stopped = True
    assert weather.shifts("nightly.20527") == (Shift(),), "the storm is over"
    return found, [label for label, _ in choices.asked]


def test_a_night_is_missed() -> None:
    assert shifts(cron_missed={"ppm": ALWAYS}) == ((), [f"w/fault/cron_missed/{NIGHT}"])
    assert shifts(cron_missed={"ppm": 1}) == ((Shift(),), [f"w/fault/cron_missed/{NIGHT}"])


def test_a_job_is_started_twice_within_two_seconds() -> None:
    (first, second), labels = shifts(cron_twice={"ppm": ALWAYS})
    assert first == Shift() and 0 <= second.after_ms <= 2 * SECOND_MS and not second.while_running
    assert labels == [f"w/fault/cron_twice/{NIGHT}", f"w/fault/cron_twice/{NIGHT}/apart"]


def test_a_second_run_begins_within_its_minutes_if_the_first_is_still_at_it() -> None:
    (first, second), labels = shifts(cron_overlap={"ppm": ALWAYS, "minutes": 2})
    assert first == Shift() and 3 * SECOND_MS <= second.after_ms <= 2 * MINUTE_MS and second.while_running
    assert labels == [f"w/fault/cron_overlap/{NIGHT}", f"w/fault/cron_overlap/{NIGHT}/after"]


def test_the_job_that_is_not_started_has_no_second_run() -> None:
    found, labels = shifts(cron_missed={"ppm": ALWAYS}, cron_twice={"ppm": ALWAYS})
    assert found == () and labels == [f"w/fault/cron_missed/{NIGHT}"]


STORY = """
    id = "x"
    start = 2026-03-14T00:00:00Z
    until = 2026-03-17T00:00:00Z
    cron_minute = 720
    given = [
      { account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-07T10:00:00Z } ] },
      { account = "bob", invoices = [ { invoice = "bob_1", failed_attempts = 8, last_attempt = 2026-03-07T10:10:00Z } ] },
      { account = "cem", invoices = [ { invoice = "cem_1", failed_attempts = 8, last_attempt = 2026-03-07T10:20:00Z } ] },
    ]
"""


def nights(faults: str, answers: str = "", seed: int = 0) -> tuple[list[int], RunResult]:
    """The instants, from the story's start, at which legacy's job read its list; the last night of the run is always held."""
    scenario = loads(f"{STORY}\nfaults = {{ {faults} }}\n[answers]\n{answers}")
    run = run_scenario(scenario, seed=seed, engine="legacy", keep_tape=True, keep_records=True)
    scan = "/nightly_cron/subs_dunning/scan"
    begun = [label.split("/")[1] for label, _ in run.tape or () if label.startswith("e/nightly.") and label.endswith(scan)]
    return sorted(int(name.split(".")[1]) - 20526 for name in begun if name.split(".")[1].isdigit()), run


def test_the_job_is_held_every_night_and_not_on_one_that_is_missed() -> None:
    assert nights("cron_missed = { ppm = 0 }")[0] == [0, 1, 2, 3, 4]
    assert nights("cron_missed = { ppm = 1 }", '"w/fault/cron_missed/nightly.20527" = 1')[0] == [0, 2, 3, 4]


def test_a_job_that_is_started_twice_runs_twice_and_both_are_counted_as_overlapping() -> None:
    held, run = nights("cron_twice = { ppm = 1 }", f'"w/fault/cron_twice/{NIGHT}" = 1\n"w/fault/cron_twice/{NIGHT}/apart" = 500')
    assert held == [0, 0, 1, 2, 3, 4] and run.data["marks"]["cron_overlapped"] == 1
    assert {finding["check"] for finding in run.data["findings"]} == {"action_twice"}


@pytest.mark.parametrize(("after_s", "held"), [(5, [0, 0, 1, 2, 3, 4]), (200, [0, 1, 2, 3, 4])])
def test_what_would_begin_after_the_first_run_has_ended_does_not(after_s: int, held: list[int]) -> None:
    found, run = nights("cron_overlap = { ppm = 1 }", f'"w/fault/cron_overlap/{NIGHT}" = 1\n"w/fault/cron_overlap/{NIGHT}/after" = {after_s * 1000}')
    assert found == held and run.data["marks"].get("cron_overlapped", 0) == len(held) - 5


@pytest.mark.parametrize("name", ["cron_missed", "cron_twice", "cron_overlap"])
def test_recompute_which_has_no_nightly_job_does_not_mind(name: str) -> None:
    for seed in range(10):
        assert run_scenario(loads(f"{STORY}\nfaults = {{ {name} = {{ ppm = {ALWAYS} }} }}"), seed=seed).verdict == "holds"


def test_the_told_stories_do_not_hang_on_a_seed() -> None:
    """Two runs at once escalate somebody twice; a night that is missed leaves a debt unflagged until the next."""
    for seed in range(8):
        for name in ("cron_twice", "cron_overlap"):
            run = run_scenario(load(find(f"faults/{name}")), seed=seed, engine="legacy")
            assert {finding["check"] for finding in run.data["findings"]} == {"action_twice"} and run.data["marks"]["cron_overlapped"] == 1
        run = run_scenario(load(find("faults/cron_missed")), seed=seed, engine="legacy")
        missed = next(drift for drift in run.drift if drift.code == "bad_debt_missed")
        assert missed.closed_ms is not None and missed.closed_ms - missed.opened_ms > DAY_MS
