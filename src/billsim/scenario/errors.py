"""What is wrong with an input, in one line for people: which file, which line, which key, and the nearest name that would have been valid."""

from __future__ import annotations

from billsim.core.nearest import nearest

__all__ = ["InputError", "nearest"]


class InputError(Exception):
    """Bad input.

    `line` counts from 1 (0: unknown), `key` is the path of the value (`given[0].price`), `hint` the nearest valid name ('' for none).
    """

    def __init__(self, message: str, file: str = "", line: int = 0, key: str = "", hint: str = "") -> None:
        super().__init__(message, file, line, key, hint)
        self.message = message
        self.file = file
        self.line = line
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file and self.line else self.file
        parts = [part for part in (where, self.key, self.message) if part]
        text = ": ".join(parts) + (f" (did you mean '{self.hint}'?)" if self.hint else "")
        return " ".join(text.split())
