"""The picture: a well-formed SVG in which the shares stand where they belong."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from billsim.explore.plot import svg
from billsim.explore.when import Decision, Failure, Point, Share, Turn, When
from billsim.scenario.toml_file import find, load

SPACE = "{http://www.w3.org/2000/svg}"
START = 1_773_446_400_000  # 2026-03-14T00:00:00Z


@pytest.fixture
def found() -> When:
    story = replace(load(find("dunning/void_after_bad_debt")), id="a<b>")
    shares = [Share(20, 0, 0), Share(20, 5, 1), Share(20, 20, 0)]
    points = tuple(Point(at, share) for at, share in zip((None, START, START + 61_500), shares, strict=True))
    turn = Turn(points[1], points[2], [], 3, Decision({"w/a": 1}, shares[1], shares[2], shares[2]))
    return When(story, 0, "legacy", "falls", Failure("drift/x", "ada"), (), points, turn, 61)


def test_each_share_is_as_high_as_it_says(found: When) -> None:
    root = ElementTree.fromstring(svg(found))
    assert [float(dot.get("cy", "")) for dot in root.iter(f"{SPACE}circle")] == [404.0, 324.0, 84.0]
    assert [float(dot.get("cx", "")) for dot in root.iter(f"{SPACE}circle")] == [76.0, 500.0, 924.0]
    (turned,) = [box for box in root.iter(f"{SPACE}rect") if box.get("x")]
    assert (turned.get("x"), turned.get("width")) == ("500.0", "424.0")


def test_the_words_are_there_and_a_date_is_told_once(found: When) -> None:
    texts = [element.text or "" for element in ElementTree.fromstring(svg(found)).iter(f"{SPACE}text")]
    assert "a<b> under legacy, seed 0" in texts and "ada: drift/x" in texts and "Decided by w/a = 1" in texts
    assert [text for text in texts if re.search(r"kept$|:0", text)] == ["nothing kept", "2026-03-14 00:00:00", "00:01:01.500"]


def test_a_run_that_held_has_a_picture_that_says_so(found: When, tmp_path: Path) -> None:
    texts = [e.text for e in ElementTree.fromstring(svg(found._replace(failure=None, points=(), turn=None))).iter(f"{SPACE}text")]
    assert "nothing went wrong" in texts
