"""The table of touchpoints is what callers go by: every line is driven, under both engines, and writes the stores that it names."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from billsim.actors import page
from billsim.cli import answer
from billsim.engines import load_engine
from billsim.ports import Message
from billsim.scenario import population_data
from billsim.scenario.actions import ACTIONS, CUSTOMER
from billsim.scenario.touchpoints import CALLERS, DASHBOARD, IAPI, NINJAPANEL, Touchpoint, operations_of, touchpoints
from billsim.stores import SCHEMAS
from tests.actors.driving import driven

ENGINES = ("recompute", "legacy")
POINTS = list(touchpoints().values())


def test_there_are_seventy_nine_and_iapi_has_the_most() -> None:
    counts = Counter(point.caller for point in POINTS)
    assert counts[DASHBOARD] + counts[NINJAPANEL] + counts[IAPI] == 79
    assert counts.most_common(1)[0][0] == IAPI and set(counts) == set(CALLERS)


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
def test_an_operation_sends_its_message_and_writes_what_its_line_names(point: Touchpoint) -> None:
    written: set[str] = set()
    for engine in ENGINES:
        asked, stores = driven(point, engine)
        assert asked == [point.entry]
        assert stores <= set(point.stores), engine
        written |= stores
    assert written == set(point.stores)


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
def test_a_line_names_what_there_is(point: Touchpoint) -> None:
    assert set(point.stores) <= {*SCHEMAS, "stripe"} and list(point.stores) == sorted(set(point.stores))
    assert load_engine("recompute").wakes(Message("x", "e", point.entry, "ada", 0)), "somebody must hear it"
    read = [value for value in point.body.values() if isinstance(value, str) and value.startswith(page.SIGN)]
    assert {value.removeprefix(page.SIGN) for value in read} <= set(page.READABLE)


def test_all_that_a_page_can_be_read_for_is_read() -> None:
    read = {value.removeprefix(page.SIGN) for point in POINTS for value in point.body.values() if isinstance(value, str)}
    assert set(page.READABLE) <= read


@pytest.mark.parametrize("caller", CALLERS)
def test_every_operation_can_be_told(caller: str) -> None:
    told = ACTIONS[CUSTOMER if caller == DASHBOARD else caller]["call"]["operation"].choices
    assert told == operations_of(caller)


def test_the_table_is_no_population() -> None:
    assert "touchpoints" not in population_data.names() and "saas" in population_data.names()


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["touchpoints", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["touchpoints"]
    assert [f"{line['caller']}.{line['operation']}" for line in listed] == list(touchpoints())
    assert listed[0] == {"caller": "dashboard", "operation": "view_profile", "entry": "request.view_profile", "stores": ["facade_cache"]}
