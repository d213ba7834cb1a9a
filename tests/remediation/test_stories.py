"""The stories of remediation do what they say; it heals in a storm, and makes nothing worse there; and checks see one that does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.checks.marks import OF_REFUSAL
from billsim.core.remediation import RemediationPolicy
from billsim.remediation.restrictions import RESTRICTIONS
from billsim.remediation.valves import VALVES
from billsim.run import run_orders, run_scenario
from billsim.scenario.plan import Remediation, Scenario, TimelineRow
from billsim.scenario.tales import told
from billsim.scenario.toml_file import find, load, names

STORIES = sorted(name for name in names() if name.startswith("remediation/"))
# By hand, support mends what these leave; without remediation they come to the same.
NOTHING_IS_MENDED = {"remediation/dry_run", "remediation/valve_kill_switch", "remediation/valve_drift_jump", "remediation/pays_meanwhile"}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_as_pinned_in_every_order(name: str) -> None:
    for seed in range(4):
        result = run_orders(load(find(name)), seed=seed)
        assert result.as_expected is True and result.verdict == "holds", seed


@pytest.mark.parametrize("name", [name for name in STORIES if name not in NOTHING_IS_MENDED])
def test_without_remediation_it_falls(name: str) -> None:
    story = load(find(name))
    assert run_scenario(replace(story, remediation=None, judge=replace(story.judge, sometimes=()))).verdict == "falls"


def test_every_restriction_and_valve_has_a_mark_and_but_for_two_a_story() -> None:
    assert list(OF_REFUSAL) == [*RESTRICTIONS, *[valve for valve in OF_REFUSAL if valve in VALVES]] and set(VALVES) <= set(OF_REFUSAL)
    shown = {mark for name in STORIES for mark in load(find(name)).judge.sometimes}
    assert set(OF_REFUSAL.values()) - shown == {"invalid_payment_method", "valve_failures"}


# -- in the storm ----------------------------------------------------------------------------------------------------------------------


def attempted(story: Scenario) -> Scenario:
    """The story with a night at every other instant of it, for everybody in it."""
    accounts = [given.account for given in story.given]
    about: dict[str, Any] = {key: ", ".join(f"{account} {key}_drift" for account in accounts) for key in ("stripe", "www")}
    nights = [TimelineRow(at=at, by="cron", do="driftcontrol", params=about) for at in sorted({row.at for row in story.timeline})[::2]]
    rows = sorted((*story.timeline, *nights), key=lambda row: row.at)
    return replace(story, timeline=tuple(rows), remediation=Remediation(rules=RemediationPolicy(days_before_invoice=0)))


def test_beside_recompute_it_changes_nothing_for_the_worse() -> None:
    """Every fault strikes and every caller calls while it gathers and applies. A story falls with it only if it falls without."""
    whole = load(find("fuzz/whole"))
    for seed in range(300):
        story = attempted(told(whole, seed))
        result = run_scenario(story, seed=seed, bodies=False)
        if result.verdict == "falls":
            off = replace(story, remediation=replace(story.remediation, mode="off"))
            assert run_scenario(off, seed=seed, bodies=False).verdict == "falls", seed


def test_beside_legacy_it_heals_and_does_what_nobody_called_for_to_nobody() -> None:
    whole = load(find("fuzz/whole"))
    healed = opened = left = without = 0
    for seed in range(150):
        story = attempted(told(whole, seed))
        on = run_scenario(story, seed=seed, engine="legacy", bodies=False).data
        off = run_scenario(replace(story, remediation=None), seed=seed, engine="legacy", bodies=False).data
        healed += sum(on["remediation"]["healed"].values())
        opened += on["remediation"]["made_worse"].get("consequence_unjustified", 0)
        left, without = left + on["drift"]["open_at_end"], without + off["drift"]["open_at_end"]
        assert not [finding for finding in on["findings"] if finding["signature"].endswith("applystripe") or "/auto_resync" in finding["signature"]]
    assert opened == 0 and healed > 50 and left < without


class Reckless:
    """Remediation without restrictions: it writes whoever is handed to it."""

    def handle(self, message: Any) -> Any:
        from billsim.ports import Write

        for account, _code, _entity in message.body["stripe"]:
            yield Write("subs_dunning", account, {"status": "healthy", "escalation_level": 0})


def test_a_remediation_that_touches_a_contract_account_falls() -> None:
    story = load(find("remediation/enterprise_excluded"))
    own = replace(story, remediation=Remediation(mode="tests.remediation.test_stories:Reckless"))
    result = run_scenario(own)
    assert result.verdict == "falls" and "automatic_write" in [finding["check"] for finding in result.data["findings"]]
