"""Explain, on real runs: who raced, how old what was read was, and what an unreadable or unfinished run says."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from billsim.replay.explain import Explained, explain
from billsim.replay.tape import record
from billsim.rundir import RunDir, read_rows
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import find, load
from billsim.telling import show_explained


def made(folder: Path, story: str, engine: str = "legacy") -> Path:
    record(load(find(story)), folder / "run", seed=0, engine=engine)
    return folder / "run"


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("race"), "dunning/pay_bad_debt_vs_webhook")


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("late"), "dunning/late_failed_after_paid")


def lines(explained: Explained, most: int = 10) -> list[str]:
    out = Console(width=400, record=True, file=StringIO())
    show_explained(out, explained, "my-run", most)
    return out.export_text().splitlines()


def test_the_json_has_the_keys_of_the_contract(race: Path) -> None:
    [drift] = explain(race).data["drift"]
    assert {"account", "code", "opened_at", "closed_at", "opening_write", "raced_with", "read_version", "cause", "ticket"} <= set(drift)
    assert (drift["account"], drift["code"], drift["cause"]) == ("ada", "no_successful_payment_stuck", "lost_update")
    assert (drift["read_version"], drift["opening_write"]["version"]) == (1, 2)
    assert 120_000 < drift["read_age_ms"] < 125_000
    assert drift["closed_at"] is None and drift["ticket"] is None


def test_who_wrote_between_read_and_write_raced(race: Path) -> None:
    [story] = explain(race).stories
    decisive = [raced for raced in story.raced if raced.decisive]
    assert [raced.component for raced in decisive] == ["invoice_paid"]
    assert decisive[0].writes[0]["store"] == "subs_account"
    assert decisive[0].writes[0]["fields"] == [["flags", 49153, 1]]
    assert {raced.component for raced in story.raced} >= {"bank", "ledger", "invoice_paid"}
    assert not any(raced.component == "facade_pay" for raced in story.raced)


def test_a_stale_event_is_as_old_as_its_snapshot_and_was_overtaken_by_the_payment(late: Path) -> None:
    story = next(story for story in explain(late).stories if story.code == "bad_debt_stuck")
    day_ms = 86_400_000
    # Declined on the 14th at 02:30, released on the 15th at 03:00.
    assert day_ms < (story.data["read_age_ms"] or 0) < day_ms + 3_600_000
    assert "customer" in {raced.component for raced in story.raced if raced.decisive}


def test_what_stands_open_is_told_first_and_then_by_time(late: Path) -> None:
    stories = explain(late).stories
    still_open = [story.closed_ms is None for story in stories]
    assert still_open == sorted(still_open, reverse=True) and len(set(still_open)) == 2
    assert [story.opened_ms for story in stories if story.closed_ms] == sorted(story.opened_ms for story in stories if story.closed_ms)
    assert {story.code for story in explain(late, code="entitlement_drift").stories} == {"entitlement_drift"}


def test_a_story_is_told_in_the_order_in_which_it_happened(race: Path) -> None:
    told = lines(explain(race))
    assert told[0] == "dunning/pay_bad_debt_vs_webhook under legacy, seed 0: 1 drift, 1 open at the end"
    assert told[1] == "ada  no_successful_payment_stuck, open at the end; lost_update: the row had moved since its writer had read it"
    times = [line.split()[0] for line in told if line.startswith("  2026-")]
    assert times == sorted(times) and len(times) == 3
    assert "facade_pay read it: subs_account flags 49152" in told[2]
    assert "meanwhile invoice_paid" in told[3] and "flags 49153 -> 1" in told[3]
    assert any("flags 1 -> 16385, 2 min 1 s after what it went by (it had read version 1 and wrote upon version 2)" in line for line in told)
    assert "  nothing has mended it" in told


def test_a_drift_that_closed_tells_what_mended_it(late: Path) -> None:
    told = lines(explain(late, code="entitlement_drift"))
    assert any(line.split("  ")[-1].startswith("mended by ") for line in told)
    assert "  nothing has mended it" not in told


def test_what_is_left_out_is_counted(late: Path) -> None:
    assert any("--limit 7" in line for line in lines(explain(late), most=1))


def test_a_run_without_drift_has_no_story(tmp_path: Path) -> None:
    explained = explain(made(tmp_path, "dunning/void_after_bad_debt", "recompute"))
    assert explained.stories == [] and explained.data["drift"] == []
    assert lines(explained) == ["dunning/void_after_bad_debt under recompute, seed 0: 0 drifts, 0 open at the end"]


def test_a_ticket_about_the_drift_is_named(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_ms = explain(race).stories[0].opened_ms
    filed = {"n": 0, "account": "ada", "kind": "CUSTESC", "code": "no_successful_payment_stuck", "text": "I have paid"}
    def with_tickets(path: Path, table: str, accounts: Any = None) -> list[dict[str, Any]]:
        early, late = {**filed, "at_ms": opened_ms - 1, "text": "too early"}, {**filed, "at_ms": opened_ms + 1}
        return [early, late] if table == "tickets" else read_rows(path, table, accounts)

    monkeypatch.setattr("billsim.replay.explain.read_rows", with_tickets)
    assert explain(race).data["drift"][0]["ticket"] == "I have paid"


def test_a_run_that_was_stopped_is_explained_as_far_as_it_came(tmp_path: Path) -> None:
    RunDir(tmp_path / "run", load(find("dunning/void_after_bad_debt")), {"seed": 5, "engine": "legacy"}).close()
    explained = explain(tmp_path / "run")
    assert explained.complete is False
    assert "  the run was stopped before its end: what stood open then is not among them" in lines(explained)


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"account": "adda"}, "--account: no drift of 'adda' in this run (did you mean 'ada'?)"),
        ({"code": "x"}, "--code: no drift of 'x' in this run"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(race: Path, how: dict[str, str], line: str) -> None:
    with pytest.raises(InputError) as refused:
        explain(race, **how)
    assert str(refused.value) == f"{race}: {line}"


def test_a_table_that_is_no_parquet_is_told_in_one_line(tmp_path: Path) -> None:
    run = made(tmp_path, "dunning/void_after_bad_debt", "recompute")
    (run / "drift" / "00000.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="/drift: the table cannot be read: ") as refused:
        explain(run)
    assert "\n" not in str(refused.value)
