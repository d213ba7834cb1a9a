"""What views show beside drift: rows that are asked after, on their night, and the classes of line items; and what may be asked."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Expect, Outcome, Shown
from billsim.scenario.toml_file import dump, loads, unplaced

STORY = """
id = "x/shown"
start = 2026-03-14T00:00:00Z
until = 2026-03-15T12:00:00Z
calm_hours = 2
given = [ { account = "ada", rows = { ope = { "ope_ada/price" = 2500, "ope_ada/interval" = "year" } } } ]
[expect.noop]
every_order = { drift = [ { account = "ada", code = "stripe_drift" } ], shows = [ { view = "stripe_drift_terms", row = { account = "ada" } } ] }
[warehouse]
"""


def shown(*rows: Shown) -> bool | None:
    """Whether all of these rows are shown, in a world in which ada drifts on two nights."""
    drift = loads(STORY).expect["noop"].every_order
    assert drift is not None
    expect = {"noop": Expect(every_order=Outcome(drift=drift.drift, shows=rows))}
    return run_scenario(replace(loads(STORY), expect=expect), engine="noop").as_expected


def item(night: str = "", **row: Any) -> Shown:
    return Shown(view="element_classification", night=night, row={"account": "ada", **row})


def test_a_row_is_shown_by_what_its_columns_hold() -> None:
    billed = {"agreed_price": 2500, "stripe_price": 2000, "agreed_interval": "year", "is_as_agreed": False}
    assert shown(item(**billed)) is True
    assert shown(item(**billed), item(stripe_price=2500)) is False
    assert shown(item(is_as_agreed=0)) is False  # a truth is no number
    assert shown(Shown(view="drift.stripe_drift_terms", row={"account": "ada", "detected_date": "2026-03-15"})) is True
    assert shown(Shown(view="stripe_drift_ghost", row={"account": "ada"})) is False


def test_a_row_is_asked_after_on_the_last_night_or_on_its_own() -> None:
    new = Shown(view="new_drift", row={"account": "ada", "code": "stripe_drift"})
    assert shown(new) is False and shown(replace(new, night="2026-03-14")) is True and shown(replace(new, night="2026-03-15")) is False


def test_nothing_is_written_as_the_empty_text() -> None:
    alone = loads(STORY.replace("given = [", 'given = [ { account = "bob", stripe_customer = false },'))
    for account, expected in (("bob", True), ("ada", False)):
        rows = (Shown(view="account_mapping", row={"account": account, "customer": ""}),)
        drift = alone.expect["noop"].every_order
        assert drift is not None
        assert run_scenario(replace(alone, expect={"noop": Expect(every_order=replace(drift, shows=rows))}), engine="noop").as_expected is expected


def test_what_the_classes_are_leaves_no_trace() -> None:
    looked = run_scenario(loads(STORY), engine="noop").data
    assert looked["marks"] == {"element_expected_in_stripe": 2}
    assert run_scenario(replace(loads(STORY), warehouse=None, expect={}), engine="noop").data["digest"] == looked["digest"]


def test_the_rows_survive_being_written() -> None:
    assert unplaced(loads(dump(loads(STORY)))) == unplaced(loads(STORY))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[warehouse]", "", r"8: expect\.noop\.every_order\.shows\[0\]: no view shows anything without a mirror: see 'warehouse'"),
        ('{ account = "ada" } }', "{} }", r"shows\[0\]\.row: says nothing of the row: it needs columns, as in \{ account = \"ada\" \}"),
        ('row = { account = "ada" }', 'row = { account = "adda" }', r"there is no account 'adda' \(did you mean 'ada'\?\)"),
        ('row = { account = "ada" }', 'row = { account = ["ada"] }', "must be text, a whole number, or true or false"),
        ('row = { account = "ada" }', 'row = { account = "ada" }, night = "2026-03-16"', r"'2026-03-16' is no night of the story: a date from"),
        ('row = { account = "ada" }', 'row = { account = "ada" }, nigth = "2026-03-14"', r"unknown key \(did you mean 'night'\?\)"),
        ("ope_ada/price", "ope_ada/prize", r"unknown term of what was bought 'prize' \(did you mean 'price'\?\)"),
        ("ope_ada/price", "ope_bob/price", r"there is no subscription of record 'ope_bob' \(did you mean 'ope_ada'\?\)"),
        ('"year"', '"fortnight"', "unknown interval 'fortnight'"),
        ("2500", '"2500"', "must be a whole number, not text"),
    ],
)
def test_what_cannot_be_shown_or_planted_is_told_in_one_line(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loads(STORY.replace(old, new, 1), "x.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stripe_drift_terms", "stripe_drift_term", r"there is no view 'stripe_drift_term' \(did you mean 'stripe_drift_terms'\?\)"),
        ("row = { account", "row = { acount", r"drift\.stripe_drift_terms: there is no column 'acount' \(did you mean 'account'\?\)"),
    ],
)
def test_a_view_or_a_column_that_there_is_not_is_bad_input(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_scenario(loads(STORY.replace(old, new)))
