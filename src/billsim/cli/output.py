"""What every command says in the same way: an error, an interruption, a JSON object, a list of names; and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import typer

from billsim.scenario.errors import InputError

EXIT_OF_VERDICT = {"holds": 0, "falls": 1, "unknown": 3}
EXIT_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 70, 130, 141


class Interrupted(InputError):
    """Ctrl-C; the message tells what is kept, and how to go on."""


def complain(error: InputError, code: int, as_json: bool) -> int:
    """Tell an error, one line on standard error or, with --json, one object on standard output; the exit code."""
    if as_json:
        print_json({"error": {field: getattr(error, field) or None for field in ("message", "file", "line", "key", "hint")}})
    else:
        typer.echo(f"billsim: {error}", err=True)
    return code


@contextmanager
def interruptible(as_json: bool, kept: str, again: str) -> Iterator[None]:
    """Ctrl-C ends with one line: what is kept, and how to go on. A program that cannot be started is a bad `--engine`."""
    from billsim.engines import UnknownEngineError

    try:
        yield
    except UnknownEngineError as error:
        raise InputError(error.message, key="--engine", hint=error.hint) from None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {kept}; again: {again}") from None


def command(name: str, scenario: str, **options: Any) -> str:
    """The command line that does it again."""
    from billsim import summary

    return summary.command(name, scenario, **options)


def beside(path: Path) -> Path:
    """A file beside this one that is not there yet."""
    return next(other for number in count(2) if not (other := path.with_stem(f"{path.stem}-{number}")).exists())


def wants_progress(as_json: bool, quiet: bool) -> bool:
    """Whether somebody looks on who has not asked for silence."""
    return sys.stderr.isatty() and not as_json and not quiet


def print_json(data: Mapping[str, Any]) -> None:
    """One object, on one line of standard output."""
    typer.echo(msgspec.json.encode(data).decode())


def print_names(found: Mapping[str, str]) -> None:
    """Names and what is behind them, a line each."""
    width = max(map(len, found), default=0)
    for name, what in found.items():
        typer.echo(f"{name:<{width}}  {what}".rstrip())
