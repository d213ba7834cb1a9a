"""Labels of choices under other names: what a pin is called once rows have moved up, or accounts have other names.

A label tells the path of its causes, in which rows and accounts stand by name; where a path became long, twelve characters stand for it (`core.ids`).
`Labels` finds out what they stood for, from the labels of one run, so that what is inside can be renamed too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from billsim.core.ids import short

Rename = Callable[[str], str]

_SHORT = re.compile(r"(?<![0-9a-z])[0-9a-hjkmnp-tv-z]{12}(?![0-9a-z])")
_SENT = re.compile(r"\.([a-z_.:]+)\.(?=[0-9a-hjkmnp-tv-z]{12}(?![0-9a-z]))")
_ROW = re.compile(r"(?<![0-9a-z])row(\d+)")
_INNERMOST = re.compile(r"<([^<>]*)>")
# What actors do within one act, under a name of its own each.
_STEPS = ("", "/create", "/attach", "/default", "/pay", "/card", "/price", "/subscribe")


class Labels:
    """The labels that were asked in one run of so many rows, with what the shortened paths in them stand for."""

    def __init__(self, asked: Iterable[str], rows: int) -> None:
        self._asked = tuple(asked)
        self._rows = rows

    def renamed(self, answers: Mapping[str, int], rename: Rename) -> dict[str, int]:
        """Answers under the labels that they have after a renaming; `rename` is told whole paths."""
        meant = self._meant
        return {_closed(rename(_open(label, meant))): answer for label, answer in answers.items()}

    @cached_property
    def _meant(self) -> dict[str, str]:
        """What each shortened path stands for, as far as it can be told."""
        wanted = {found for label in self._asked for found in _SHORT.findall(label)}
        if not wanted:
            return {}
        kinds = sorted({found for label in self._asked for found in _SENT.findall(label)})
        meant: dict[str, str] = {}
        for path in self._paths():
            for whole in (path, *(f"{path}/send/{kind.removeprefix('domain.')}" for kind in kinds)):
                shortened = short(whole)
                if shortened in wanted:
                    meant[shortened] = whole
        return meant

    def _paths(self) -> Iterable[str]:
        """What may have been shortened: the tasks of the rows and customers, of the bank, and every beginning of a label."""
        found: dict[str, None] = {f"{origin}/story/row{row}{step}": None for row in range(self._rows) for origin in "we" for step in _STEPS}
        for label in self._asked:
            parts = label.split("/")
            found[parts[1]] = None  # a request is known by its name too
            for length in range(2, len(parts) + 1):
                found["/".join(parts[:length])] = None
            if parts[1] == "customer":
                found.update({f"w/customer/{parts[2]}{step}": None for step in _STEPS})
            elif parts[1] == "caller":
                found.update({f"{origin}/{'/'.join(parts[1:4])}{step}": None for origin in "we" for step in _STEPS})
            elif parts[1] == "pipe":
                found.update({f"w/bank/{parts[2]}": None, f"e/bank/{parts[2]}": None})
        return found


def rows_moved(moved: Mapping[int, int], subscribed: Sequence[tuple[str, int]] = ()) -> Rename:
    """Rows have other numbers: old -> new. `subscribed`: (account, row) of the subscriptions that rows made, which carry the row's number."""
    suffix = {f"{account}-{row}": f"{account}-{moved[row]}" for account, row in subscribed if row in moved and moved[row] != row}
    named = _words(suffix) if suffix else None

    def rename(path: str) -> str:
        path = _ROW.sub(lambda found: f"row{moved.get(int(found[1]), int(found[1]))}", path)
        return named(path) if named is not None else path

    return rename


def accounts_renamed(names: Mapping[str, str]) -> Rename:
    """Accounts have other names: old -> new, all at once."""
    return _words(names)


def _words(names: Mapping[str, str]) -> Rename:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    word = re.compile(rf"(?<![0-9a-z])({'|'.join(map(re.escape, longest_first))})(?![0-9a-z])")
    return lambda path: word.sub(lambda found: names[found[1]], path)


def _open(label: str, meant: Mapping[str, str]) -> str:
    def opened(found: re.Match[str]) -> str:
        whole = meant.get(found[0])
        return found[0] if whole is None else f"<{_open(whole, meant)}>"

    return _SHORT.sub(opened, label)


def _closed(path: str) -> str:
    count = 1
    while count:
        path, count = _INNERMOST.subn(lambda found: short(found[1]), path)
    return path
