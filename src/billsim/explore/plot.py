"""The picture of when a run went wrong, as SVG: how likely its failure was, against the instant up to which the run was kept.

The instants stand at equal distances, whatever lies between them: an idle week would take the width from the second in which it happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from billsim.core.time import iso
from billsim.explore.when import Point, Turn, When

_WIDTH, _HEIGHT = 960, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 84, 404
_INK, _FAINT, _LINE, _BAND, _TURN = "#24292f", "#d0d7de", "#0b5cad", "#0b5cad22", "#f2a33a44"
_LABELS = 26
_LONGEST = 110


def svg(when: When) -> str:
    """The picture; without points, one that says that nothing went wrong."""
    parts = [*_frame(when), *(_curve(when) if when.points else ()), *_captions(when)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    style = 'font-family="system-ui, sans-serif" font-size="12"'
    return "\n".join([f'{head} {style} fill="{_INK}">', *parts, "</svg>", ""])


def _frame(when: When) -> Iterator[str]:
    """The ground, the heading, and the lines of the shares."""
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    yield _text(_LEFT, 30, f"{when.scenario.id} under {when.engine}, seed {when.seed}", 'font-size="17" font-weight="600"')
    failure = when.failure
    about = "nothing went wrong" if failure is None else f"{failure.account}: {failure.signature}" if failure.account else failure.signature
    yield _text(_LEFT, 52, about)
    for percent in range(0, 101, 25):
        y = _y(percent / 100)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="{_FAINT}"/>'
        yield _text(_LEFT - 8, y + 4, f"{percent} %", 'text-anchor="end"')


def _curve(when: When) -> Iterator[str]:
    """Where it turned, what lies within 95 % confidence, the shares, and their instants."""
    points = when.points
    places = [_x(index, len(points)) for index in range(len(points))]
    if when.turn is not None:
        first, last = places[points.index(when.turn.before)], places[points.index(when.turn.after)]
        yield f'<rect x="{first}" y="{_TOP}" width="{round(last - first, 1)}" height="{_BOTTOM - _TOP}" fill="{_TURN}"/>'
    bounds = [point.share.bounds for point in points]
    upper = [f"{x},{_y(high)}" for x, (_, high) in zip(places, bounds, strict=True)]
    lower = [f"{x},{_y(low)}" for x, (low, _) in zip(places, bounds, strict=True)]
    yield f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{_BAND}"/>'
    shares = [f"{x},{_y(point.share.p)}" for x, point in zip(places, points, strict=True)]
    yield f'<polyline points="{" ".join(shares)}" fill="none" stroke="{_LINE}" stroke-width="2"/>'
    for x, point, label in zip(places, points, _labels(points), strict=True):
        told = f"{label or iso(point.at_ms or 0)}: {point.share.falling} of {point.share.runs}"
        yield f'<circle cx="{x}" cy="{_y(point.share.p)}" r="3.5" fill="{_LINE}"><title>{escape(told)}</title></circle>'
        if label:
            yield _text(x + 4, _BOTTOM + 14, label, f'text-anchor="end" font-size="10" transform="rotate(-50 {x + 4} {_BOTTOM + 14})"')


def _labels(points: Sequence[Point]) -> Iterator[str]:
    """The instant of each point, with its date where that is another than the one before; '' where there would be too many to read."""
    every, day = -(-len(points) // _LABELS), ""
    for index, point in enumerate(points):
        if index % every:
            yield ""
            continue
        date, _, time = "nothing kept".partition("T") if point.at_ms is None else iso(point.at_ms).rstrip("Z").partition("T")
        yield (f"{date} {time}" if date != day else time).strip()
        day = date


def _captions(when: When) -> Iterator[str]:
    """What the axes are, and what decided it."""
    middle = (_TOP + _BOTTOM) // 2
    yield _text(16, middle, "of the rests show it", f'text-anchor="middle" transform="rotate(-90 16 {middle})"')
    if when.points:
        seeds = when.points[0].share.runs
        what = f"The run is kept up to an instant, and the rest left to {seeds} other seeds. Instants at equal distances; shaded: 95 % confidence."
        yield _text(_LEFT, _HEIGHT - 34, what)
    if when.turn is not None:
        yield _text(_LEFT, _HEIGHT - 14, _clipped(_turned(when.turn)), 'font-weight="600"')


def _turned(turn: Turn) -> str:
    if turn.decision is None:
        return f"Likely from {iso(turn.after.at_ms or 0)} on"
    return "Decided by " + ", ".join(f"{label} = {answer}" for label, answer in turn.decision.answers.items())


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'


def _x(index: int, count: int) -> float:
    """Where the n-th of so many instants stands."""
    return round(_LEFT + 12 + (_WIDTH - _RIGHT - _LEFT - 24) * index / max(1, count - 1), 1)


def _y(share: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)
