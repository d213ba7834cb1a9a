"""What is wrong with a view, in one line for people: which file, which definition, which line of its query, and why."""

from __future__ import annotations


class ViewError(Exception):
    """A definition that cannot be compiled, translated or run.

    `file` is the definition's file ('' where there is none), `definition` its name (`dataset.name` or longer), `line` counts from 1 within the query
    that Dataform compiled (0: unknown).
    """

    def __init__(self, message: str, file: str = "", definition: str = "", line: int = 0) -> None:
        super().__init__(message, file, definition, line)
        self.message = message
        self.file = file
        self.definition = definition
        self.line = line

    def __str__(self) -> str:
        where = f"{self.definition} (line {self.line} of its query)" if self.line else self.definition
        return " ".join(": ".join(part for part in (self.file, where, self.message) if part).split())
