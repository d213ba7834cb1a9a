"""Edits of a story: each says by hand what the smaller or plainer story is."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.explore import edits
from billsim.faults.base import Dial
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario, TimelineRow

T0 = 1_773_446_400_000  # 2026-03-14T00:00:00Z


def row(at: int, by: str, do: str, **params: Any) -> TimelineRow:
    return TimelineRow(at=T0 + at, by=by, do=do, params=params)


ROWS = (
    row(HOUR_MS, "pipe", "hold", event="invoice.paid"),
    row(2 * HOUR_MS, "stripe", "charge", invoice="bob_1"),
    row(2 * HOUR_MS, "ada", "pay", invoice="ada_1", via="dashboard"),
    row(2 * HOUR_MS, "support", "recompute", account="bob"),
    row(3 * HOUR_MS + 7_654, "cron", "run", job="nightly"),
)
STORY = Scenario(
    id="x",
    given=(GivenAccount(account="ada", failed_attempts=3), GivenAccount(account="bob", invoices=(GivenInvoice(invoice="bob_1", failed_attempts=2),))),
    timeline=ROWS,
    start=T0,
    until=T0 + 2 * DAY_MS,
)


def test_an_account_goes_with_its_rows_and_what_is_everybodys_stays() -> None:
    story, rename = edits.with_accounts(replace(STORY, faults={"late": Dial(ppm=5, accounts=("bob",)), "lost": Dial(ppm=5)}), ["ada"])
    assert [account.account for account in story.given] == ["ada"]
    assert story.timeline == (ROWS[0], ROWS[2], ROWS[4])
    assert list(story.faults) == ["lost"]
    assert rename("row0 row2 row4") == "row0 row1 row2"


def test_rows_that_race_are_set_apart_as_they_were_answered() -> None:
    pins = {"w/story/row1/offset": 700, "w/story/row2/offset": 30, "w/story/row3/offset": 30, "w/other": 1}
    story, rename = edits.apart(replace(STORY, answers=pins))
    assert [told.do for told in story.timeline] == ["hold", "pay", "recompute", "charge", "run"]
    assert [told.at - T0 - 2 * HOUR_MS for told in story.timeline[1:4]] == [30, 31, 700]
    assert story.answers == {"w/other": 1} and rename("row1 row2 row3") == "row3 row1 row2"


def test_instants_are_rounded_and_rows_neither_meet_nor_part() -> None:
    hours, *_ = edits.rounded(STORY)
    assert [told.at - T0 for told in hours.timeline] == [HOUR_MS, 2 * HOUR_MS, 2 * HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]
    close = replace(STORY, timeline=(row(61_000, "cron", "run", job="nightly"), row(62_500, "cron", "run", job="nightly")))
    found = [[told.at - T0 for told in rounded.timeline] for rounded in edits.rounded(close)]
    assert found == [[0, MINUTE_MS], [0, SECOND_MS], [MINUTE_MS, 2 * MINUTE_MS], [MINUTE_MS, MINUTE_MS + SECOND_MS], [61_000, 62_000]]


def test_a_declined_try_may_be_told_as_past() -> None:
    (told, rename), *more = edits.folded(STORY)
    assert not more and told.given[1].invoices[0].failed_attempts == 3 and told.timeline == (ROWS[0], *ROWS[2:])
    assert rename("row2") == "row1"


def test_the_usual_length_goes_without_saying() -> None:
    whole, *_ = edits.of_usual_length(replace(STORY, calm_hours=3))
    assert (whole.start, whole.until, whole.calm_hours) == (T0, ROWS[-1].at + DAY_MS, 48)


def test_what_decides_nothing_goes_and_what_is_the_default_is_not_told() -> None:
    told = edits.untold(replace(STORY, timeline=(row(0, "ada", "pay", invoice="ada_1", via="hosted"), *ROWS)))
    assert [each.params for each in told.timeline[:4:3]] == [{"invoice": "ada_1", "via": "hosted"}, {"invoice": "ada_1"}]


def test_names_are_given_in_order() -> None:
    story, rename = edits.with_people_named(edits.with_accounts(STORY, ["bob"])[0])
    assert story.given[0].account == "ada" and story.given[0].invoices[0].invoice == "ada_1"
    assert [told.params.get("invoice", told.params.get("account")) for told in story.timeline] == [None, "ada_1", "ada", None]
    assert rename("in_bob_1") == "in_ada_1"


def test_faults_strike_where_they_are_pinned_and_nowhere_else() -> None:
    pins = {"w/fault/late/in_ada_1.paid.1": 1, "w/fault/late/in_ada_1.paid.1/by": 5, "w/fault/lost/in_ada_1.paid.1/post1": 0}
    faults = {"late": Dial(ppm=20_000, minutes=9), "lost": Dial(ppm=20_000)}
    story = edits.with_faults_pinned(replace(STORY, faults=faults, answers=pins))
    assert story.faults == {"late": Dial(ppm=1, minutes=9)}
    gone = edits.without_fault(story, "late")
    assert not gone.faults and list(gone.answers) == ["w/fault/lost/in_ada_1.paid.1/post1"]


def test_latencies_are_rounded_the_roundest_first() -> None:
    told = replace(STORY, answers={"w/a": 1_234, "w/b": 7})
    assert [each.answers["w/a"] for each in edits.rounded_pins(told, "w/a")] == [60_000, 10_000, 1_000, 2_000, 1_200, 1_300, 1_230, 1_240]
    assert [each.answers["w/a"] for each in edits.rounded_pins(replace(told, answers={"w/a": 2_000}), "w/a")] == [60_000, 10_000]


def test_one_open_invoice_is_told_by_its_attempts() -> None:
    plain = [edit(STORY).given[1] for edit in edits.plainer_accounts(STORY)]
    assert GivenAccount(account="bob", failed_attempts=2) in plain
