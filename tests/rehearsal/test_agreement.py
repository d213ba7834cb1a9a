"""What a rehearsal tells of who stays agrees with what the run left, under every rule and in every storm; and a remediation that lies is seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from billsim.core.remediation import Gate, RemediationPolicy
from billsim.rehearsal import chosen
from billsim.remediation import audit
from billsim.remediation.audit import HEALED, REFUSED, Refusal, Result
from billsim.replay.tape import record
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Remediation, Scenario
from billsim.scenario.tales import told
from billsim.scenario.toml_file import find, load, loads
from tests.rehearsal.agreement import disagreements
from tests.remediation.test_stories import attempted

RULES = (
    RemediationPolicy(days_before_invoice=0),
    RemediationPolicy(days_before_invoice=40),
    RemediationPolicy(bad_debt_gate=Gate(open=False), invoice_metadata_gate=Gate(open=False)),
    RemediationPolicy(most_accounts=1, floor=0),
    RemediationPolicy(kill_switch=True),
    RemediationPolicy(unsupported_types=("self_serve", "msp", "cloudflare_ent", "sfcc")),
)


def test_in_storms_under_every_rule_reasons_are_borne_out() -> None:
    whole, met = load(find("fuzz/whole")), Counter[str]()
    for seed in range(180):
        story = attempted(told(whole, seed))
        story = replace(story, remediation=Remediation(mode="dry-run" if seed % 7 == 0 else "on", rules=RULES[seed % len(RULES)]))
        result = run_scenario(story, seed=seed, engine="legacy", bodies=False, keep_records=True)
        assert disagreements(story, result) == [], seed
        met.update(each["reason"].partition(":")[0] for each in result.data["remediation"]["remaining"])
    assert {"restriction", "gate", "valve", "left", "dry_run", "no_night_since", "not_attempted", "cannot_be_undone"} <= set(met)


# -- nights ----------------------------------------------------------------------------------------------------------------------------

# For eight days the old engine runs it, and then remediation beside it.
NIGHTS = """
id = "x/nights"
start = 2026-03-01T00:00:00Z
until = 2026-03-19T00:00:00Z
calm_hours = 2
given = [
  { account = "ada", rows = { subs_dunning = { status = "bad_debt" }, subs_account = { flags = 32768 }, stripe_metadata = { bad_debt = "true" } } },
]
[population]
accounts = 120
days = 18
declines = 300
lost = 100
pays_dashboard = 200
newcomers = { accounts = 200, pays_dashboard = 800, cleared = 500 }
aftermath = { pays = 60, waived = 300, waived_cleared = 300, cleared = 30, returns = 200 }
[before]
engine = "legacy"
days = 8
"""


@pytest.fixture(scope="module")
def nights() -> tuple[Scenario, RunResult]:
    story = chosen(loads(NIGHTS), "on")
    return story, run_scenario(story, engine="legacy", keep_records=True)


def test_of_a_platform_that_is_handed_over_it_is_told_who_stays_and_why(nights: tuple[Scenario, RunResult]) -> None:
    story, result = nights
    remediation, inherited = result.data["remediation"], result.data["handover"]["inherited"]
    assert disagreements(story, result) == []
    assert remediation["days"][0]["standing"] == inherited and set(inherited) > {"bad_debt_stuck", "no_successful_payment_stuck"}
    assert remediation["reasons"] == {"persistent": {"accounts": 2, "codes": inherited, "example": "acct_00024"}}, "what had drifted before stays"
    ada = next(each for each in remediation["remaining"] if each["account"] == "ada")
    assert {drift["code"]: (drift["nights"], drift["reason"]) for drift in ada["drift"]} == {
        "bad_debt_stuck": (10, "persistent"),
        "consequence_missing": (10, "not_mended"),
        "entitlement_drift": (10, "persistent"),
        "www_drift": (10, "persistent"),
    }
    assert remediation["plateau"]["old_healed"] == 0 and remediation["healed"] == {"no_successful_payment_stuck": 1}, "and what is new does not"


def test_the_nights_are_told_as_they_were(nights: tuple[Scenario, RunResult]) -> None:
    _, result = nights
    told = result.data["nights"]
    assert len(told) == 18 and [each["name"] for each in told] == [night.name for night in result.nights]
    assert [(each["detected"], each["new"]) for each in told] == [(len(night.detected), len(night.new)) for night in result.nights]
    days = {day["night"]: day for day in result.data["remediation"]["days"] if day.get("night")}
    assert list(days) == [each["name"] for each in told[8:]], "those since the handover"
    for each in result.nights[8:]:
        candidates = {row.account for row in each.candidates}
        assert days[each.name]["candidates"] == len(candidates)
        assert days[each.name]["persistent"] == len({row.account for row in each.detected} - candidates)


def test_drift_that_stands_for_long_is_kept_once(nights: tuple[Scenario, RunResult]) -> None:
    _, result = nights
    before, last = ({each: each for each in night.detected} for night in result.nights[-2:])
    assert [each for each in last if each in before] and all(last[each] is before[each] for each in last if each in before)


# -- somebody who lies -----------------------------------------------------------------------------------------------------------------

STORY = """
id = "x/lies"
start = 2026-03-14T00:00:00Z
until = 2026-03-17T00:00:00Z
calm_hours = 2
given = [
  { account = "ada", rows = { subs_dunning = { status = "bad_debt" }, subs_account = { flags = 32768 }, stripe_metadata = { bad_debt = "true" } } },
]
timeline = [ { at = 2026-03-15T03:00:00Z, by = "cron", do = "driftcontrol", stripe = "ada bad_debt_stuck" } ]
[remediation]
mode = "on"
"""


class Liar:
    """Does nothing, and enters an attempt of which it says something."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def handle(self, message: Any) -> Any:
        for account, _code, _entity in message.body["stripe"]:
            yield from audit.enter(account, "night", {}, self._result)


def says_healed() -> Liar:
    return Liar(Result(HEALED, ("bad_debt",)))


def says_merged() -> Liar:
    return Liar(Result(REFUSED, refused=(Refusal("MergedAccount"),)))


def says_enterprise() -> Liar:
    return Liar(Result(REFUSED, refused=(Refusal("EnterpriseExcluded"),)))


def says_unknown_to_stripe() -> Liar:
    return Liar(Result(REFUSED, refused=(Refusal("NoStripeCustomer"),)))


def says_gate_shut() -> Liar:
    return Liar(Result(REFUSED, refused=(Refusal("BadDebtDriftRemediation", "bad_debt"),)))


def says_killed() -> Liar:
    return Liar(Result(REFUSED, refused=(Refusal("valve:kill_switch"),)))


def says_other_words() -> Liar:
    return Liar(Result("skipped"))


def lied(name: str, rules: RemediationPolicy | None = None) -> tuple[Scenario, RunResult]:
    mode = f"tests.rehearsal.test_agreement:{name}" if name else "on"
    story = replace(loads(STORY), remediation=Remediation(mode=mode, rules=rules or RemediationPolicy()))
    return story, run_scenario(story, engine="noop", keep_records=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("says_healed", "ada: bad_debt_stuck is not attempted:healed"),
        ("says_merged", "ada: restriction:MergedAccount is not so"),
        ("says_enterprise", "ada: restriction:EnterpriseExcluded is not so"),
        ("says_unknown_to_stripe", "ada: restriction:NoStripeCustomer is not so"),
        ("says_gate_shut", "ada: gate:BadDebtDriftRemediation is not so"),
        ("says_killed", "ada: valve:kill_switch is not so"),
    ],
)
def test_a_remediation_that_lies_is_seen_where_truth_can_tell(name: str, says: str) -> None:
    assert disagreements(*lied(name)) == [says]


def test_who_refuses_rightly_is_not_called_a_liar() -> None:
    assert disagreements(*lied("says_gate_shut", RemediationPolicy(bad_debt_gate=Gate(open=False)))) == []
    story, result = lied("", RemediationPolicy(kill_switch=True))
    assert disagreements(story, result) == []
    assert [(each["reason"], each["holds"]) for each in result.data["remediation"]["remaining"]] == [("valve:kill_switch", True)]


def test_what_a_team_says_in_other_words_is_told_in_them() -> None:
    _, result = lied("says_other_words")
    assert [(each["reason"], each["holds"]) for each in result.data["remediation"]["remaining"]] == [("attempted:skipped", None)]


# -- in the run directory --------------------------------------------------------------------------------------------------------------


def test_nights_and_who_remains_are_tables_of_the_run(tmp_path: Path) -> None:
    story = replace(chosen(loads(STORY.replace("timeline", "# ")), "on"), remediation=Remediation(rules=RemediationPolicy(kill_switch=True)))
    data = record(story, tmp_path / "run", seed=0, engine="noop").data
    with duckdb.connect(":memory:") as database:
        nights = database.execute(f"SELECT * EXCLUDE n FROM '{tmp_path}/run/nights/*.parquet' ORDER BY n").fetchall()
        remaining = database.execute(f"SELECT * EXCLUDE n FROM '{tmp_path}/run/remaining/*.parquet' ORDER BY n").fetchall()
    assert nights == [tuple(each.values()) for each in data["nights"]] and len(nights) == 3
    assert nights[0][0] == "mirror.20526" and nights[0][1] == nights[0][2] == story.start + 3 * 3_600_000
    assert [(row[0], row[1], row[4], row[6]) for row in remaining] == [("ada", "bad_debt_stuck", "valve:kill_switch", True)]
    assert remaining[0][2:4] == (story.start, 3) and remaining[0][5] == "valve:kill_switch"
