"""The faults that strike a handler at its work: it dies before a write, or a step of it takes minutes."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.time import MINUTE_MS
from billsim.faults.base import Dial
from billsim.faults.catalogue import weather_of
from billsim.ports import Act, CallStripe, CompareAndSet, Component, Message, Now, Read, Send, Sleep, Start, Write
from billsim.run import RunResult, run_scenario
from billsim.runtime.hazards import Fate, ProcessDied
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load, loads
from tests.test_runtime import START_MS, Platform, Script

PROGRAM = Path(__file__).parent.parent / "external" / "program.py"
TASK = "e/test"
ONE_LOOK = Read("subs_dunning", "ada")


class Doom:
    """Hazards that are told what befalls whom."""

    def __init__(self, **fates: Fate) -> None:
        self.fates = fates
        self.asked: list[tuple[str, str, bool]] = []

    def fate(self, task: str, account: str, repeated: bool) -> Fate:
        self.asked.append((task, account, repeated))
        return self.fates.get(task.rpartition("/")[2], Fate())


def exposed(**fates: Fate) -> tuple[Platform, Doom]:
    platform, doom = Platform(), Doom(**fates)
    platform.runtime.expose(doom)
    return platform, doom


def writer(*fields: str) -> Script:
    def script(message: Message) -> Generator[Any, Any, None]:
        yield Read("subs_dunning", "ada")
        for field in fields:
            yield Write("subs_dunning", "ada", {field: 1})

    return script


# -- death -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "written"), [(1, []), (2, ["retry_count"]), (3, ["retry_count", "escalation_level"]), (4, None), (0, None)])
def test_a_task_dies_before_the_write_that_it_is_told(before: int, written: list[str] | None) -> None:
    platform, _ = exposed(test=Fate(dies_before=before))
    fields = ("retry_count", "escalation_level", "since_ms")
    platform.start(writer(*fields))
    platform.run()
    done = [field for record in platform.writes() for field in fields if getattr(record.new, field) != getattr(record.old, field, 0)]
    assert done == (list(fields) if written is None else written)
    assert [type(failure) for failure in platform.failures] == ([] if written is None else [ProcessDied])
    assert platform.pending == 0 and not platform.runtime.running


def test_whatever_may_be_seen_from_outside_is_a_write_and_a_look_is_none() -> None:
    platform, _ = exposed(test=Fate(dies_before=6))
    seen = []

    def script(message: Message) -> Generator[Any, Any, None]:
        yield CallStripe("invoices.retrieve", "ada", "in_1")
        yield Now()
        yield Send("boundary", "ada")
        yield CompareAndSet("subs_dunning", "ada", 0, {"retry_count": 1})
        yield Sleep(5)
        yield CallStripe("invoices.pay", "ada", "in_1")
        yield Act("flag", "ada", "in_1", "bad_debt", "k")
        seen.append("four writes")
        yield Write("subs_account", "ada", {"flags": 1})
        seen.append("five")
        yield Write("subs_account", "ada", {"flags": 2})
        seen.append("six")

    platform.start(script)
    platform.run()
    assert seen == ["four writes", "five"]


def test_the_dead_are_told_nothing_and_clean_up_nothing() -> None:
    """A process that is gone catches no exception; and a component that goes on after every failure is dead all the same."""
    platform, _ = exposed(test=Fate(dies_before=1))
    caught = []

    def script(message: Message) -> Generator[Any, Any, None]:
        try:
            yield Write("subs_dunning", "ada", {"retry_count": 1})
        except Exception as failure:
            caught.append(failure)
        yield Write("subs_dunning", "ada", {"escalation_level": 1})

    platform.start(script)
    platform.run()
    assert caught == [] and platform.writes() == []


def test_who_waits_for_the_dead_dies_with_it() -> None:
    platform, _ = exposed(child=Fate(dies_before=2))
    platform.components["child"] = Component("child", "engine", writer("retry_count", "escalation_level"))
    after = []

    def parent(message: Message) -> Generator[Any, Any, None]:
        try:
            yield Start("child", "ada", "domain.decided")
        finally:
            after.append("cleaned up")
        after.append("went on")

    ended: list[Exception | None] = []
    message = Message("m", "w", "test", "ada", START_MS)
    platform.runtime.start(Component("p", "engine", parent), message, TASK, lambda _, failure: ended.append(failure))
    platform.run()
    assert [type(failure) for failure in ended] == [ProcessDied] and "went on" not in after
    assert [type(failure) for failure in platform.failures] == [ProcessDied, ProcessDied]


@pytest.mark.parametrize(
    ("kind", "attempt", "repeated"),
    [
        ("stripe.invoice.paid", 5, True),
        ("boundary", 1, True),
        ("request.pay", 1, True),
        ("request.pay", 2, False),
        ("cron.nightly", 2, True),
        ("cron.nightly", 3, False),
    ],
)
def test_what_nobody_repeats_is_known_to_the_hazards_for_all_that_it_starts(kind: str, attempt: int, repeated: bool) -> None:
    task = f"{TASK}/attempt{attempt}/p" if attempt > 1 else TASK
    platform, doom = exposed()
    platform.components["child"] = Component("child", "engine", writer("retry_count"))

    def parent(message: Message) -> Generator[Any, Any, None]:
        yield ONE_LOOK
        yield Start("child", "ada", "stripe.invoice.paid")

    platform.runtime.start(Component("p", "engine", parent), Message("m", "w", kind, "ada", START_MS), task, lambda *_: None)
    platform.run()
    assert doom.asked == [(task, "ada", repeated), (f"{task}/child", "ada", repeated)]


# -- slowness ----------------------------------------------------------------------------------------------------------------------------


def test_a_slow_step_begins_late_and_the_world_goes_on_meanwhile() -> None:
    platform, _ = exposed(test=Fate(slow_at=2, slow_ms=7 * MINUTE_MS))
    platform.start(writer("retry_count", "escalation_level"))
    platform.kernel.call_at(START_MS + MINUTE_MS, 0, lambda _: platform.stores.write("engine", "subs_dunning", "ada", None, {"since_ms": 5}, 0))
    platform.run()
    first, second = platform.writes()
    assert first.at_ms - START_MS >= 7 * MINUTE_MS and second.at_ms - first.at_ms < 1000
    assert first.old.since_ms == 5 and platform.pending == 0


def test_between_the_last_look_and_what_is_done_outside_nothing_is_slow() -> None:
    """Nobody could look again in between, so an engine could not be blamed."""
    platform, _ = exposed(test=Fate(slow_at=2, slow_ms=MINUTE_MS))

    def script(message: Message) -> Generator[Any, Any, None]:
        yield ONE_LOOK
        yield Act("notify", "ada", "in_1", "retrying", "k")
        yield CallStripe("subscriptions.cancel", "ada", "sub_ada")
        yield Write("ope", "ada", {"status": "canceled"}, "ope_ada")

    platform.start(script)
    platform.run()
    assert platform.kernel.now - START_MS < MINUTE_MS and platform.writes()


def test_a_slow_write_can_be_the_one_that_its_process_does_not_live_to_make() -> None:
    platform, _ = exposed(test=Fate(dies_before=1, slow_at=2, slow_ms=MINUTE_MS))
    platform.start(writer("retry_count"))
    platform.run()
    assert platform.kernel.now >= START_MS + MINUTE_MS and platform.writes() == [] and len(platform.failures) == 1


# -- what is asked -----------------------------------------------------------------------------------------------------------------------


def asked(name: str, ppm: int = 1_000_000, *, repeated: bool = True, account: str = "ada", **dial: Any) -> tuple[list[str], Fate]:
    choices = Seeded(1)
    weather = weather_of({name: Dial(ppm=ppm, **dial)}, choices, lambda customer: ())
    assert weather is not None and weather.strikes_tasks
    fate = weather.fate("e/in_ada_1.paid.x/dunning_brain", account, repeated)
    return [label for label, _ in choices.asked], fate


def test_a_crash_is_asked_for_under_the_name_of_the_task() -> None:
    label = "e/fault/crash/in_ada_1.paid.x/dunning_brain"
    labels, fate = asked("crash")
    assert labels == [label, f"{label}/before"] and 1 <= fate.dies_before <= 6
    assert asked("crash", ppm=1) == ([label], Fate())
    assert asked("crash", repeated=False) == ([], Fate())
    assert asked("crash", accounts=("bob",)) == ([], Fate())


def test_slowness_is_asked_for_under_the_name_of_the_task() -> None:
    label = "e/fault/slow_handler/in_ada_1.paid.x/dunning_brain"
    labels, fate = asked("slow_handler", minutes=30, repeated=False)
    assert labels == [label, f"{label}/step", f"{label}/by"]
    assert 1 <= fate.slow_at <= 6 and 0 < fate.slow_ms <= 30 * MINUTE_MS and not fate.dies_before


def test_when_the_storm_is_over_nobody_dies() -> None:
    choices = Seeded(1)
    weather = weather_of({"crash": Dial(ppm=1_000_000), "slow_handler": Dial(ppm=1_000_000)}, choices, lambda customer: ())
    assert weather is not None
    weather.stopped = True
    assert weather.fate("e/x/dunning_brain", "ada", True) == Fate() and choices.asked == []


def test_where_no_such_fault_is_on_no_task_is_exposed() -> None:
    weather = weather_of({"late": Dial(ppm=1)}, Seeded(1), lambda customer: ())
    assert weather is not None and not weather.strikes_tasks


# -- in a world --------------------------------------------------------------------------------------------------------------------------

STORY = """
    id = "x"
    start = 2026-03-14T00:00:00Z
    given = [ { account = "ada", failed_attempts = 7, card = "declines" } ]
    timeline = [
      { at = 2026-03-14T10:00:00Z, by = "stripe",  do = "charge", invoice = "ada_1", result = "declined" },
      { at = 2026-03-14T12:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" },
    ]
"""


CRASHES = "crash = { ppm = 600000 }"


def under(faults: str, seed: int = 0, engine: str = "recompute") -> RunResult:
    scenario: Scenario = loads(f"{STORY}\nfaults = {{ {faults} }}")
    return run_scenario(scenario, seed=seed, engine=engine, keep_tape=True, keep_records=True)


@pytest.mark.parametrize("faults", [CRASHES, "slow_handler = { ppm = 600000 }", f"{CRASHES}, slow_handler = {{ ppm = 300000 }}"])
def test_recompute_goes_on_from_wherever_it_was_stopped(faults: str) -> None:
    struck = 0
    for seed in range(30):
        result = under(faults, seed)
        assert result.verdict == "holds", (seed, result.drift, result.data["findings"])
        struck += sum(1 for label, answer in result.tape or () if "/fault/" in label and answer == 1 and not label.endswith(("/before", "/step")))
    assert struck > 100


def test_what_woke_the_dead_is_delivered_again() -> None:
    for seed in range(5):
        result = under(CRASHES, seed)
        retried = [record for record in result.records if record[0] == "messages" and record.what in ("retried", "dead_letter")]
        assert retried and result.data["findings"] == []


def test_a_crash_is_a_choice_and_so_is_replayed_and_pinned() -> None:
    free = under(CRASHES)
    again = under(CRASHES)
    assert free.data["digest"] == again.data["digest"]
    scenario = loads(f"{STORY}\nfaults = {{ crash = {{ ppm = 1 }} }}")
    pins = {label: answer for label, answer in free.tape or () if label.startswith("e/fault/crash/")}
    pinned = run_scenario(replace(scenario, answers=pins))
    assert pinned.data["digest"] == free.data["digest"]


def test_of_a_program_a_task_that_died_is_heard_no_more_and_its_message_comes_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = shlex.join([sys.executable, "-S", str(PROGRAM), "handle_all", str(log)])
    result = under("crash = { ppm = 1000000 }", engine=f"cmd:{program}")
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    messages = Counter(line["message"]["name"] for line in told if "message" in line)
    assert messages["in_ada_1.payment_failed.8"] > 1 and result.data["findings"] == []


def test_the_told_stories_of_a_crash_and_of_the_wrong_path_do_not_hang_on_a_seed() -> None:
    for name, codes in (
        ("dunning/crash_between_writes", ["bad_debt_stuck", "consequence_missing"]),
        ("dunning/paypal_wrong_path", ["bad_debt_stuck", "consequence_unjustified"]),
    ):
        scenario = load(find(name))
        for seed in range(12):
            legacy = run_scenario(scenario, seed=seed, engine="legacy")
            assert sorted(drift.code for drift in legacy.drift if drift.closed_ms is None) == codes
            assert run_scenario(scenario, seed=seed).verdict == "holds"
