"""Baselines: what is known is no failure, and what is new beside it still is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from billsim.explore.baseline import NOTHING_KNOWN, Baseline, read_baseline
from billsim.scenario.errors import InputError

A, B, C = "finding/paid_chased/x/notify", "drift/bad_debt_stuck/stale_read/a.b", "drift/ledger_drift/stale_read/a.b"


def written(folder: Path, text: str) -> Path:
    path = folder / "known"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_is_known_of_nothing() -> None:
    assert NOTHING_KNOWN.new((A, B)) == A


@pytest.mark.parametrize("text", [json.dumps([A, C]), f"# known since spring\n{A}\n\n  {C}  # the ledger\n"])
def test_a_list_knows_an_account_by_its_gravest(tmp_path: Path, text: str) -> None:
    known = read_baseline(written(tmp_path, text))
    assert known == Baseline(frozenset({A, C}))
    assert (known.new((A, B)), known.new((B, C)), known.new((C,))) == ("", B, "")


def test_a_result_also_knows_what_was_seen_beside(tmp_path: Path) -> None:
    result = {"runs": 3, "distinct": [{"signature": A, "also": [B], "file": None}]}
    known = read_baseline(written(tmp_path, json.dumps(result)))
    assert (known.new((A,)), known.new((A, B)), known.new((B,)), known.new((A, B, C)), known.new((C,))) == ("", "", "", C, C)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"runs": 3}', "is not what `billsim fuzz --json` prints"),
        ('{"distinct": [{"signature": "a"}]}', "is not what `billsim fuzz --json` prints"),
        ('{"distinct": 3}', "is not what `billsim fuzz --json` prints"),
        ('["finding/a", 3]', "3 is no signature"),
        ("[", "is not JSON"),
        (f"{A}\nbad_debt_stuck\n", r'known:2: --baseline: "bad_debt_stuck" is no signature'),
    ],
)
def test_what_is_no_baseline_is_told_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_baseline(written(tmp_path, text))


def test_a_baseline_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--baseline: cannot be read: No such file"):
        read_baseline(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"finding/\xff")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_baseline(tmp_path / "latin")
