"""The blind spots that ship: each story does what it pins, and the views that ship miss in it what it is named for."""

from __future__ import annotations

import pytest

from billsim.grading.watching import view, watch
from billsim.scenario.toml_file import find, load, names
from billsim.warehouse.dataform import shipped
from billsim.warehouse.screening import Screen

BLIND = sorted(name for name in names() if name.startswith("blind_spots/"))
# Whether a mirror had it, so that a view might have told of it.
PICTURED = {"blind_spots/bad_debt_missed": False, "blind_spots/consequence_unjustified": True}


@pytest.mark.parametrize("name", BLIND)
def test_views_are_blind_to_it(name: str) -> None:
    watched = watch(load(find(name)), seed=0, engine="legacy")
    assert watched.result.as_expected is True
    mark = view(watched, Screen(shipped())).grade.by_code[name.removeprefix("blind_spots/")]
    assert mark.missed and not mark.found
    assert [each.pictured for each in mark.missed] == [PICTURED[name]] * len(mark.missed)
    assert watched.scenario.id == name
