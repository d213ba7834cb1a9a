"""Import of store rows: the world starts from them at their moment, and what was given beside them follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from billsim.replay.importer import ImportReport, import_events
from billsim.replay.replay import replay
from billsim.replay.tape import record
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import TimelineRow
from billsim.scenario.rows import read_rows
from billsim.scenario.toml_file import load
from tests.replay.row_tables import (
    ACCESS,
    BOUGHT,
    DAY,
    DUNNING,
    HOUR,
    LEDGER,
    MAPPING,
    METADATA,
    MOMENT_S,
    PAID,
    PROFILES,
    event,
    invoice,
    story,
    tables,
)


def imported(folder: Path, files: list[Path], **options: Any) -> ImportReport:
    return import_events(files, folder / "out", **options)


def ran(report: ImportReport, engine: str = "recompute") -> RunResult:
    return run_scenario(load(report.scenario), engine=engine)


def drifts(result: RunResult) -> set[tuple[str, str]]:
    return {(drift.code, drift.cause) for drift in result.drift}


def said(report: ImportReport) -> str:
    return "\n".join(note.message for note in report.notes)


def test_rows_that_agree_are_no_drift_and_the_events_follow(tmp_path: Path) -> None:
    report = imported(tmp_path, [*tables(tmp_path), story(tmp_path)])
    assert (report.accounts, report.events, report.rows) == (2, 2, 18)
    scenario = load(report.scenario)
    assert (scenario.start, scenario.rows, scenario.reconstructed) == (MOMENT_S * 1000, "out.rows.jsonl", ())
    result = ran(report)
    assert result.verdict == "holds"
    assert result.drift == []
    assert result.data["events"]["delivered"] >= 2


def test_the_events_are_news_and_not_drift_of_the_first_moment(tmp_path: Path) -> None:
    """Under an engine that does nothing the first disagreement is that of the failure, two hours after the rows' moment."""
    report = imported(tmp_path, [*tables(tmp_path), story(tmp_path)])
    result = ran(report, "noop")
    opened = {drift.code: drift.opened_ms for drift in result.drift}
    assert opened["dunning_wrong"] == (MOMENT_S + 2 * HOUR) * 1000
    assert min(opened.values()) == opened["dunning_wrong"]
    closed = {drift.code: drift.closed_ms for drift in result.drift}
    assert closed["dunning_wrong"] == (MOMENT_S + DAY) * 1000


def test_drift_in_the_rows_is_given_and_its_cause_is_data(tmp_path: Path) -> None:
    stuck = DUNNING.replace("1001,healthy,0,0", "1001,bad_debt,8,3")
    flagged = PROFILES.replace("self_serve,1\n1002", "self_serve,32769\n1002")
    report = imported(tmp_path, tables(tmp_path, {"subs_dunning": stuck, "subs_account": flagged}))
    result = ran(report, "noop")
    assert drifts(result) == {("bad_debt_stuck", "data"), ("debt_flags_inconsistent", "data")}
    assert {drift.opening.kind for drift in result.drift} == {"given"}
    assert {drift.opened_ms for drift in result.drift} == {MOMENT_S * 1000}


@pytest.mark.parametrize(
    ("store", "old", "new", "code"),
    [
        ("cf_prod", "1001,zone_plan,pro_monthly", "1001,zone_plan,free", {"entitlement_drift"}),
        ("subs_account", "US,self_serve,1", "US,self_serve,16385", {"no_successful_payment_stuck"}),
        ("subs_dunning", "1001,healthy,0,0", "1001,retrying,2,1", {"dunning_wrong"}),
        ("stripe_metadata", "cus_RealOne,self_serve,", "cus_RealOne,self_serve,true", {"bad_debt_stuck", "debt_flags_inconsistent"}),
    ],
)
def test_each_store_brings_its_own_drift(tmp_path: Path, store: str, old: str, new: str, code: set[str]) -> None:
    text = {"cf_prod": ACCESS, "subs_account": PROFILES, "subs_dunning": DUNNING, "stripe_metadata": METADATA}[store]
    assert old in text
    result = ran(imported(tmp_path, tables(tmp_path, {store: text.replace(old, new)})), "noop")
    assert {drift.code for drift in result.drift if drift.opening.kind == "given"} == code


def test_a_store_that_is_not_given_is_reconstructed_from_truth_and_marked(tmp_path: Path) -> None:
    missing: dict[str, str | None] = dict.fromkeys(("subs_dunning", "cf_prod", "stripe_metadata", "www"))
    report = imported(tmp_path, [*tables(tmp_path, missing), story(tmp_path)], at="2026-03-10T06:00:00Z")
    assert load(report.scenario).reconstructed == ("subs_dunning", "cf_prod", "stripe_metadata", "www")
    assert "no rows of subs_dunning, cf_prod, stripe_metadata, www: reconstructed from truth" in said(report)
    assert ran(report).drift == []


def test_what_the_audit_trail_owes_is_debt_at_stripe(tmp_path: Path) -> None:
    """An open invoice and eight failed charges of its amount, which only billing_prod tells: exhausted, so delinquent."""
    owed = LEDGER + "".join(f"1001,ch_Fail{n},failed,2500,0\n" for n in range(8)) + "1001,in_Owed,open,2500,0\n"
    for row, code in (("1001,delinquent,8,2", set()), ("1001,retrying,8,1", {"dunning_wrong", "consequence_missing"})):
        told: dict[str, str | None] = {"billing_prod": owed, "subs_dunning": DUNNING.replace("1001,healthy,0,0", row)}
        report = import_events(tables(tmp_path, told), tmp_path / row.replace(",", "-"))
        assert {drift.code for drift in ran(report, "noop").drift if drift.opening.kind == "given"} == code


def test_events_before_the_moment_are_history_and_those_that_come_late_still_come(tmp_path: Path) -> None:
    early = event(1, "invoice.payment_failed", invoice(created=MOMENT_S - 3 * HOUR), MOMENT_S - HOUR)
    news = event(2, "invoice.paid", invoice(**{**PAID, "created": MOMENT_S - 3 * HOUR}), MOMENT_S + DAY)
    late = event(3, "invoice.finalized", invoice(created=MOMENT_S - 3 * HOUR, attempt_count=0, attempted=False), MOMENT_S - 2 * HOUR)
    retrying = DUNNING.replace("1002,healthy,0,0", "1002,retrying,1,1")
    files = [*tables(tmp_path, {"subs_dunning": retrying, "billing_prod": None}), story(tmp_path, [early, news, late])]
    report = imported(tmp_path, files)
    assert "1 events up to that moment are history and tell what Stripe held; 2 follow" in said(report)
    assert "1 of those that follow were made before the moment: they arrive late" in said(report)
    result = ran(report)
    assert result.data["events"]["delivered"] >= 2
    assert result.drift == []


def test_a_state_that_only_a_later_event_shows_is_stepped_back_to(tmp_path: Path) -> None:
    """The third attempt fails after the moment, so two had failed by then: the rows' `retrying 2` is right."""
    failed = event(1, "invoice.payment_failed", invoice(created=MOMENT_S - 5 * DAY, attempt_count=3), MOMENT_S + HOUR)
    files = [*tables(tmp_path, {"subs_dunning": DUNNING.replace("1002,healthy,0,0", "1002,retrying,2,1"), "billing_prod": None})]
    result = ran(imported(tmp_path, [*files, story(tmp_path, [failed])]), "noop")
    assert {drift.code for drift in result.drift if drift.opened_ms == MOMENT_S * 1000} == set()
    assert [drift.opened_ms for drift in result.drift if drift.code == "dunning_wrong"] == [(MOMENT_S + HOUR) * 1000]


def test_previous_attributes_say_how_it_was(tmp_path: Path) -> None:
    payload = invoice(created=MOMENT_S - 5 * DAY, attempt_count=2)
    turned = event(1, "invoice.updated", payload, MOMENT_S + HOUR, previous_attributes={"attempt_count": 1})
    retrying = DUNNING.replace("1002,healthy,0,0", "1002,retrying,1,1")
    files = [*tables(tmp_path, {"subs_dunning": retrying, "billing_prod": None}), story(tmp_path, [turned])]
    result = ran(imported(tmp_path, files), "noop")
    assert [drift.opened_ms for drift in result.drift if drift.code == "dunning_wrong"] == [(MOMENT_S + HOUR) * 1000]


def test_two_accounts_on_one_customer_and_one_without_are_set_apart(tmp_path: Path) -> None:
    merged = MAPPING.replace("cus_RealTwo", "cus_RealOne") + "1003,,,\n"
    files = tables(tmp_path, {"subs_customer": merged, "stripe_metadata": None})
    report = imported(tmp_path, files)
    result = ran(report)
    assert result.data["accounts"] == 3
    assert result.data["drift"]["unhealable"] == 3
    assert result.data["findings"] == [] and result.data["events"]["dead_letter"] == 0
    assert "this account of subs_customer is not in subs_dunning and subs_account: kept so, as drift" in said(report)


def test_nothing_real_is_left_in_what_is_written(tmp_path: Path) -> None:
    params = '"{""email"": ""jane.roe@corp.test"", ""id"": ""cus_RealOne""}"'
    audit = f"account,at,params,result,failed\n1001,2026-03-09T02:00:00Z,{params},Jane Roe,true\n"
    (tmp_path / "cfbill_migrations_audit.csv").write_text(audit)
    report = imported(tmp_path, [*tables(tmp_path), story(tmp_path), tmp_path / "cfbill_migrations_audit.csv"])
    text = "".join(path.read_text(encoding="utf-8") for path in report.scenario.parent.iterdir()) + said(report)
    for real in ("Real", "jane", "Jane", "Roe", "roe.test", "Smith", "smith", "corp.test", "1001", "ope-1", "pro_monthly", str(tmp_path)):
        assert real not in text, real
    assert '"flags":1' in text and '"zone_plan"' in text


def test_names_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    report = imported(tmp_path, [*tables(tmp_path), story(tmp_path)], keep_names=True)
    rows = read_rows(report.scenario.parent / "out.rows.jsonl")
    assert rows.of("acct_1001", "subs_account")[0]["email"] == "jane.roe@corp.test"
    assert rows.of("acct_1002", "ope")[0] == {**rows.of("acct_1002", "ope")[0], "plan": "pro_monthly", "stripe_subscription": "sub_acct_1002"}
    assert "in_Real3" in (report.scenario.parent / "out.events.jsonl").read_text()
    assert ran(report).drift == []


def test_csv_json_lines_and_parquet_tell_the_same(tmp_path: Path) -> None:
    written = {}
    for kind in ("csv", "jsonl", "parquet"):
        folder = tmp_path / kind
        folder.mkdir()
        files = tables(folder)
        for path in files if kind != "csv" else []:
            copied = path.with_suffix(f".{kind}")
            form = "PARQUET" if kind == "parquet" else "JSON"
            with duckdb.connect(":memory:") as database:
                database.execute(f"COPY (SELECT * FROM read_csv('{path}')) TO '{copied}' (FORMAT {form})")
        report = import_events([path.with_suffix(f".{kind}") for path in files], tmp_path / f"out_{kind}" / "it.toml")
        written[kind] = (report.scenario.parent / "it.rows.jsonl").read_text()
    assert written["csv"] == written["jsonl"] == written["parquet"]


def test_the_audit_is_a_table_of_the_run_and_a_run_from_rows_can_be_replayed(tmp_path: Path) -> None:
    audit = (
        "account,at,params,result,failed\n1001,2026-03-09T02:00:00Z,{},MergedAccount,true\n1002,2026-03-11T02:00:00Z,{},applied,false\n"
    )
    (tmp_path / "audit.csv").write_text(audit)
    files, stores = [*tables(tmp_path), story(tmp_path)], {"cfbill_migrations_audit": tmp_path / "audit.csv"}
    report = imported(tmp_path, files, stores=stores, at="2026-03-10T06:00:00Z")
    assert "2 attempts to mend accounts, 1 of them failed" in said(report)
    result = record(load(report.scenario), tmp_path / "run", seed=0, engine="recompute")
    with duckdb.connect(":memory:") as database:
        found = database.execute(f"SELECT result, failed FROM '{tmp_path}/run/remediation/*.parquet' ORDER BY at_ms").fetchall()
    assert found == [("MergedAccount", True), ("applied", False)]
    for path in report.scenario.parent.iterdir():
        path.unlink()
    again = replay(tmp_path / "run", strict=True)
    assert again.same_digest and again.result.data["digest"] == result.data["digest"]


def test_importing_again_writes_the_same(tmp_path: Path) -> None:
    files = [*tables(tmp_path), story(tmp_path)]
    texts = []
    for name in ("one", "two"):
        report = import_events(files, tmp_path / name / "it.toml", seed=7)
        texts.append([path.read_bytes() for path in sorted(report.scenario.parent.iterdir())])
    assert texts[0] == texts[1] and len(texts[0]) == 3


def test_a_subscription_with_several_items_and_the_second_of_an_account(tmp_path: Path) -> None:
    more = BOUGHT + "1001,ope-1,active,sub_Real1,addon,extra,500\n1001,ope-9,canceled,sub_Real9,addon-2,extra2,700\n"
    access = ACCESS + "1001,addon,extra\n"
    report = imported(tmp_path, tables(tmp_path, {"ope": more, "cf_prod": access}))
    rows = [json.loads(line) for line in (report.scenario.parent / "out.rows.jsonl").read_text().splitlines()]
    keys = [row["key"] for row in rows if row["store"] == "ope" and row["key"].endswith("-2")]
    assert len(keys) == 1
    assert ran(report, "noop").drift == []


def test_an_audit_trail_that_misses_what_events_show_is_ledger_drift(tmp_path: Path) -> None:
    """Stripe had made the invoice before the moment, as an event of then shows, and billing_prod does not know of it."""
    made = event(1, "invoice.payment_failed", invoice(created=MOMENT_S - 2 * HOUR), MOMENT_S - HOUR)
    retrying = DUNNING.replace("1002,healthy,0,0", "1002,retrying,1,1")
    result = ran(imported(tmp_path, [*tables(tmp_path, {"subs_dunning": retrying}), story(tmp_path, [made])]), "noop")
    assert drifts(result) == {("ledger_drift", "data")}


def test_a_recompute_that_support_asks_for_heals_what_was_given(tmp_path: Path) -> None:
    """No event touches the account; a row in the timeline wakes the engine, as the page on incidents says."""
    report = imported(tmp_path, tables(tmp_path, {"subs_dunning": DUNNING.replace("1001,healthy,0,0", "1001,bad_debt,8,3")}))
    scenario = load(report.scenario)
    stuck = ran(report).drift
    assert stuck and all(drift.closed_ms is None for drift in stuck)
    row = TimelineRow(at=scenario.start + HOUR * 1000, by="support", do="recompute", params={"account": stuck[0].account})
    healed = run_scenario(replace(scenario, timeline=(row,)))
    assert healed.verdict == "holds"
    assert {drift.code for drift in healed.drift} == {drift.code for drift in stuck}
