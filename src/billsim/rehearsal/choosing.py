"""Which remediation a run rehearses: what the scenario says, what somebody chooses instead, and the platform's own rules."""

from __future__ import annotations

from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.core.remediation import OFF, RemediationPolicy
from billsim.scenario.plan import Remediation, Scenario, Warehouse


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
