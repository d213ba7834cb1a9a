"""What remediation came to in a run: a repair rehearsed before it is let loose. What it attempted, healed, was refused, and made worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.checks.judge import Report
from billsim.core.platform import Platform
from billsim.core.remediation import OFF, RemediationPolicy
from billsim.remediation.loading import Remediated
from billsim.scenario.plan import Remediation, Scenario, Warehouse
from billsim.stores.cfbill_migrations_audit import SCHEMA
from billsim.world import World


def chosen(scenario: Scenario, mode: str | None) -> Scenario:
    """The scenario with remediation as somebody chooses it instead; None: as it is. Its candidates come from a nightly mirror, unless they are told.
    """
    if mode is None:
        return scenario
    told = mode == OFF or any(row.do == "driftcontrol" for row in scenario.timeline)
    warehouse = scenario.warehouse if told else scenario.warehouse or Warehouse()
    return replace(scenario, remediation=replace(scenario.remediation or Remediation(), mode=mode), warehouse=warehouse)


def ruled(scenario: Scenario, platform: Platform) -> Scenario:
    """The scenario under the platform's own rules of remediation, unless it tells rules itself."""
    told = scenario.remediation
    if told is None or platform.remediation is None or told.rules != RemediationPolicy():
        return scenario
    return replace(scenario, remediation=replace(told, rules=platform.remediation))


def figures(world: World, report: Report) -> dict[str, Any]:
    """For the JSON of a run, under `remediation`; nothing where its scenario says nothing of it. `outcomes` counts attempts, `refused` and `left`
    what was not done, by why; `healed` and `made_worse` drift that remediation closed and opened. `zero_ms`: from its first attempt until nothing
    drifted any more; None: never.
    """
    engine, told = world.engine, world.scenario.remediation
    if told is None:
        return {}
    if not isinstance(engine, Remediated):
        return {"remediation": {"mode": told.mode}}
    rows = [row for shard in world.stores.awake() for row in shard.all(SCHEMA.name).values()]
    results = [found for row in rows if isinstance(found := msgspec.json.decode(row.result), dict)]
    closed = [drift.closed_ms for drift in report.drift if drift.closed_ms is not None]
    first_ms = min([row.at_ms for row in rows], default=None)
    at_zero = first_ms is not None and not report.open_at_end
    return {
        "remediation": {
            "mode": told.mode,
            "attempts": len(rows),
            "failed": sum(row.failed for row in rows),
            "outcomes": _counted(result.get("outcome", "") for result in results),
            "refused": _counted(refusal["why"] for result in results for refusal in result.get("refused", ())),
            "left": _counted(refusal["why"] for result in results for refusal in result.get("left", ())),
            "healed": _counted(drift.code for drift in report.drift if _component(drift.closing) in engine.own),
            "made_worse": _counted(drift.code for drift in report.drift if _component(drift.opening) in engine.own),
            "zero_ms": max(0, max(closed, default=0) - first_ms) if at_zero and first_ms is not None else None,
        }
    }


def lines(told: Mapping[str, Any]) -> list[str]:
    """The figures, for people."""
    if "attempts" not in told:
        return [f"  remediation: {told['mode']}"]
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["outcomes"].items()) or "none"
    found = [f"  remediation {told['mode']}: {told['attempts']} attempts: {outcomes}"]
    for key, words in (("refused", "refused by"), ("left", "left alone"), ("healed", "drift it closed"), ("made_worse", "drift it opened")):
        if told[key]:
            found.append(f"  {words}: {', '.join(f'{name} {count}' for name, count in told[key].items())}")
    if told["attempts"]:
        ended = "never" if told["zero_ms"] is None else f"{told['zero_ms'] / 1000:.1f} s after the first attempt"
        found.append(f"  nothing drifted any more: {ended}")
    return found


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _component(provenance: Any) -> str:
    return getattr(provenance, "component", "")
