"""`billsim fuzz` and `billsim mutants` in processes of their own: what a script or a CI job sees, and what a kill leaves."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from billsim import cli
from tests.processes import gone, happens, looks_at_processes, started

RACE, CRON = "dunning/pay_bad_debt_vs_webhook", "dunning/cron_reads_stale_list"
FLAGS = "drift/no_successful_payment_stuck/lost_update/subs_account.flags"
STUCK = "drift/bad_debt_stuck/stale_read/subs_dunning.status"
# What differs between two campaigns that are the same.
MEASURED = ("wall_s", "runs_per_s", "jobs", "out")
Answer = tuple[int, str, str]


def billsim(folder: Path, *arguments: object) -> Answer:
    run = started(*arguments, cwd=folder)
    out, err = run.communicate()
    return run.returncode, out, err


def answered(folder: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    code, out, err = billsim(folder, *arguments, "--json")
    assert err == "" and out.count("\n") == 1, err
    data: dict[str, Any] = json.loads(out)
    return code, data


def same(data: dict[str, Any]) -> dict[str, Any]:
    """Without what was measured."""
    told = [{key: value for key, value in group.items() if not key.startswith("shrink_") and key != "file"} for group in data["distinct"]]
    return {**{key: value for key, value in data.items() if key not in MEASURED}, "distinct": told}


def test_the_object_is_what_scripts_depend_on(tmp_path: Path) -> None:
    code, data = answered(tmp_path, "fuzz", RACE, CRON, "--engine", "legacy", "--runs", 20, "--strategy", "fifo")
    assert (code, data["verdict"], data["runs"], data["failing_runs"], data["complete"]) == (1, "falls", 20, 20, True)
    assert data["runs_per_s"] > 0 and data["marks"]["lost_update_happened"] > 0 and data["marks"]["dead_letter_used"] == 0
    first, second, *_ = data["distinct"]
    assert (first["signature"], first["first_run"], first["seed"], first["scenario"]) == (FLAGS, 0, 0, RACE)
    assert (second["signature"], second["first_run"], second["seed"], second["scenario"]) == (STUCK, 1, 0, CRON)
    for group in data["distinct"]:
        assert group["replays"] is True and group["timeline_rows"] >= 0
        seed = ("--seed", group["file_seed"])
        assert answered(tmp_path, "run", group["file"], "--engine", "legacy", *seed)[0] == 1
        assert answered(tmp_path, "run", group["file"], *seed)[0] == 0


def test_what_holds_ends_with_0_and_one_line_says_so(tmp_path: Path) -> None:
    assert answered(tmp_path, "fuzz", CRON, "--runs", 8)[0] == 0
    code, out, err = billsim(tmp_path, "fuzz", CRON, "--runs", 8, "--quiet")
    assert (code, out, err) == (0, f"holds  {CRON} under recompute: 8 runs from seed 0, none failing\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_told_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    code, out, err = billsim(tmp_path, "fuzz", RACE, CRON, "--engine", "legacy", "--runs", 4, "--seed", 9, "--shrink", 0)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"falls  {RACE}, {CRON} under legacy: 4 runs from seed 9, 4 failing (2 distinct)"
    assert lines[lines.index(STUCK) + 1 : lines.index(STUCK) + 3] == [
        "  in 2 runs, first in run 1 (seed 9, fifo)",
        f"  billsim fuzz {CRON} --runs 1 --strategy fifo --seed 9 --engine legacy",
    ]
    again = shlex.split(lines[lines.index(STUCK) + 2])[1:]
    code, data = answered(tmp_path, *again, "--shrink", 0)
    assert code == 1 and STUCK in [group["signature"] for group in data["distinct"]]


def test_every_failing_run_is_listed_where_that_is_wanted(tmp_path: Path) -> None:
    _, data = answered(tmp_path, "fuzz", RACE, "--engine", "legacy", "--runs", 3, "--no-cluster")
    assert [(each["first_run"], each["signature"], each["file"]) for each in data["distinct"]] == [(number, FLAGS, None) for number in range(3)]
    assert answered(tmp_path, "fuzz", RACE, "--engine", "legacy", "--runs", 3, "--cluster", "--shrink", 0)[1]["distinct"][0]["runs"] == 3


def test_a_baseline_leaves_only_what_is_new_to_fail(tmp_path: Path) -> None:
    asked = ("fuzz", RACE, CRON, "--engine", "legacy", "--runs", 12, "--strategy", "fifo", "--shrink", 0)
    code, out, _ = billsim(tmp_path, *asked, "--json")
    assert code == 1
    (tmp_path / "all.json").write_text(out, encoding="utf-8")
    code, data = answered(tmp_path, *asked, "--baseline", "all.json")
    assert (code, data["verdict"], data["failing_runs"], {group["known"] for group in data["distinct"]}) == (0, "holds", 12, {True})
    (tmp_path / "some.txt").write_text(f"{FLAGS}\n", encoding="utf-8")
    code, data = answered(tmp_path, *asked, "--baseline", "some.txt")
    assert code == 1 and {group["signature"]: group["known"] for group in data["distinct"]} == {FLAGS: True, STUCK: False}
    code, data = answered(tmp_path, *asked, "--baseline", "some.txt", "--first")
    assert (code, data["runs"]) == (1, 2)
    assert "12 failing (1 distinct, 1 known)" in billsim(tmp_path, *asked, "--baseline", "some.txt")[1]


def test_a_mark_that_was_never_reached_makes_it_unknown(tmp_path: Path) -> None:
    (tmp_path / "calm.toml").write_text(
        'id = "test/calm"\nstart = 2026-03-14T00:00:00Z\nuntil = 2026-03-15T00:00:00Z\n'
        'given = [{ account = "ada" }]\n[judge]\nsometimes = ["redelivered"]\n',
        encoding="utf-8",
    )
    code, data = answered(tmp_path, "fuzz", "calm.toml", "--runs", 3)
    assert (code, data["verdict"], data["marks_missing"]) == (3, "unknown", ["redelivered"])


def test_a_limit_in_time_ends_it(tmp_path: Path) -> None:
    code, data = answered(tmp_path, "fuzz", RACE, "--time", "0.5s")
    assert (code, data["complete"]) == (0, False) and data["runs"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fuzz", "dunning/grace_runs_ou"), "there is no scenario 'dunning/grace_runs_ou' (did you mean 'dunning/grace_runs_out'?)"),
        (("fuzz", RACE, RACE), f"SCENARIO: names '{RACE}' twice"),
        (("fuzz",), "Missing argument"),
        (("fuzz", RACE, "--runs", "0"), "--runs: must be 1 to"),
        (("fuzz", RACE, "--jobs", "0"), "--jobs: must be 1 to"),
        (("fuzz", RACE, "--jobs", "1000"), "--jobs: must be 1 to"),
        (("fuzz", RACE, "--shrink", "-1"), "--shrink: must be 0 seconds or more"),
        (("fuzz", RACE, "--shrink", "nan"), "--shrink: must be 0 seconds or more"),
        (("fuzz", RACE, "--time", "soon"), "--time: must be a length of time such as 90s, 10m or 1h, not 'soon'"),
        (("fuzz", RACE, "--time", "0s"), "--time: must be a length of time"),
        (("fuzz", RACE, "--strategy", "randm"), "--strategy: there is no strategy 'randm'"),
        (("fuzz", RACE, "--seed", "-1"), "--seed: must be between 0 and"),
        (("fuzz", RACE, "--engine", "legaci"), "--engine: unknown engine 'legaci'"),
        (("fuzz", RACE, "--engine", "mutant:void_not_herd"), "(did you mean 'mutant:void_not_heard'?)"),
        (("fuzz", RACE, "--baseline", "none.json"), "none.json: --baseline: cannot be read"),
        (("mutants", "--only", "void_not_herd"), "--only: there is no mutant 'void_not_herd' (did you mean 'void_not_heard'?)"),
        (("mutants", "--half", "held"), "--half: is tuned or held_out, not 'held'"),
        (("mutants", "--strategy", "fifo,slow"), "--strategy: there is no strategy 'slow'"),
        (("mutants", "--strategy", ""), "--strategy: there is no strategy ''"),
        (("mutants", "--runs", "0"), "--runs: must be 1 to"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = cli.answer(list(arguments))
    out, err = capfd.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err, err
    code = cli.answer([*arguments, "--json"])
    out, err = capfd.readouterr()
    assert (code, err) == (2, "") and "message" in json.loads(out)["error"]


# -- kept in a folder ------------------------------------------------------------------------------------------------------------------

LONG = ("fuzz", RACE, CRON, "--engine", "legacy", "--shrink", 0)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "c" / "runs.jsonl").read_bytes().splitlines()]


def under_way(folder: Path, run: subprocess.Popen[str], batches: int = 3) -> None:
    lines = folder / "c" / "runs.jsonl"
    assert happens(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= batches) and run.poll() is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_after_kill_9_no_run_is_lost_or_repeated(tmp_path: Path, jobs: int) -> None:
    run = started(*LONG, "--runs", 1_000_000, "--jobs", jobs, "--out", "c", cwd=tmp_path)
    under_way(tmp_path, run)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    with (tmp_path / "c" / "runs.jsonl").open("ab") as lines:
        lines.write(b'{"first":99')
    runs = sum(json.loads(line)["runs"] for line in (tmp_path / "c" / "runs.jsonl").read_bytes().splitlines()[:-1]) + 50
    code, resumed = answered(tmp_path, *LONG, "--runs", runs, "--jobs", jobs, "--out", "c")
    assert (code, resumed["runs"], resumed["out"]) == (1, runs, "c")
    numbers = [number for line in lines_of(tmp_path) for number in range(line["first"], line["first"] + line["runs"])]
    assert numbers == list(range(runs))
    assert same(answered(tmp_path, *LONG, "--runs", runs)[1]) == same(resumed)
    assert json.loads((tmp_path / "c" / "result.json").read_bytes()) == resumed


@looks_at_processes
@pytest.mark.parametrize("to_the_group", [False, True])
def test_ctrl_c_says_how_to_go_on_and_leaves_no_process_behind(tmp_path: Path, to_the_group: bool) -> None:
    run = started(*LONG, "--runs", 1_000_000, "--jobs", 2, "--out", "c", cwd=tmp_path)
    under_way(tmp_path, run)
    pids = children_of(run.pid)
    assert len(pids) >= 2
    subprocess.run(["kill", "-INT", "--", str(-run.pid if to_the_group else run.pid)], check=True)
    out, err = run.communicate()
    again = f"billsim fuzz {RACE} {CRON} --runs 1000000 --jobs 2 --strategy portfolio --seed 0 --engine legacy --out c --shrink 0"
    kept = "what was finished is in c, and the same command goes on from there"
    assert (run.returncode, out, err) == (130, "", f"billsim: interrupted; {kept}; again: {again}\n")
    assert gone(pids)
    done = sum(line["runs"] for line in lines_of(tmp_path))
    assert answered(tmp_path, *LONG, "--runs", done + 1, "--out", "c")[1]["runs"] == done + 1


@looks_at_processes
def test_workers_end_when_their_campaign_is_killed(tmp_path: Path) -> None:
    run = started(*LONG, "--runs", 1_000_000, "--jobs", 2, "--out", "c", cwd=tmp_path)
    under_way(tmp_path, run)
    pids = children_of(run.pid)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert len(pids) >= 2 and gone(pids, seconds=30)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in found.split()]


def test_two_at_once_and_another_campaign_are_refused_in_one_line(tmp_path: Path) -> None:
    run = started(*LONG, "--runs", 1_000_000, "--out", "c", cwd=tmp_path)
    under_way(tmp_path, run)
    code, out, err = billsim(tmp_path, *LONG, "--runs", 10, "--out", "c")
    run.kill()
    run.communicate()
    assert (code, out, err) == (2, "", "billsim: c: --out: another campaign is under way in it\n")
    code, out, err = billsim(tmp_path, *LONG, "--runs", 10, "--seed", 1, "--out", "c")
    assert (code, out, err) == (2, "", "billsim: c: --out: holds a campaign with seed 0, not 1; begin another folder\n")


def test_two_jobs_find_what_one_finds_and_the_stories_lie_in_the_folder(tmp_path: Path) -> None:
    asked = ("fuzz", "fuzz/tales", "--engine", "legacy", "--runs", 24)
    code, one = answered(tmp_path, *asked, "--out", "one")
    found = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "one" / "found").iterdir())
    assert code == 1 and sorted(each["file"] for each in one["distinct"]) == found
    assert all(each["replays"] for each in one["distinct"])
    two = answered(tmp_path, *asked, "--out", "two", "--jobs", 2)[1]
    assert same(two) == same(one)
    began = time.monotonic()
    assert same(answered(tmp_path, *asked, "--out", "two")[1]) == same(one) and time.monotonic() - began < 60


# -- mutants ---------------------------------------------------------------------------------------------------------------------------


def test_mutants_are_listed(tmp_path: Path) -> None:
    code, data = answered(tmp_path, "mutants", "--list")
    names = [each["name"] for each in data["mutants"]]
    assert code == 0 and len(names) >= 30 and names == sorted(names) and "void_not_heard" in names
    assert {each["half"] for each in data["mutants"]} == {"tuned", "held_out"} and all(each["safeguard"] for each in data["mutants"])
    assert [each["half"] for each in answered(tmp_path, "mutants", "--list", "--half", "tuned")[1]["mutants"]] == ["tuned"] * len(names[::2])
    assert "void_not_heard " in billsim(tmp_path, "mutants", "--list")[1]


def test_mutants_are_looked_for_under_each_strategy(tmp_path: Path) -> None:
    asked = ("mutants", "--only", "void_not_heard,paid_not_heard", "--strategy", "fifo,random", "--runs", 100, "--jobs", 2)
    code, data = answered(tmp_path, *asked)
    assert (code, data["verdict"], data["scenarios"]) == (0, "holds", ["fuzz/tales", "fuzz/whole"])
    assert [(each["mutant"], each["strategy"]) for each in data["mutants"]] == [
        ("paid_not_heard", "fifo"),
        ("paid_not_heard", "random"),
        ("void_not_heard", "fifo"),
        ("void_not_heard", "random"),
    ]
    for each in data["mutants"]:
        assert each["found"] and 1 <= each["runs"] <= 100 and each["rows"] <= 8 and each["holds"] and each["signature"].startswith("drift/")
    whole = [part for part in data["summary"] if part["half"] == "both"]
    assert [(part["strategy"], part["mutants"], part["found"]) for part in whole] == [("fifo", 2, 2), ("random", 2, 2)]
    assert [part["runs_median"] for part in whole] == [
        max(each["runs"] for each in data["mutants"] if each["strategy"] == name) for name in ("fifo", "random")
    ]


def test_a_mutant_that_is_not_found_is_exit_1(tmp_path: Path) -> None:
    code, out, err = billsim(tmp_path, "mutants", "dunning/grace_runs_out", "--only", "void_not_heard", "--runs", 3, "--shrink", 0)
    assert (code, err) == (1, "") and "not in 3" in out and "portfolio, both: 0 of 1 found" in out
