"""An engine that is a program: what it is told, what it may ask for, and that whatever it does wrong is a finding and no more."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from billsim.core.platform import Names, Platform, ProgramLimits
from billsim.engines import UnknownEngineError, check_engine, end_engine, load_engine
from billsim.external.misbehaviour import KINDS
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import find, load
from tests.driver import message
from tests.processes import alive, gone, looks_at_processes

STORY = "dunning/void_after_bad_debt"
PROGRAM = Path(__file__).with_name("program.py")
QUICK = Platform(program=ProgramLimits(answer_ms=400, start_ms=4_000, line_bytes=1_000_000))


def spec(*arguments: object) -> str:
    return "cmd:" + shlex.join([sys.executable, "-S", str(PROGRAM), *map(str, arguments)])


def ran(*arguments: object, platform: Platform = QUICK, story: str = STORY) -> RunResult:
    return run_scenario(load(find(story)), engine=spec(*arguments), platform=platform)


def signatures(result: RunResult) -> Counter[str]:
    return Counter(finding["signature"] for finding in result.data["findings"] if finding["check"] == "engine_program")


WRONG = [
    ("hangs", "hangs", "nothing came within 400 ms"),
    ("dies", "dies", "it ended with exit code 1; it said: ArithmeticError: no such debt"),
    ("is_killed", "dies", "it ended with signal SIGKILL"),
    ("ends", "closes", "it ended with exit code 0"),
    ("closes", "closes", "its output is closed, and it goes on"),
    ("garbage", "garbage", "it said 'Starting up...'"),
    ("list", "garbage", "it said '[{"),
    ("bytes", "garbage", "it said "),
    ("huge", "huge_line", "more than 1000000 bytes"),
    ("twice", "out_of_turn", "and answered n = "),
    ("wrong_account", "wrong_account", "it was asked about 'ada', and decided about 'bob'"),
    ("no_decision", "no_decision", "it has no field 'statos' (did you mean 'status'?)"),
    ("wrong_type", "no_decision", "Expected `int`, got `str`"),
    ("none", "no_decision", "it is NoneType, and no object"),
]


@pytest.mark.parametrize(("mode", "kind", "detail"), WRONG, ids=[mode for mode, *_ in WRONG])
def test_each_way_to_misbehave_is_a_finding_of_its_own_and_it_is_given_up_after_three(mode: str, kind: str, detail: str) -> None:
    result = ran(mode)
    assert result.verdict == "falls"
    assert signatures(result) == {f"engine_program/{kind}": 3}, "the first, and after each of two restarts; then nobody asks it any more"
    (first, *_) = [finding for finding in result.data["findings"] if finding["check"] == "engine_program"]
    assert first["account"] == "ada" and KINDS[kind] in first["summary"] and detail in first["summary"] and "\n" not in first["summary"]


@pytest.mark.parametrize(
    ("mode", "kind", "detail"),
    [
        ("never_greets", "hangs", "nothing came within 500 ms"),
        ("speaks_protocol_2", "greeting", "it speaks protocol 2, and this version 1"),
        ("dances", "greeting", "its form is 'dance', and has to be decide or handle"),
        ("wakes_wrongly", "greeting", "its 'wakes' is no list of kinds of messages"),
    ],
)
def test_who_greets_wrongly_is_found_once_and_not_asked_again(mode: str, kind: str, detail: str) -> None:
    result = ran(mode, platform=Platform(program=ProgramLimits(start_ms=500)))
    assert result.verdict == "falls" and signatures(result) == {f"engine_program/{kind}": 1}
    assert any(detail in finding["summary"] for finding in result.data["findings"])


def test_a_program_that_says_that_it_failed_is_neither_killed_nor_given_up() -> None:
    result = ran("says_so")
    assert set(signatures(result)) == {"engine_program/failed"} and signatures(result).total() > 3
    assert "the moon is full" in result.data["findings"][0]["summary"]


def test_one_that_dies_once_is_started_again_and_its_message_delivered_again(tmp_path: Path) -> None:
    once, always = ran("dies_once", tmp_path / "died"), ran("right")
    assert signatures(once) == {"engine_program/dies": 1} and not signatures(always)
    assert once.data["events"]["redelivered"] > always.data["events"]["redelivered"] == 0
    assert [d.code for d in once.drift if d.closed_ms is None] == [d.code for d in always.drift if d.closed_ms is None]


def test_much_on_standard_error_blocks_nobody() -> None:
    assert not signatures(ran("floods_stderr", platform=Platform()))


def test_a_brain_decides_and_billsim_applies() -> None:
    """It calls everybody healthy, like the engine of that name: so both leave the same trace, in any process."""
    result = ran("right", story="dunning/late_failed_after_paid")
    again = ran("right", story="dunning/late_failed_after_paid")
    assert result.data["digest"] == again.data["digest"]
    assert result.verdict == "falls" and not result.data["findings"], result.data["findings"]
    assert {"bad_debt_missed", "dunning_wrong"} & set(result.data["drift"]["by_code"])


# -- the form that handles -------------------------------------------------------------------------------------------------------------


def questions(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_program_that_handles_may_ask_for_every_effect(tmp_path: Path) -> None:
    result = ran("handle_all", tmp_path / "log")
    assert not result.data["findings"], result.data["findings"]
    asked = questions(tmp_path / "log")
    task = next(question["task"] for question in asked if question.get("message", {}).get("account") == "ada")
    first = [question for question in asked if question["task"] == task]
    message, (state, part, row, kept, rows, lost, refused, nobody, customer, coin, wait, now, slept, started, _) = first[0]["message"], first[1:]
    assert message["account"] == "ada" and message["kind"] and set(message) == {"name", "kind", "account", "at_ms", "event", "body"}
    assert state["result"]["stores"]["subs_dunning"]["status"] == "bad_debt"
    assert state["result"]["stripe"]["invoices"]["in_ada_1"]["customer"] == "cus_ada"
    assert part["result"]["stores"]["subs_account"] is None and part["result"]["stores"]["subs_dunning"]
    assert row["result"]["account"] == "ada" and set(kept["result"]) == {"ope_ada"} and rows["result"] == []
    assert lost["result"] is None and refused["result"] is False
    assert (nobody["raised"]["type"], nobody["raised"]["status"], nobody["raised"]["code"]) == ("StripeError", 404, "resource_missing")
    assert customer["result"]["id"] == "cus_ada" and coin["result"] in (0, 1) and 5 <= wait["result"] <= 10
    assert now["result"] > message["at_ms"] and slept["result"] is None and started["result"] is None


@pytest.mark.parametrize(
    ("mode", "kind", "detail"),
    [
        ("handle_other", "wrong_account", "it was asked about 'ada', and its read is for 'bob'"),
        ("handle_other_row", "wrong_account", "its transact is for 'bob'"),
        ("handle_other_task", "out_of_turn", "and answered for 't0'"),
        ("handle_unknown", "no_effect", "there is no 'reed' (did you mean 'read'?)"),
        ("handle_store", "no_effect", "there is no store 'subs_duning' (did you mean 'subs_dunning'?)"),
        ("handle_column", "no_effect", "subs_dunning has no column 'state' to be written (did you mean 'status'?)"),
        ("handle_version", "no_effect", "subs_dunning has no column 'version' to be written"),
        ("handle_type", "no_effect", "subs_dunning.done: Expected `array`, got `str`"),
        ("handle_part", "no_effect", "'subs_dunnin' is no part of a gather (did you mean 'subs_dunning'?)"),
        ("handle_sleep", "no_effect", "sleep: Expected `int`, got `str`"),
        ("handle_nobody", "no_effect", "read names no account"),
        ("handle_ask", "no_effect", "it takes a kind, and quantiles or weights"),
    ],
)
def test_what_a_handling_program_may_not_ask_for(mode: str, kind: str, detail: str, tmp_path: Path) -> None:
    result = ran(mode, tmp_path / "log")
    assert signatures(result) == {f"engine_program/{kind}": 3}
    assert any(detail in finding["summary"] for finding in result.data["findings"]), result.data["findings"]


def test_a_store_that_refuses_is_told_to_the_program_whose_affair_it_then_is(tmp_path: Path) -> None:
    result = ran("handle_owner", tmp_path / "log")
    assert not signatures(result)
    told = [question["raised"] for question in questions(tmp_path / "log") if "raised" in question]
    assert told[0] == {"type": "OwnershipError", "message": "engine is not among the writers of cf_prod"}


def test_a_program_that_wants_a_message_again_gets_it_and_that_is_no_finding(tmp_path: Path) -> None:
    result = ran("handle_wants_again", tmp_path / "log")
    assert not signatures(result) and result.data["events"]["redelivered"] > 0


def test_it_hears_only_of_what_it_asked_for(tmp_path: Path) -> None:
    ran("handle_narrow", tmp_path / "log")
    kinds = {question["message"]["kind"] for question in questions(tmp_path / "log")}
    assert kinds and all(kind.startswith("stripe.invoice.") or kind == "request.recompute" for kind in kinds)
    engine = load_engine(spec("handle_narrow", tmp_path / "log"))
    try:
        woken = [tuple(engine.wakes(message(kind))) for kind in ("stripe.invoice.paid", "boundary", "async.email", "async.mine")]
    finally:
        end_engine(engine)
    assert woken == [("engine",), (), ("email",), ()], "what is lent to it is woken all the same"


def test_names_of_tables_columns_and_statuses_are_the_platforms(tmp_path: Path) -> None:
    names = Names({"bad_debt": "written_off"}, {"subs_dunning": "collections"}, {"subs_dunning": {"status": "state"}})
    ran("handle_all", tmp_path / "log", platform=Platform(names=names))
    first = next(question for question in questions(tmp_path / "log") if "result" in question)
    collections = first["result"]["stores"]["collections"]
    assert collections["state"] == "written_off" and "status" not in collections and "subs_dunning" not in first["result"]["stores"]


# -- beginning and end -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("cmd:", "engine 'cmd:': names no program, as in cmd:./recompute"),
        ("cmd:no-such-program --fast", "engine 'cmd:no-such-program --fast': there is no program 'no-such-program' that can be run"),
        ("cmd:'./x", 'engine "cmd:\'./x": No closing quotation'),
    ],
)
def test_what_cannot_be_started_is_said_in_one_line(named: str, line: str) -> None:
    for look in (check_engine, load_engine):
        with pytest.raises(UnknownEngineError) as raised:
            look(named)
        assert str(raised.value) == line


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(b"\x00\x01 no program")
    file.chmod(0o755)
    with pytest.raises(UnknownEngineError, match="cannot be started: Exec format error"):
        load_engine(f"cmd:{file}")


def test_looking_whether_there_is_such_a_program_does_not_start_it(tmp_path: Path) -> None:
    check_engine(spec("has_children", tmp_path / "pids"))
    assert not (tmp_path / "pids").exists()


@looks_at_processes
def test_at_the_end_of_a_run_the_program_and_its_children_are_gone(tmp_path: Path) -> None:
    ran("has_children", tmp_path / "pids")
    assert gone([int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()])


@looks_at_processes
def test_ctrl_c_ends_the_program_and_its_children_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    engine = "cmd:" + shlex.join([sys.executable, "-S", str(PROGRAM), "has_children", str(pids)])
    (tmp_path / "slow.toml").write_text(
        find("load/small").read_text(encoding="utf-8").replace("accounts = 200", "accounts = 5000"), encoding="utf-8"
    )
    command = [sys.executable, "-m", "billsim.cli", "run", "slow.toml", "--engine", engine]
    source = str(Path(__file__).resolve().parents[2] / "src")
    run = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": source}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not (pids.exists() and pids.read_text(encoding="utf-8").count(" ")):
        time.sleep(0.02)
    started = [int(pid) for pid in pids.read_text(encoding="utf-8").split()]
    assert all(alive(pid) for pid in started)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert (run.returncode, out, err.count("\n")) == (130, "", 1)
    assert gone(started)
