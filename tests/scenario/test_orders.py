"""Orders of racing rows, and the race-free control."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.time import MINUTE_MS
from billsim.scenario.orders import MOST_ORDERS, TooManyOrdersError, control, count_orders, offset_label, orders, racing_groups
from billsim.scenario.plan import Control, GivenAccount, GivenInvoice, Scenario, TimelineRow

START = 1_773_446_400_000


def story(*minutes: int, do: tuple[str, ...] = ()) -> Scenario:
    rows = tuple(
        TimelineRow(at=START + minute * MINUTE_MS, by="ada", do=do[index] if do else "update_card", params={"card": "good"}, line=index + 5)
        for index, minute in enumerate(minutes)
    )
    return Scenario(id="x", given=(GivenAccount(account="ada"),), timeline=rows, start=START, until=START + 60 * MINUTE_MS)


def test_rows_with_one_instant_race() -> None:
    assert racing_groups(story(0, 1, 1, 2, 3, 3, 3).timeline) == ((1, 2), (4, 5, 6))
    assert racing_groups(story(0, 1, 2).timeline) == ()


def test_without_a_race_there_is_one_order() -> None:
    assert list(orders(story(0, 1))) == [{}]


def test_every_permutation_of_every_group() -> None:
    # Two rows at minute 1, the next at minute 4: three minutes for two rows is a minute each, the most. Two at 4, until minute 60: the same.
    found = list(orders(story(0, 1, 1, 4, 4)))
    first, second = ({1: 0, 2: 60_000}, {1: 60_000, 2: 0}), ({3: 0, 4: 60_000}, {3: 60_000, 4: 0})
    assert found == [{offset_label(row): at for row, at in (one | other).items()} for one in first for other in second]
    assert offset_label(3) == "w/story/row3/offset"


def test_racing_rows_stay_before_the_row_that_follows() -> None:
    # Three rows in the minute before the next: gaps of 60,000 // 4.
    found = list(orders(story(0, 0, 0, 1)))
    assert len(found) == 6
    assert {tuple(sorted(answers.values())) for answers in found} == {(0, 15_000, 30_000)}
    assert found[0] == {"w/story/row0/offset": 0, "w/story/row1/offset": 15_000, "w/story/row2/offset": 30_000}


def test_orders_are_counted_before_they_are_made() -> None:
    assert count_orders(story(*[0] * 7)) == 5040 == MOST_ORDERS
    eight = story(*[0] * 8)
    assert count_orders(eight) == 40_320
    with pytest.raises(TooManyOrdersError, match="the story has 40320 orders, at most 5040 are tried"):
        next(orders(eight))


def test_control_without_an_action() -> None:
    told = story(0, 1, 2, do=("update_card", "pay", "update_card"))
    apart = control(told, Control(without=("pay",)))
    assert [row.at for row in apart.timeline] == [START, START + 2 * MINUTE_MS]
    assert apart.until == told.until


def test_control_without_a_given_invoice() -> None:
    owes_two = GivenAccount(account="ada", invoices=(GivenInvoice(invoice="ada_1"), GivenInvoice(invoice="ada_2")))
    told = replace(story(0, 1), given=(owes_two,))
    assert control(told, Control(without_invoices=("ada_1",))).given[0].invoices == (GivenInvoice(invoice="ada_2"),)


def test_control_with_rows_apart() -> None:
    told = story(0, 0, 1, 30)
    apart = control(told, Control(apart_minutes=20))
    assert [(row.at - START) // MINUTE_MS for row in apart.timeline] == [0, 20, 40, 60]
    assert apart.until == told.until + 30 * MINUTE_MS
    assert racing_groups(apart.timeline) == ()
    assert [row.line for row in apart.timeline] == [5, 6, 7, 8]


def test_a_group_of_which_an_answer_is_pinned_has_the_one_order_that_it_makes() -> None:
    pinned = replace(story(0, 1, 1, 4, 4), answers={offset_label(1): 30})
    assert count_orders(pinned) == 2
    assert list(orders(pinned)) == [{offset_label(3): 0, offset_label(4): 60_000}, {offset_label(3): 60_000, offset_label(4): 0}]


def test_the_control_pins_nothing() -> None:
    assert control(replace(story(0, 1), answers={"w/x": 1}), Control()).answers == {}
