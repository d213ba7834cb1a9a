"""auto_resync_www: zone by zone, by what the record says when a zone's turn comes, and apart from driftcontrol."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.remediation import RemediationPolicy
from tests.remediation.night import NIGHT, Night

BEHIND = '{ account = "ada", rows = { www = { "ada.example" = "free", "ada.org" = "business_monthly" } } }'


def zones(night: Night) -> dict[str, str]:
    return {name: row.plan for name, row in night.shard().all("www").items()}


@pytest.mark.parametrize("engine", ["recompute", "legacy", "noop"])
def test_a_zone_is_brought_to_the_record_and_its_neighbour_left(engine: str) -> None:
    night = Night(BEHIND, engine=engine)
    night.run(www=[("ada", "www_drift", "ada.org")])
    assert zones(night) == {"ada.example": "free", "ada.org": "pro_monthly"}
    assert night.writers() == [("auto_resync_www", "www")]
    assert night.result(key=f"{NIGHT}/auto_resync_www/ada.org")["steps"] == ["ada.org=pro_monthly"]


def test_an_account_stands_for_its_zones_and_a_valve_for_how_many() -> None:
    night = Night(BEHIND, RemediationPolicy(most_zones=1))
    night.run(www=[("ada", "www_drift", "")])
    assert sorted(zones(night).values()) in (["business_monthly", "pro_monthly"], ["free", "pro_monthly"])
    refused = [row.result for row in night.shard().all("cfbill_migrations_audit").values() if "valve:most_zones" in row.result]
    assert len(refused) == 1


def test_it_decides_by_what_is_so_when_its_turn_comes() -> None:
    """Support ends what ada bought while her zone is looked at: it is looked at again."""
    for after_ms in range(0, 260, 5):
        night = Night(BEHIND, engine="noop")
        world = night.world

        def move(_nothing: Any, world: Any = world) -> None:
            world.put("www", "www_sync", "e/test", "www", "ada", "ada.example", {"plan": "none"})

        world.kernel.call_at(world.kernel.now + after_ms, 0, move, None)
        night.run(www=[("ada", "www_drift", "ada.example")])
        level, outcome = zones(night)["ada.example"], night.result(key=f"{NIGHT}/auto_resync_www/ada.example")["outcome"]
        entered = night.shard().all("cfbill_migrations_audit")[f"{NIGHT}/auto_resync_www/ada.example"].at_ms - world.scenario.start
        assert outcome == "healed" and (level == "pro_monthly" or after_ms > entered - 120), after_ms


def test_it_runs_though_driftcontrol_is_stopped_by_its_own_valves() -> None:
    night = Night(BEHIND, RemediationPolicy(most_accounts=0))
    night.run([("ada", "stripe_drift", "")], [("ada", "www_drift", "ada.org")])
    assert night.result()["outcome"] == "refused" and zones(night)["ada.org"] == "pro_monthly"
