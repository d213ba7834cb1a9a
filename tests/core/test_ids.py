"""Short names stand for long paths, the same everywhere and for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from billsim.core.ids import short


def test_pinned() -> None:
    assert short("w/a/b") == "612c9bdff9jk"  # 60 bits of xxh3, five a character, the lowest first


def test_the_path_decides() -> None:
    assert short("e/request/ada") != short("w/request/ada")
    assert short("invoice/\u00e4") == short("invoice/\u00e4")


@given(st.text(max_size=300))
def test_twelve_plain_characters(path: str) -> None:
    name = short(path)
    assert len(name) == 12
    assert name.isascii() and name.isalnum() and name == name.lower()
