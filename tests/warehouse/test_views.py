"""The views over rows written by hand (view_cases.py), and what the project says of itself.

All accounts stand in one snapshot, each named for its case, so that no view mistakes one for another.
"""

from __future__ import annotations

from typing import Any

import pytest

from billsim.checks.codes import CODES, UNJUSTIFIED
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS
from billsim.warehouse.bigquery import connect
from billsim.warehouse.dataform import shipped
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.runner import Views, run_unit_tests, run_views
from billsim.warehouse.tables import TABLES, TOLD
from tests.warehouse.platform_rows import DAY_S, NOW_MS, NOW_S, Account, mirrored
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
    assert money["not_paid_up_yet"] == (1, 24000, 24000, 0, True)
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


# A platform that has every figure otherwise, and keys that no path of JSON would take as they are.
OWN = DunningPolicy(
    grace_ms={"default": 5 * DAY_MS, "paypal": 36 * HOUR_MS},
    ban_after_ms=10 * DAY_MS,
    max_attempts=4,
    bad_debt_flag=1 << 20,
    no_success_flag=1 << 21,
    bad_debt_key="written off",
    bad_debt_since_key="written_off_at",
    no_success_key="never_paid",
    account_type_key="type",
    bad_debt_amount_key='"amount"',
    contract_types=("reseller",),
)


def told_by(policy: DunningPolicy, name: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Columns of a view by account, over six accounts whose platform follows this policy."""
    flags, keys = 1 << 20 | 1 << 14, '{"written off":"true","written_off_at":"7","type":"reseller","bad_debt_since":"8"}'
    days = {"late": 6, "later": 16}
    owing = [Account(name).owe(NOW_S - days * DAY_S, attempt_count=4) for name, days in days.items()]
    paypal = Account("paypal").owe(NOW_S - 2 * DAY_S)
    paypal.rows["stripe_charges"][0]["payment_method_type"] = "paypal"
    given = [*owing, paypal, Account("bits").set("subs_account", flags=flags), Account("keys").set("stripe_customers", metadata=keys)]
    marked = Account("marked").set("stripe_invoices", metadata='{"\\"amount\\"":"5"}').set("subs_account", account_type="reseller")
    connection = connect()
    mirror = Mirror(connection)
    mirror.load(mirrored([*given, marked]))
    mirror.follow(policy)
    views = Views(connection, shipped())
    views.run(NOW_MS)
    places = [views.columns(name).index(column) for column in columns]
    return {row[0]: tuple([row[place] for place in places]) for row in views.rows(name)}


def test_the_views_follow_the_policy_of_the_platform() -> None:
    usual, own = (told_by(policy, "expected_dunning", "expected_status", "expected_level") for policy in (DunningPolicy(), OWN))
    assert [usual[name] for name in ("late", "later", "paypal")] == [("delinquent", 2), ("bad_debt", 3), ("delinquent", 2)]
    assert [own[name] for name in ("late", "later", "paypal")] == [("bad_debt", 3), ("bad_debt", 4), ("bad_debt", 3)]
    assert "marked" in usual and "marked" not in own, "a contract type is not judged"
    held = ("bad_debt_flag", "no_success_flag", "has_bad_debt_key", "bad_debt_since_key", "account_type_key")
    usual, own = (told_by(policy, "account_state", *held) for policy in (DunningPolicy(), OWN))
    assert (usual["bits"][:2], own["bits"][:2]) == ((False, True), (True, False))
    assert (usual["keys"][2:], own["keys"][2:]) == ((False, "8", None), (True, "7", "reseller"))
    usual, own = (told_by(policy, "stripe_invoices_metadata", "bad_debt_amount") for policy in (DunningPolicy(), OWN))
    assert (usual, own) == ({}, {"in_marked_1": ("5",)})
    for policy, details in ((DunningPolicy(), set()), (OWN, {"bit 20 is on"})):
        told = told_by(policy, "drift_bad_debt_stuck", "entity", "detail")
        assert {detail for entity, detail in told.values() if entity == "subs_account.flags"} == details


def test_what_a_platform_says_of_a_schedule_that_gave_up_early() -> None:
    """Of four attempts a usual schedule makes eight, and so whoever paid after the fourth had not been bad."""
    for policy, was_bad in ((DunningPolicy(), []), (OWN, [("in_ada_1", True)])):
        connection = connect()
        mirror = Mirror(connection)
        paid = {"status": "paid", "amount_paid": 2000, "amount_remaining": 0, "attempt_count": 4, "paid_at": NOW_S - DAY_S}
        mirror.load(mirrored([Account("ada").owe(NOW_S - 9 * DAY_S, **paid)]))
        mirror.follow(policy)
        views = Views(connection, shipped())
        views.run(NOW_MS)
        named = views.columns("invoice_collection")
        assert [(row[named.index("invoice")], row[named.index("was_bad_when_paid")]) for row in views.rows("invoice_collection")] == was_bad


def test_the_project_declares_the_tables_of_the_mirror() -> None:
    declared = {(each.target.schema, each.target.name) for each in shipped().declarations}
    assert declared == {(table.dataset, table.name) for table in (*TABLES, *TOLD)}
