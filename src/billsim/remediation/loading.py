"""Which remediation a world runs: none, the one that ships, the same as a dry run, or a team's own; and how it stands beside an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from billsim.core.loading import LoadingError, load
from billsim.core.nearest import nearest
from billsim.core.policy import DunningPolicy
from billsim.core.remediation import DRY_RUN, MODES, OFF, RemediationPolicy
from billsim.ports import Component, Doors, Engine, Handles, Message
from billsim.remediation import applystripe, auto_resync_www, driftcontrol

OWN = "remediation"
_OURS: dict[str, tuple[str, ...]] = {driftcontrol.KIND: (driftcontrol.NAME, auto_resync_www.NAME)}


class UnknownRemediationError(LoadingError):
    """No such remediation, or nothing usable where it points."""


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
    if ":" not in spec:
        raise UnknownRemediationError(f"unknown remediation {spec!r}; there are {', '.join(MODES)}, or package.module:factory", nearest(spec, MODES))
    made = load(OWN, spec, UnknownRemediationError)
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
