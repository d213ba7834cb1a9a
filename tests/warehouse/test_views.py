"""The views over rows written by hand (view_cases.py), and what the project says of itself.

All accounts stand in one snapshot, each named for its case, so that no view mistakes one for another.
"""

from __future__ import annotations

from typing import Any

import pytest

from billsim.checks.codes import CODES, UNJUSTIFIED
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS
from billsim.warehouse.bigquery import connect
from billsim.warehouse.dataform import SHIPPED, shipped
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.runner import Views, run_unit_tests, run_views
from billsim.warehouse.tables import TABLES, YESTERDAY_DRIFT
from tests.warehouse.platform_rows import NOW_MS, NOW_S, mirrored
from tests.warehouse.view_cases import CASES, Case, Found, accounts


def views_over(rows: dict[str, list[tuple[Any, ...]]], yesterday: list[tuple[str, str, str, str]] | None = None) -> Views:
    connection = connect()
    mirror = Mirror(connection)
    mirror.load(rows)
    mirror.remember(yesterday or [])
    views = Views(connection, shipped())
    views.run(NOW_MS)
    return views


@pytest.fixture(scope="module")
def night() -> Views:
    return views_over(mirrored(accounts()))


@pytest.fixture(scope="module")
def detected(night: Views) -> dict[str, Found]:
    found: dict[str, Found] = {case.name: set() for case in CASES}
    for account, code, entity, _, _ in night.rows("detected_drift"):
        found[account].add((code, entity))
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case(case: Case, detected: dict[str, Found]) -> None:
    assert detected[case.name] == {(code, entity.replace("{}", case.name)) for code, entity in case.found}


def test_every_code_that_a_snapshot_can_show_has_a_case(night: Views) -> None:
    shown = {code for case in CASES for code, _ in case.found}
    assert shown == set(CODES) - {UNJUSTIFIED}
    assert {code for code, *_ in night.rows("drift_by_code")} == shown


def test_every_assertion_holds_whatever_is_wrong_with_the_platform(night: Views) -> None:
    assert [str(broken) for broken in night.broken()] == []


def test_unit_tests_in_the_folder_pass() -> None:
    tested = run_unit_tests(connect(), shipped(), NOW_MS)
    assert len(tested) == 7
    assert [(each.test.name, each.wrong) for each in tested if each.wrong] == []


def test_39_definitions_each_says_what_it_is_and_what_each_column_means(night: Views) -> None:
    assert len(night.graph.views) == 39
    for view in night.graph.views:
        assert view.description and not view.written_as
        assert set(view.columns) == set(night.columns(view.name)), view.name


def test_every_drift_view_has_the_same_columns(night: Views) -> None:
    telling = [each for each in night.graph.views if "detected" in each.tags]
    assert len(telling) == 17
    for view in telling:
        assert night.columns(view.name) == ("account", "code", "entity", "detail", "detected_date")


def test_the_two_detectors_are_apart(night: Views) -> None:
    assert {code for _, code, *_ in night.rows("www_drift_zones")} == {"www_drift"}
    for name in ("stripe_drift_missing", "stripe_drift_ghost", "stripe_drift_terms"):
        assert {code for _, code, *_ in night.rows(name)} == {"stripe_drift"}


def test_each_line_item_is_of_one_class(night: Views) -> None:
    rows, columns = night.rows("element_classification"), night.columns("element_classification")
    account, product, told = columns.index("account"), columns.index("product"), columns.index("class")
    classes = {(row[account], row[product]): row[told] for row in rows}
    assert len(classes) == len(rows)
    assert classes["agrees", "zone_plan"] == "expected_in_stripe"
    assert classes["ended_and_owed_for", "zone_plan"] == "bad_debt_item"
    assert classes["ghost", "addon"] == "deleted_from_ope"
    assert classes["contract", "zone_plan"] == "contract"
    assert classes["next_period_not_asked", "zone_plan"] == "delayed_upgrade"
    assert classes["no_price", "extra"] == "missing_price"
    for change in ("more_of_it", "dearer", "other_plan", "yearly", "other_product"):
        assert classes[f"{change}_later", "zone_plan"] == "delayed_upgrade"
    assert classes["other_product_later", "addon"] == "delayed_upgrade"
    assert classes["same_later", "zone_plan"] == "expected_in_stripe"


def test_the_summary_has_a_row_for_each_account_with_an_inconsistency(night: Views, detected: dict[str, Found]) -> None:
    rows, columns = night.rows("cloudflare_account_inconsistencies_summary"), night.columns("cloudflare_account_inconsistencies_summary")
    by_account = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert set(by_account) == {account for account, found in detected.items() if found}
    told = by_account["turns_bad_now"]
    assert (told["findings"], told["codes"], told["bad_debt_missed"], told["consequence_missing"], told["ledger_drift"]) == (9, 4, 5, 2, 0)


def test_inconsistent_bad_debt_accounts(night: Views) -> None:
    rows = {row[0]: row[1:] for row in night.rows("cloudflare_inconsistent_bad_debt_accounts")}
    assert set(rows) == {"status_stuck", "bit_stuck", "key_stuck", "no_dunning_row"}
    assert rows["bit_stuck"] == ("cus_bit_stuck", "healthy", True, False, "healthy", 0)


def test_details_say_what_is_held_and_what_should_be(night: Views) -> None:
    details = {(account, entity): detail for account, _, entity, detail, _ in night.rows("detected_drift")}
    assert details["higher_plan", "zone_plan"] == "biz, should be pro"
    assert details["never_bought", "addon"] == "big, should be free: never bought"
    assert details["wrong_level", "subs_dunning"] == "bad_debt 8 2, should be bad_debt 8 3"
    assert details["turns_bad_now", "cus_turns_bad_now.bad_debt_since"] == f"absent, should be {NOW_S}"
    assert details["other_quantity", "ope_other_quantity/zone_plan"] == "2 x 2000 a month at Stripe, bought 1 x 2000 a month"
    assert details["old_in_ledger", "in_old_in_ledger_1"] == "entry paid paid 1 remaining 0, at Stripe paid paid 2000 remaining 0"


def test_health_and_money(night: Views) -> None:
    health = {row[0]: row for row in night.rows("account_health")}
    assert len(health) == len(CASES)
    assert [health[name][2] for name in ("agrees", "bit_stuck", "contract", "all_know")] == ["healthy", "drifting", "not_judged", "owing"]
    assert health["all_know"][3:] == (0, 0, "bad_debt", 2000)
    money = {row[0]: row[1:] for row in night.rows("subscription_reconciliation")}
    assert money["agrees"] == (1, 24000, 24000, 0, True)
    assert money["ghost"] == (2, 24000, 24000 + 6000, 6000, False)
    assert money["yearly_at_stripe"] == (1, 24000, 2000, -22000, False)
    receivables = {row[:2]: row[2:] for row in night.rows("receivables")}
    owing = [row for row in health.values() if row[5] == "bad_debt"]
    assert receivables["self_serve", "bad_debt"][:3] == (len(owing), len(owing), sum(row[6] for row in owing))


def test_new_is_what_the_night_before_did_not_show() -> None:
    before = [("zone_left_behind", "www_drift", "zone_left_behind.example", "as it was"), ("agrees", "www_drift", "agrees.example", "mended since")]
    night = views_over(mirrored(accounts([case for case in CASES if case.name in ("agrees", "zone_left_behind", "other_price")])), before)
    assert [row[:3] for row in night.rows("new_drift")] == [("other_price", "stripe_drift", "ope_other_price/zone_plan")]
    assert [row[:3] for row in night.rows("persistent_drift")] == [before[0][:3]]
    assert [row[0::2] for row in night.rows("account_health")] == [
        ("agrees", "healthy", 0, 0),
        ("other_price", "drifting", 0, 0),
        ("zone_left_behind", "drifting", 1, 0),
    ]
    counts = {row[0]: row[1:] for row in night.rows("drift_by_code")}
    assert (counts["www_drift"], counts["stripe_drift"], counts["ledger_drift"]) == ((1, 1, 0, 1), (1, 1, 1, 0), (0, 0, 0, 0))


def test_rows_do_not_depend_on_the_order_in_which_the_mirror_was_filled() -> None:
    told = mirrored(accounts())
    found = []
    for rows in (told, {table: list(reversed(rows)) for table, rows in told.items()}):
        connection = connect()
        Mirror(connection).load(rows)
        found.append(run_views(connection, shipped(), NOW_MS))
    assert found[0] == found[1]
    assert list(found[0]) == [view.name for view in shipped().views]


def test_the_clock_decides_what_is_bad() -> None:
    connection = connect()
    Mirror(connection).load(mirrored(accounts([case for case in CASES if case.name == "turns_bad_now"])))
    views = Views(connection, shipped())
    views.run(NOW_MS - 1000)
    assert [row[2] for row in views.rows("expected_dunning")] == [False]
    views.run(NOW_MS)
    assert [row[2] for row in views.rows("expected_dunning")] == [True]


def test_the_views_follow_the_policy_that_ships() -> None:
    quickjs = pytest.importorskip("quickjs")
    source = (SHIPPED / "includes" / "policy.js").read_text(encoding="utf-8")
    context = quickjs.Context()
    context.eval(f"const module = {{}};\n{source}")

    def told(name: str) -> Any:
        return context.eval(f"module.exports.{name}")

    policy = DunningPolicy()
    assert (1 << told("badDebtBit"), 1 << told("noSuccessBit")) == (policy.bad_debt_flag, policy.no_success_flag)
    assert told("graceDays") * DAY_MS == policy.grace_ms["default"]
    assert {"paypal": told("graceDaysOf.paypal") * DAY_MS} == {kind: ms for kind, ms in policy.grace_ms.items() if kind != "default"}
    assert (told("banAfterDays") * DAY_MS, told("maxAttempts")) == (policy.ban_after_ms, policy.max_attempts)
    assert tuple(told("contractTypes.join()").split(",")) == policy.contract_types


def test_the_project_declares_the_tables_of_the_mirror() -> None:
    declared = {(each.target.schema, each.target.name) for each in shipped().declarations}
    assert declared == {(table.dataset, table.name) for table in (*TABLES, YESTERDAY_DRIFT)}
