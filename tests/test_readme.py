"""What the README shows is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from billsim.cli import answer

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("arguments", "block"),
    [
        (["compare", "dunning/late_failed_after_paid"], BLOCKS[0]),
        (["run", "dunning/pay_bad_debt_vs_webhook", "--engine", "legacy"], BLOCKS[1]),
    ],
    ids=["demo", "run"],
)
def test_an_output_is_real(arguments: list[str], block: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(arguments)
    assert block.strip() in capsys.readouterr().out
