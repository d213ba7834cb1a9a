"""The world around an engine: what an engine may get wrong, and what the wiring promises."""

from __future__ import annotations

from collections.abc import Generator
from time import time as wall_clock
from typing import Any

import msgspec
import pytest

from billsim import run as main_path
from billsim import world
from billsim.core.policy import DunningPolicy
from billsim.engine.decide import decide
from billsim.ports import AccountState, Component, Decision, GatherAll, Message, Write
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import TimelineRow
from billsim.scenario.toml_file import find, load

STORY = "dunning/void_after_bad_debt"


class Honest:
    """A brain brought from outside that decides as the shipped one does."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        return decide(state, now_ms, policy)


class Raising(Honest):
    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        raise KeyError("nobody")


class Clocked(Honest):
    """Looks at the wall clock, as nobody may."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        import time

        time.time()
        return super().decide(state, now_ms, policy)


class Remembering(Honest):
    """Has captured the wall clock by name, before any world ran."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        wall_clock()
        return super().decide(state, now_ms, policy)


class Trespassing:
    """A facade component that writes the engine's own store."""

    name = "trespassing"

    def __init__(self) -> None:
        self.components = {"facade": Component("facade", "facade", self.handle)}

    def wakes(self, message: Message) -> list[str]:
        return ["facade"]

    def handle(self, message: Message) -> Generator[Any, Any, None]:
        yield Write("subs_dunning", "ada", {"status": "healthy"})


class Unfinished(Trespassing):
    """Wakes a component that it does not have."""

    def wakes(self, message: Message) -> list[str]:
        return ["brain"]


class Onlooker:
    """The other form of the port: a component that says itself what it reads and writes."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def handle(self, message: Message) -> Generator[Any, Any, None]:
        if message.account:
            state = yield GatherAll(message.account)
            self.seen.append(state.account)


def run(factory: str, story: str = STORY) -> RunResult:
    return run_scenario(load(find(story)), engine=f"{__name__}:{factory}")


def checks(result: RunResult) -> set[str]:
    return {finding["check"] for finding in result.data["findings"]}


def test_a_brain_from_outside_is_lent_the_gather_and_the_apply() -> None:
    result = run("Honest")
    assert result.verdict == "holds" and result.data["recompute"]["count"] > 0


def test_a_component_from_outside_is_woken_and_judged() -> None:
    result = run("Onlooker")
    assert result.verdict == "falls" and not result.data["findings"]
    assert "bad_debt_stuck" in result.data["drift"]["by_code"], "it looks on, and mends nothing"


def test_what_a_brain_raises_is_a_finding_and_ends_in_the_dead_letter() -> None:
    result = run("Raising")
    assert result.verdict == "falls" and checks(result) == {"component_failed"}
    assert result.data["events"]["dead_letter"] > 0
    assert "KeyError" in result.data["findings"][0]["summary"]


@pytest.mark.parametrize("brain", ["Clocked", "Remembering"])
def test_a_look_at_the_wall_clock_is_a_finding(brain: str) -> None:
    result = run(brain)
    assert checks(result) == {"component_failed"} and "GuardError" in result.data["findings"][0]["summary"]


def test_a_write_by_a_non_writer_is_a_finding() -> None:
    result = run("Trespassing")
    assert checks(result) == {"ownership"}
    assert "facade is not among the writers of subs_dunning" in result.data["findings"][0]["summary"]


def test_an_engine_that_wakes_what_it_does_not_have_is_a_finding() -> None:
    assert checks(run("Unfinished")) == {"engine_failed"}


def test_flags_and_account_types_that_change_wake_the_brain() -> None:
    """A self-serve account that becomes a contract is written no more; its debt is settled by hand."""
    story = load(find("dunning/grace_runs_out"))
    change = TimelineRow(at=story.start + 1, by="support", do="change_account_type", params={"account": "ada", "account_type": "jdc"})
    opt_in = TimelineRow(at=story.start, by="ada", do="set_flag", params={"flag": "marketing_opt_in", "on": True})
    rows = (opt_in, change, *story.timeline)
    result = run_scenario(msgspec.structs.replace(story, timeline=rows), engine="recompute", keep_records=True)
    woken = [record.kind for record in result.records if record[0] == "messages" and record.kind.startswith("domain.") and record.what == "finished"]
    assert sorted(woken) == ["domain.account_type_changed", "domain.flags_changed"]
    assert not [record for record in result.records if record[0] == "actions" and record.kind != "notify"]


def test_the_calm_ends_with_nothing_on_its_way() -> None:
    """Held events are released when the storm is over, dead letters are redriven once, and the pipe is empty when judgement falls."""
    result = run_scenario(load(find("dunning/late_failed_after_paid")), engine="recompute", keep_records=True)
    moves = [(record.what, record.name) for record in result.records if record[0] == "messages"]
    emitted = [name for what, name in moves if what == "emitted"]
    assert emitted and all(("finished", name) in moves or ("dropped", name) in moves for name in emitted)


def test_a_held_event_that_no_row_releases_is_released_by_the_calm() -> None:
    story = load(find("dunning/late_failed_after_paid"))
    rows = tuple(row for row in story.timeline if row.do != "release")
    result = run_scenario(msgspec.structs.replace(story, timeline=rows), engine="recompute", keep_records=True)
    released = [record.at_ms for record in result.records if record[0] == "messages" and record.what == "released"]
    assert released == [story.until] and result.verdict == "holds"


@pytest.mark.parametrize("batch", [1, 7])
def test_records_leave_in_batches_as_the_world_goes_on(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step, and not at the end of a slice of the run alone."""
    whole = run_scenario(load(find(STORY)), keep_records=True)
    sizes: list[int] = []
    monkeypatch.setattr(world, "BATCH", batch)
    monkeypatch.setattr(main_path, "_sinks", lambda out, records: [records.extend, lambda taken: sizes.append(len(taken))])
    cut = run_scenario(load(find(STORY)), keep_records=True)
    assert cut.data["digest"] == whole.data["digest"] and cut.records == whole.records
    assert max(sizes) < batch + 20 and len(sizes) > 5 and sum(sizes) == len(whole.records)
