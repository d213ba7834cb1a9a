"""Engines by name: those that ship, and a user's own as `package.module:factory`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.engine import degenerate
from billsim.engine.lift import lift
from billsim.engine.recompute import Recompute
from billsim.facade import pay_bad_debt
from billsim.legacy.engine import LegacyEngine
from billsim.ports import Component, Decides, Engine, Handles
from billsim.stripe.settings import StripeSettings


class UnknownEngineError(Exception):
    """No engine of this name, or nothing usable where it points; one line for people, with the nearest valid name as `hint` (or '')."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (did you mean {self.hint!r}?)" if self.hint else self.message


def load_engine(spec: str, policy: DunningPolicy | None = None, settings: StripeSettings | None = None) -> Engine:
    """The engine that `spec` names, under a policy and for a Stripe account's settings (defaults: as they ship).

    `package.module:factory` is imported, and called if it can be: the outcome may be an engine, or have `handle` or `decide` (see `billsim.ports`).
    Raises UnknownEngineError.
    """
    policy, settings = policy or DunningPolicy(), settings or StripeSettings()
    if spec in _SHIPPED:
        return _SHIPPED[spec](policy, settings)
    if ":" in spec:
        return _as_engine(_imported(spec), policy, spec)
    nearest = get_close_matches(spec, _SHIPPED, n=1, cutoff=0.5)
    raise UnknownEngineError(f"unknown engine {spec!r}; there are {', '.join(_SHIPPED)}, or package.module:factory", *nearest)


def names() -> tuple[str, ...]:
    """The engines that ship."""
    return tuple(_SHIPPED)


def _doors() -> tuple[Component, ...]:
    return (pay_bad_debt.component(),)


def _recompute(policy: DunningPolicy, _settings: StripeSettings) -> Engine:
    return Recompute(policy, doors=_doors())


def _legacy(policy: DunningPolicy, settings: StripeSettings) -> Engine:
    return LegacyEngine(policy, marks_uncollectible=settings.final_invoice == "mark_uncollectible")


def _lifted(name: str, make: Callable[[], Handles | Decides]) -> Callable[[DunningPolicy, StripeSettings], Engine]:
    return lambda policy, _settings: lift(make(), policy, name=name, doors=_doors())


_SHIPPED: dict[str, Callable[[DunningPolicy, StripeSettings], Engine]] = {
    "recompute": _recompute,
    "legacy": _legacy,
    "noop": _lifted("noop", degenerate.Noop),
    "all_healthy": _lifted("all_healthy", degenerate.AllHealthy),
    "all_bad": _lifted("all_bad", degenerate.AllBad),
    "cancel_all": _lifted("cancel_all", degenerate.CancelAll),
    "void_all": _lifted("void_all", degenerate.VoidAll),
}


def _imported(spec: str) -> Any:
    module_name, _, attribute = spec.partition(":")
    try:
        module = import_module(module_name)
    except (ImportError, ValueError, SyntaxError) as failure:
        raise UnknownEngineError(f"engine {spec!r}: cannot import {module_name!r}: {failure}") from failure
    if not hasattr(module, attribute):
        nearest = get_close_matches(attribute, dir(module), n=1, cutoff=0.5)
        raise UnknownEngineError(f"engine {spec!r}: {module_name!r} has no {attribute!r}", *nearest)
    found = getattr(module, attribute)
    if not callable(found):
        return found
    try:
        return found()
    except Exception as failure:
        raise UnknownEngineError(f"engine {spec!r}: calling {attribute!r} raised {type(failure).__name__}: {failure}") from failure


def _as_engine(thing: Any, policy: DunningPolicy, spec: str) -> Engine:
    if hasattr(thing, "wakes") and hasattr(thing, "components"):
        engine: Engine = thing
        return engine
    try:
        return lift(thing, policy, name=spec, doors=_doors())
    except TypeError as failure:
        raise UnknownEngineError(f"engine {spec!r}: {failure}") from failure
