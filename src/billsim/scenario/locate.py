"""Where each value of a TOML file stands. `tomllib` gives values without lines, and an error without a line is no help in a file of a hundred rows.

The text is known to be valid TOML when it comes here, so this scanner looks only for keys, brackets and the ends of values.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")


class Spot:
    """Where a value stands: its file, its line (from 1), and the spots of what it contains, by key or index."""

    __slots__ = ("file", "line", "parts")

    def __init__(self, file: str, line: int) -> None:
        self.file = file
        self.line = line
        self.parts: dict[str | int, Spot] = {}

    def at(self, path: tuple[str | int, ...]) -> Spot:
        """The spot of the value at `path`, or of the innermost thing around it that is known."""
        spot = self
        for key in path:
            inner = spot.parts.get(key)
            if inner is None:
                return spot
            spot = inner
        return spot


def locate(text: str, file: str) -> Spot:
    """The spots of all values in `text`, which must be valid TOML."""
    return _Scanner(text, file).document()


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self.ends = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> Spot:
        root = table = Spot(self.file, 1)
        while self._skip():
            if self.text[self.at] == "[":
                table = self._header(root)
            else:
                self._pair(table)
        return root

    def _skip(self) -> bool:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)

    def _spot(self) -> Spot:
        return Spot(self.file, bisect_left(self.ends, self.at) + 1)

    def _header(self, root: Spot) -> Spot:
        """`[table]` or `[[row]]`: the spot that the lines below belong to."""
        rows = self.text.startswith("[[", self.at)
        spot = self._spot()
        self.at += 2 if rows else 1
        self._skip()
        *outer, last = self._keys()
        table = root
        for key in outer:
            table = table.parts.setdefault(key, spot)
            table = table.parts[len(table.parts) - 1] if 0 in table.parts else table
        if rows:
            table = table.parts.setdefault(last, Spot(self.file, spot.line))
            table.parts[len(table.parts)] = spot
        else:
            spot = table.parts.setdefault(last, spot)
        self.at = self.text.index("]", self.at) + (2 if rows else 1)
        return spot

    def _keys(self) -> list[str]:
        """A key, dotted or not."""
        keys = []
        while found := _KEY.match(self.text, self.at):
            raw = found.group()
            keys.append(raw if raw[0] not in "\"'" else str(tomllib.loads(f"key = {raw}")["key"]))
            self.at = found.end()
            dot = _DOT.match(self.text, self.at)
            if dot is None:
                break
            self.at = dot.end()
        return keys

    def _pair(self, table: Spot) -> None:
        spot = self._spot()
        *outer, last = self._keys()
        for key in outer:
            table = table.parts.setdefault(key, Spot(self.file, spot.line))
        table.parts[last] = spot
        self.at = self.text.index("=", self.at) + 1
        self._value(spot)

    def _value(self, spot: Spot) -> None:
        self._skip()
        first = self.text[self.at]
        if first == "[":
            self._list(spot)
        elif first == "{":
            self._inline(spot)
        else:
            found = (_STRING if first in "\"'" else _SCALAR).match(self.text, self.at)
            self.at = found.end() if found else len(self.text)

    def _list(self, spot: Spot) -> None:
        self.at += 1
        while self._skip() and self.text[self.at] != "]":
            inner = spot.parts[len(spot.parts)] = self._spot()
            self._value(inner)
            self._comma()
        self.at += 1

    def _inline(self, spot: Spot) -> None:
        self.at += 1
        while self._skip() and self.text[self.at] != "}":
            self._pair(spot)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        if self._skip() and self.text[self.at] == ",":
            self.at += 1
