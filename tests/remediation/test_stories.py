"""The stories of remediation do what they say; it heals in a storm, and makes nothing worse there; and checks see one that does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.checks.marks import OF_CLASS, OF_REFUSAL
from billsim.core.remediation import RemediationPolicy
from billsim.remediation.restrictions import RESTRICTIONS
from billsim.remediation.valves import VALVES
from billsim.run import run_orders, run_scenario
from billsim.scenario.plan import Expect, Outcome, Remediation, Scenario, Shown, TimelineRow
from billsim.scenario.tales import told
from billsim.scenario.toml_file import find, load, names
from billsim.warehouse.dataform import shipped

STORIES = sorted(name for name in names() if name.startswith("remediation/"))
PINNED = [(name, engine) for name in STORIES for engine in load(find(name)).expect]
# By hand, support mends what these leave, or there is nothing to mend; without remediation they come to the same.
NOTHING_IS_MENDED = {
    "remediation/dry_run", "remediation/valve_kill_switch", "remediation/valve_drift_jump", "remediation/pays_meanwhile",
    "remediation/class_bad_debt_item", "remediation/class_delayed_upgrade", "remediation/class_missing_price",
}  # fmt: skip


@pytest.mark.parametrize(("name", "engine"), PINNED)
def test_a_story_is_as_pinned_in_every_order_and_reaches_its_marks(name: str, engine: str) -> None:
    story = load(find(name))
    for seed in range(4 if story.warehouse is None else 2):
        result = run_orders(story, seed=seed, engine=engine)
        assert result.as_expected is True and result.verdict == "holds", seed
        for _, run in result.orders:
            assert not run.data.get("not_shown") and not run.data["marks_missing"], seed
            assert engine != "recompute" or all(run.data["marks"][mark] for mark in story.judge.sometimes), seed


@pytest.mark.parametrize("name", [name for name in STORIES if name not in NOTHING_IS_MENDED])
def test_without_remediation_it_falls(name: str) -> None:
    story = load(find(name))
    assert run_scenario(replace(story, remediation=None, judge=replace(story.judge, sometimes=()))).verdict == "falls"


def test_every_restriction_and_valve_has_a_mark_and_a_story_that_reaches_it() -> None:
    assert list(OF_REFUSAL) == [*RESTRICTIONS, *[valve for valve in OF_REFUSAL if valve in VALVES]] and set(VALVES) <= set(OF_REFUSAL)
    pinned = [load(find(name)) for name, engine in PINNED if engine == "recompute"]
    assert set(OF_REFUSAL.values()) <= {mark for story in pinned for mark in story.judge.sometimes}


@pytest.mark.parametrize("kind", OF_CLASS)
def test_every_class_of_line_items_has_a_story_in_which_a_view_gives_it_to_a_named_item(kind: str) -> None:
    story = load(find(f"remediation/class_{kind}"))
    outcome = story.expect["recompute"].every_order
    assert outcome is not None and OF_CLASS[kind] in story.judge.sometimes
    assert any(shown.view == "element_classification" and {**shown.row, "class": kind, "account": "ada"} == shown.row for shown in outcome.shows)


def test_the_classes_are_those_of_the_view() -> None:
    view = shipped().find("element_classification")
    assert view is not None and set(re.findall(r"THEN '(\w+)'", view.query)) == set(OF_CLASS)


def test_a_row_that_no_view_shows_is_not_as_expected_and_is_told() -> None:
    story = load(find("remediation/class_contract"))
    other = Shown(view="element_classification", row={"account": "ada", "product": "zone_plan", "class": "missing_price"}, night="2026-03-14")
    result = run_scenario(replace(story, expect={"recompute": Expect(every_order=Outcome(shows=(other,)))}))
    assert result.verdict == "holds" and result.as_expected is False
    assert result.data["not_shown"] == [{"view": other.view, "row": other.row, "night": "2026-03-14"}]


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
