"""What somebody brings as `package.module:factory`: found, imported and called; and what is wrong with that, in one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from billsim.core.nearest import nearest


class LoadingError(Exception):
    """Nothing of this name, or nothing usable where it points; one line for people, with the nearest valid name as `hint` (or '')."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (did you mean {self.hint!r}?)" if self.hint else self.message


def load(what: str, spec: str, error: type[LoadingError]) -> Any:
    """What `package.module:factory` names, called if it can be, with no arguments. Modules are also looked for where the command is called.

    Raises `error`, which begins with `what`, as in "engine 'mine:make': ".
    """
    module_name, _, attribute = spec.partition(":")
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:  # an installed command does not look for modules where it is called
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except (ImportError, ValueError, SyntaxError) as failure:
        raise error(f"{what} {spec!r}: cannot import {module_name!r}: {failure}") from failure
    except Exception as failure:
        raise error(f"{what} {spec!r}: cannot import {module_name!r}: {type(failure).__name__}: {failure}") from failure
    if not hasattr(module, attribute):
        raise error(f"{what} {spec!r}: {module_name!r} has no {attribute!r}", nearest(attribute, dir(module)))
    return made(what, spec, getattr(module, attribute), attribute, error)


def made(what: str, spec: str, found: Any, attribute: str, error: type[LoadingError]) -> Any:
    """What calling `found` makes, which `attribute` names, or itself where it cannot be called. Raises `error`."""
    if not callable(found):
        return found
    try:
        return found()
    except Exception as failure:
        raise error(f"{what} {spec!r}: calling {attribute!r} raised {type(failure).__name__}: {failure}") from failure
