"""The engine's `decide` faces the table of hand-computed truths."""

from __future__ import annotations

import pytest

from billsim.engine.decide import decide
from tests.truth_table import ROWS, TruthRow, differences


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_decides_as_the_row_says(row: TruthRow) -> None:
    assert differences(row, decide(row.state(), row.now_ms, row.policy)) == []


def test_the_table_is_not_empty() -> None:
    assert len(ROWS) >= 60
