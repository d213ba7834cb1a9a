"""Which remediation a world runs: none, the one that ships, the same as a dry run, or a team's own; and how it stands beside an engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.core.remediation import DRY_RUN, MODES, OFF, RemediationPolicy
from billsim.ports import Component, Doors, Engine, Handles, Message
from billsim.remediation import applystripe, auto_resync_www, driftcontrol

OWN = "remediation"
_OURS: dict[str, tuple[str, ...]] = {driftcontrol.KIND: (driftcontrol.NAME, auto_resync_www.NAME)}


class UnknownRemediationError(Exception):
    """No such remediation; one line for people, with the nearest valid name as `hint` (or '')."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (did you mean {self.hint!r}?)" if self.hint else self.message


def load_remediation(spec: str, policy: DunningPolicy, rules: RemediationPolicy) -> Doors | None:
    """The components of `off` (None), `on`, `dry-run`, or `package.module:factory`, and what wakes them.

    A factory is called without arguments, and answers components with what wakes them (`billsim.ports.Doors`), or one object that has
    `handle(message)`: it writes as an engine does, is woken by `cron.driftcontrol`, and may start `applystripe`. Raises UnknownRemediationError.
    """
    if spec == OFF:
        return None
    if spec == DRY_RUN:
        rules = replace(rules, dry_run=True)
    shipped = (
        driftcontrol.component(rules),
        *applystripe.components(policy, rules),
        auto_resync_www.component(policy, rules),
    )
    if spec in MODES:
        return Doors(shipped, _OURS)
    made = _made(spec)
    if isinstance(made, Doors):
        return made
    if isinstance(made, Handles):
        return Doors((Component(OWN, "engine", made.handle, primary=getattr(made, "primary", True)), *shipped), {driftcontrol.KIND: (OWN,)})
    raise UnknownRemediationError(f"remediation {spec!r}: {type(made).__name__} is neither Doors nor has handle(message)")


class Chosen(Protocol):
    """What a scenario says of remediation."""

    @property
    def mode(self) -> str: ...
    @property
    def rules(self) -> RemediationPolicy: ...


def beside(engine: Engine, chosen: Chosen | None, policy: DunningPolicy) -> Engine:
    """The engine with remediation beside it; the engine itself where there is none. Raises UnknownRemediationError."""
    doors = load_remediation(chosen.mode, policy, chosen.rules) if chosen is not None else None
    return engine if doors is None else Remediated(engine, doors)


class Remediated:
    """An engine beside which remediation runs: what is remediation's own wakes remediation, and everything else the engine. `own` names its
    components.
    """

    def __init__(self, engine: Engine, doors: Doors) -> None:
        self.name = engine.name
        self.own = tuple(component.name for component in doors.components)
        self.components: Mapping[str, Component] = {**engine.components, **{component.name: component for component in doors.components}}
        self._engine = engine
        self._wakes = doors.wakes

    def wakes(self, message: Message) -> Sequence[str]:
        """The components that a message wakes."""
        named = self._wakes.get(message.kind)
        return self._engine.wakes(message) if named is None else named


def _made(spec: str) -> Any:
    module_name, _, attribute = spec.partition(":")
    if not attribute:
        raise UnknownRemediationError(f"unknown remediation {spec!r}; there are {', '.join(MODES)}, or package.module:factory", _nearest(spec))
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:  # an installed command does not look for modules where it is called
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except (ImportError, ValueError, SyntaxError) as failure:
        raise UnknownRemediationError(f"remediation {spec!r}: cannot import {module_name!r}: {failure}") from failure
    found = getattr(module, attribute, None)
    if found is None:
        raise UnknownRemediationError(f"remediation {spec!r}: {module_name!r} has no {attribute!r}")
    try:
        return found() if callable(found) else found
    except Exception as failure:
        raise UnknownRemediationError(f"remediation {spec!r}: calling {attribute!r} raised {type(failure).__name__}: {failure}") from failure


def _nearest(spec: str) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(spec, MODES, n=1, cutoff=0.5)), "")
