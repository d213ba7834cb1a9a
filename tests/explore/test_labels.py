"""Labels under other names: what a world asks when its rows have moved up, or its accounts have other names, is what renaming says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.time import HOUR_MS
from billsim.explore.edits import with_people_named, with_rows
from billsim.explore.labels import Labels, accounts_renamed, rows_moved
from billsim.run import run_scenario
from billsim.scenario.plan import Scenario, TimelineRow
from billsim.scenario.toml_file import find, load

STORIES = ("late_failed_after_paid", "pay_bad_debt_vs_webhook", "delinquent_paid_incomplete", "grace_runs_out")


def asked(story: Scenario, engine: str) -> dict[str, int]:
    return dict(run_scenario(story, engine=engine, keep_tape=True, bodies=False).tape or ())


@pytest.mark.parametrize("engine", ["legacy", "recompute"])
@pytest.mark.parametrize("name", STORIES)
def test_a_row_less_renames_what_follows_and_nothing_else(name: str, engine: str) -> None:
    """The story with an idle row before its own, and without it: the same world; labels differ in the numbers of rows, also in shortened paths."""
    story = load(find(f"dunning/{name}"))
    idle = TimelineRow(at=story.timeline[0].at - HOUR_MS // 2, by="pipe", do="hold", params={"event": "charge.refunded"})
    longer = replace(story, timeline=(idle, *story.timeline))
    answers = asked(longer, engine)
    shorter, rename = with_rows(longer, range(1, len(longer.timeline)))
    renamed = Labels(answers, len(longer.timeline)).renamed(answers, rename)
    assert asked(replace(shorter, answers=renamed), engine) == renamed
    assert (renamed.keys() != answers.keys()) == (name != "grace_runs_out")


@pytest.mark.parametrize("engine", ["legacy", "recompute"])
@pytest.mark.parametrize("name", STORIES)
def test_other_names_of_accounts_rename_every_label(name: str, engine: str) -> None:
    told = load(find(f"dunning/{name}"))
    story, _ = _named(told, "zoe")
    answers = asked(story, engine)
    back, rename = with_people_named(story)
    renamed = Labels(answers, len(story.timeline)).renamed(answers, rename)
    assert back.given == told.given and back.timeline == told.timeline
    assert asked(replace(back, answers=renamed), engine) == renamed
    assert not any("zoe" in label for label in renamed)


def _named(story: Scenario, name: str) -> tuple[Scenario, None]:
    rename = accounts_renamed({"ada": name})
    given = [
        replace(account, account=name, invoices=tuple(replace(invoice, invoice=rename(invoice.invoice)) for invoice in account.invoices))
        for account in story.given
    ]
    rows = [
        replace(row, by=rename(row.by), params={key: rename(value) if isinstance(value, str) else value for key, value in row.params.items()})
        for row in story.timeline
    ]
    return replace(story, given=tuple(given), timeline=tuple(rows)), None


def test_paths_within_shortened_paths_are_renamed_too() -> None:
    inner = short("w/story/row3")
    outer = short(f"e/in_ada_1.paid.{inner}/brain")
    labels = {f"e/in_ada_1.paid.{inner}/brain/gather": 7, f"e/sub_ada.updated.{outer}/ledger/read": 9, "w/other": 1}
    renamed = Labels(labels, 4).renamed(labels, rows_moved({3: 1}))
    moved = short("w/story/row1")
    moved_outer = short(f"e/in_ada_1.paid.{moved}/brain")
    assert renamed == {f"e/in_ada_1.paid.{moved}/brain/gather": 7, f"e/sub_ada.updated.{moved_outer}/ledger/read": 9, "w/other": 1}


def test_names_are_whole_words_and_swapped_at_once() -> None:
    rename = accounts_renamed({"ada": "bob", "bob": "ada", "acct_00027": "cem"})
    assert rename("in_ada_1 pm_bob.row2 canada adah in_acct_00027_1 acct_000271") == "in_bob_1 pm_ada.row2 canada adah in_cem_1 acct_000271"


def test_a_subscription_that_a_row_made_has_the_number_of_the_row() -> None:
    rename = rows_moved({4: 1, 1: 0}, [("ada", 4)])
    assert rename("w/pipe/sub_ada-4.created/row4/row1/row7") == "w/pipe/sub_ada-1.created/row1/row0/row7"
