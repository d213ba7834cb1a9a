"""What somebody brings as `package.module:factory`, and what is said of one that cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from billsim.core.loading import LoadingError, load, made

MODULE = """
def make():
    return 7

def breaks():
    raise KeyError("no")

number = 5
absent = None
"""


class NothingThere(LoadingError):
    """What these tests ask for."""


@pytest.fixture(autouse=True)
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules where the command is called, and nowhere else on the path."""
    (tmp_path / "brought_here.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "brought_broken.py").write_text("number = undefined", encoding="utf-8")
    monkeypatch.setattr("sys.path", [each for each in sys.path if each])
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("attribute", "value"), [("make", 7), ("number", 5), ("absent", None)])
def test_what_can_be_called_is_called_and_anything_else_is_itself(attribute: str, value: object) -> None:
    assert load("engine", f"brought_here:{attribute}", NothingThere) == value


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("brought_here:mke", "engine 'brought_here:mke': 'brought_here' has no 'mke' (did you mean 'make'?)"),
        ("brought_here:zzz", "engine 'brought_here:zzz': 'brought_here' has no 'zzz'"),
        ("brought_here:breaks", "engine 'brought_here:breaks': calling 'breaks' raised KeyError: 'no'"),
        ("no_such.place:make", "engine 'no_such.place:make': cannot import 'no_such.place': No module named 'no_such'"),
        ("brought_broken:make", "engine 'brought_broken:make': cannot import 'brought_broken': NameError: name 'undefined' is not defined"),
        (":make", "engine ':make': cannot import '': Empty module name"),
    ],
)
def test_what_is_wrong_is_the_callers_own_error_in_one_line(spec: str, says: str) -> None:
    with pytest.raises(NothingThere) as raised:
        load("engine", spec, NothingThere)
    assert str(raised.value) == says


def test_what_was_found_elsewhere_is_made_alike() -> None:
    assert made("engine", "theirs", lambda: 3, "pkg:make", NothingThere) == 3
    with pytest.raises(NothingThere, match=r"engine 'theirs': calling 'pkg:make' raised ZeroDivisionError: integer division or modulo by zero"):
        made("engine", "theirs", lambda: 1 // 0, "pkg:make", NothingThere)
