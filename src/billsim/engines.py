"""Engines by name: those that ship, those that installed packages bring (entry points of the group `billsim.engines`), and a user's own, as
`package.module:factory` or as a program, `cmd:program arguments`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from billsim.core import loading
from billsim.core.loading import LoadingError
from billsim.core.nearest import nearest
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.engine import degenerate
from billsim.engine.lift import COMPONENT, lift
from billsim.engine.recompute import Recompute
from billsim.external.program import Program
from billsim.external.words import speaking
from billsim.facade import doors
from billsim.legacy.engine import LegacyEngine
from billsim.ports import Component, Decides, Engine, Handles, Message
from billsim.stripe.settings import StripeSettings

ENGINE = "engine"
PROGRAM = "cmd:"
MUTANT = "mutant:"
# Exploring lies above the engines, so its mutants are brought by name, as a user's own engine is.
MUTANTS = "billsim.explore.mutants"
GROUP = "billsim.engines"


class UnknownEngineError(LoadingError):
    """No engine of this name, or nothing usable where it points."""


def load_engine(
    spec: str, policy: DunningPolicy | None = None, settings: StripeSettings | None = None, platform: Platform | None = None
) -> Engine:
    """The engine that `spec` names, under a policy and for a Stripe account's settings (defaults: as they ship).

    `package.module:factory` is imported, and called if it can be: the outcome may be an engine, or have `handle` or `decide` (see `billsim.ports`).
    `cmd:` starts a program, which lives until `end_engine`. What is brought in one of the two forms speaks the words of `platform`.
    `mutant:NAME` is `recompute` with one of its safeguards off. Raises UnknownEngineError.
    """
    policy, settings, platform = policy or DunningPolicy(), settings or StripeSettings(), platform or Platform()
    if spec in _SHIPPED:
        return _SHIPPED[spec](policy, settings)
    if spec.startswith(PROGRAM):
        return _started(spec, policy, platform)
    if spec.startswith(MUTANT):
        return _mutant(spec.removeprefix(MUTANT), policy)
    if ":" in spec:
        return _as_engine(loading.load(ENGINE, spec, UnknownEngineError), policy, spec, platform)
    if (entry := _entry(spec)) is not None:
        return _as_engine(_loaded(entry), policy, spec, platform)
    known = (*_SHIPPED, *installed())
    listed = ", ".join(known)
    raise UnknownEngineError(f"unknown engine {spec!r}; there are {listed}, package.module:factory, or cmd:program", nearest(spec, known))


def end_engine(engine: Engine) -> None:
    """End the program that an engine is, if it is one."""
    if isinstance(engine, _Started):
        engine.close()


def check_engine(spec: str) -> None:
    """Whether there is such an engine, without starting a program. Raises UnknownEngineError."""
    if spec.startswith(PROGRAM):
        _command(spec)
    else:
        load_engine(spec)


def installed() -> dict[str, EntryPoint]:
    """The engines that installed packages bring, by name; one that ships goes first."""
    found = entry_points(group=GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name) if entry.name not in _SHIPPED}


def names() -> tuple[str, ...]:
    """The engines that ship."""
    return tuple(_SHIPPED)


def modules_of(spec: str, engine: Engine) -> list[str]:
    """The names of the modules that a brought engine's code lies in, as far as they are loaded: whatever is of the package that `spec` names, or of
    one that a component comes from. None for an engine that ships or is a program: billsim's own modules have captured no clock.
    """
    if spec in _SHIPPED or spec.startswith(PROGRAM):
        return []
    entry = None if ":" in spec else _entry(spec)
    places = [spec if entry is None else entry.module]
    places += [getattr(component.handle, "__module__", None) or "" for component in engine.components.values()]
    packages = {re.split("[.:]", place, maxsplit=1)[0] for place in places} - {"billsim"}
    return [name for name in sys.modules if name.partition(".")[0] in packages]


def _recompute(policy: DunningPolicy, _settings: StripeSettings) -> Engine:
    return Recompute(policy, doors=doors.today(policy))


def _legacy(policy: DunningPolicy, settings: StripeSettings) -> Engine:
    return LegacyEngine(policy, marks_uncollectible=settings.final_invoice == "mark_uncollectible", doors=doors.of_before(policy))


def _lifted(name: str, make: Callable[[], Handles | Decides]) -> Callable[[DunningPolicy, StripeSettings], Engine]:
    return lambda policy, _settings: lift(make(), policy, name=name, doors=doors.today(policy))


_SHIPPED: dict[str, Callable[[DunningPolicy, StripeSettings], Engine]] = {
    "recompute": _recompute,
    "legacy": _legacy,
    "noop": _lifted("noop", degenerate.Noop),
    "all_healthy": _lifted("all_healthy", degenerate.AllHealthy),
    "all_bad": _lifted("all_bad", degenerate.AllBad),
    "cancel_all": _lifted("cancel_all", degenerate.CancelAll),
    "void_all": _lifted("void_all", degenerate.VoidAll),
}


@cache
def _entry(name: str) -> EntryPoint | None:
    """The installed engine of this name. Remembered, because looking takes a millisecond, and a small world little more."""
    return installed().get(name)


def _mutant(name: str, policy: DunningPolicy) -> Engine:
    mutants = import_module(MUTANTS)
    if name not in mutants.MUTANTS:
        near = nearest(name, mutants.MUTANTS)
        raise UnknownEngineError(f"there is no mutant {name!r}; `billsim mutants --list` names them all", near and f"{MUTANT}{near}")
    made: Engine = mutants.engine(name, policy)
    return made


def _loaded(entry: EntryPoint) -> Any:
    try:
        found = entry.load()
    except Exception as failure:
        raise UnknownEngineError(f"engine {entry.name!r}: {entry.value} cannot be loaded: {type(failure).__name__}: {failure}") from failure
    return loading.made(ENGINE, entry.name, found, entry.value, UnknownEngineError)


def _as_engine(thing: Any, policy: DunningPolicy, spec: str, platform: Platform) -> Engine:
    if hasattr(thing, "wakes") and hasattr(thing, "components"):
        engine: Engine = thing
        return engine
    try:
        return lift(speaking(thing, platform.names.statuses), policy, name=spec, doors=doors.today(policy))
    except TypeError as failure:
        raise UnknownEngineError(f"engine {spec!r}: {failure}") from failure


# -- programs ------------------------------------------------------------------------------------------------------------------------


class _Started:
    """The engine that a program is: lifted from its form, woken by what it asked to hear of, and ended by `close`."""

    def __init__(self, engine: Engine, program: Program) -> None:
        self.name = engine.name
        self.components: Mapping[str, Component] = engine.components
        self._engine = engine
        self._program = program

    def wakes(self, message: Message) -> Sequence[str]:
        """As the form has it: a brain is woken like recompute's, a program that handles by the kinds of its greeting.

        What is lent to either is woken all the same.
        """
        names = self._engine.wakes(message)
        if self._program.form == "handle" and COMPONENT in names and not self._program.wakes(message.kind):
            return ()
        return names

    def close(self) -> None:
        """End the program."""
        self._program.close()


def _command(spec: str) -> list[str]:
    """The program and its arguments, split as a shell would. Raises UnknownEngineError."""
    try:
        command = shlex.split(spec.removeprefix(PROGRAM))
    except ValueError as failure:
        raise UnknownEngineError(f"engine {spec!r}: {failure}") from failure
    if not command:
        raise UnknownEngineError(f"engine {spec!r}: names no program, as in cmd:./recompute")
    if shutil.which(command[0]) is None:
        raise UnknownEngineError(f"engine {spec!r}: there is no program {command[0]!r} that can be run")
    return command


def _started(spec: str, policy: DunningPolicy, platform: Platform) -> Engine:
    command = _command(spec)
    try:
        program = Program(command, policy, platform)
    except OSError as failure:
        raise UnknownEngineError(f"engine {spec!r}: cannot be started: {failure.strerror or failure}") from failure
    brought = speaking(program.engine(), platform.names.statuses)
    return _Started(lift(brought, policy, name=spec, doors=doors.today(policy)), program)
