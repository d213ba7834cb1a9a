"""Which remediation runs: by the scenario, the command line, the policy file, or a team's own; and how what is wrong with that is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from billsim.cli import answer
from billsim.core.policy import DunningPolicy
from billsim.core.remediation import Gate, RemediationPolicy
from billsim.ports import Doors
from billsim.remediation.loading import UnknownRemediationError, load_remediation
from billsim.scenario.errors import InputError
from billsim.scenario.policy_file import loads_policy
from billsim.scenario.toml_file import dump, find, load, loads

STORY = "remediation/healed_by_night"


def doors() -> Doors:
    return Doors()


def nothing() -> int:
    return 7


def breaks() -> None:
    raise ValueError("not today")


def loaded(spec: str) -> Doors | None:
    return load_remediation(spec, DunningPolicy(), RemediationPolicy())


def test_the_modes() -> None:
    assert loaded("off") is None
    on, dry = loaded("on"), loaded("dry-run")
    assert on is not None and dry is not None
    assert [each.name for each in on.components] == ["driftcontrol", "applystripe", "applystripe_entitlements", "auto_resync_www"]
    assert dict(on.wakes) == dict(dry.wakes) == {"cron.driftcontrol": ("driftcontrol", "auto_resync_www")}


def test_a_teams_own() -> None:
    assert loaded("tests.remediation.test_loading:doors") == Doors()
    own = loaded("tests.remediation.test_stories:Reckless")
    assert own is not None and dict(own.wakes) == {"cron.driftcontrol": ("remediation",)} and own.components[0].writer == "engine"


HERE = "tests.remediation.test_loading"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("dryrun", "unknown remediation 'dryrun'; there are off, on, dry-run, or package.module:factory (did you mean 'dry-run'?)"),
        ("no.such:thing", "remediation 'no.such:thing': cannot import 'no.such': No module named 'no'"),
        (f"{HERE}:absent", f"remediation '{HERE}:absent': '{HERE}' has no 'absent'"),
        (f"{HERE}:nothing", f"remediation '{HERE}:nothing': int is neither Doors nor has handle(message)"),
        (f"{HERE}:breaks", f"remediation '{HERE}:breaks': calling 'breaks' raised ValueError: not today"),
    ],
)
def test_what_is_no_remediation(spec: str, says: str) -> None:
    with pytest.raises(UnknownRemediationError) as error:
        loaded(spec)
    assert str(error.value) == says


def test_one_that_a_scenario_names_and_that_cannot_be_loaded_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = tmp_path / "story.toml"
    story.write_text(GIVEN + f'\nstart = 2026-03-14T00:00:00Z\nuntil = 2026-03-15T00:00:00Z\n[remediation]\nmode = "{HERE}:absnt"')
    for command in (["run"], ["run", "--every-order"], ["compare"]):
        assert answer([*command, str(story)]) == 2
        assert capsys.readouterr().err == f"billsim: {story}: remediation.mode: remediation '{HERE}:absnt': '{HERE}' has no 'absnt'\n"


def test_the_option_goes_before_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    for mode, code in (("on", 0), ("off", 1), ("dry-run", 1)):
        assert answer(["run", STORY, "--remediation", mode, "--json"]) == code
        assert json.loads(capsys.readouterr().out)["remediation"]["mode"] == mode
    assert answer(["run", STORY, "--remediation", "offf"]) == 2
    assert capsys.readouterr().err == (
        "billsim: --remediation: unknown remediation 'offf'; there are off, on, dry-run, or package.module:factory (did you mean 'off'?)\n"
    )


def test_the_summary_tells_it_and_how_to_repeat_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["run", STORY, "--remediation", "on"]) == 0
    said = capsys.readouterr().out
    assert "remediation on: 2 attempts: 2 healed" in said and "drift it closed: bad_debt_stuck 1, www_drift 1" in said
    assert f"Again: billsim run {STORY} --engine recompute --seed 0 --remediation on" in said


def test_two_engines_are_compared_both_with_remediation(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is told what its own remediation came to; without it the two that do nothing leave what was given."""
    both = ["compare", STORY, "--engines", "noop,recompute"]
    assert answer([*both, "--remediation", "on", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["asked"]["unequal"] == [] and list(told["engines"]) == ["noop", "recompute"]
    for data in told["engines"].values():
        assert data["verdict"] == "holds" and data["remediation"]["outcomes"] == {"healed": 2} and data["remediation"]["remaining"] == []
    assert answer([*both, "--remediation", "dry-run"]) == 1
    said = capsys.readouterr().out
    assert said.count("remediation dry-run: 2 attempts: 2 would heal") == 2
    assert said.count("why an account stays") == 2 and said.count("only a dry run") == 2
    assert f"noop alone: billsim run {STORY} --engine noop --seed 0 --remediation dry-run" in said


def test_a_policy_file_has_rules_and_a_scenario_that_tells_its_own_goes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[remediation]\nkill_switch = true\nunsupported_types = ["msp"]\nbad_debt_gate = { but = ["ada"] }\n')
    rules = loads_policy(policy.read_text()).remediation
    assert rules == RemediationPolicy(kill_switch=True, unsupported_types=("msp",), bad_debt_gate=Gate(but=("ada",)))
    for story, why in ((STORY, "valve:kill_switch"), ("remediation/valve_most_zones", "valve:most_zones")):
        answer(["run", story, "--policy", str(policy), "--json"])
        assert list(json.loads(capsys.readouterr().out)["remediation"]["refused"]) == [why]


def test_wrong_rules_are_told_by_their_place() -> None:
    with pytest.raises(InputError) as error:
        loads_policy("[remediation]\nkil_switch = true", "p.toml")
    assert str(error.value) == "p.toml:2: remediation.kil_switch: unknown key (did you mean 'kill_switch'?)"


GIVEN = 'id = "x"\ngiven = [ { account = "ada" } ]'
ROW = '\ntimeline = [ { at = 2026-03-15T03:00:00Z, by = "cron", do = "driftcontrol", stripe = "%s" } ]'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GIVEN + ROW % "ada bad_det_stuck", "'bad_det_stuck' is no drift code (did you mean 'bad_debt_stuck'?)"),
        (GIVEN + ROW % "ada", "'ada' is not an account, a drift code and perhaps an object, as in"),
        (GIVEN + ROW % "adda www_drift", "adda"),
        (GIVEN + ROW % "" + '\n[remediation]\nmode = "onn"', "remediation.mode: unknown remediation 'onn': off, on, dry-run, or package"),
    ],
)
def test_what_a_scenario_cannot_say(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        loads(text, "s.toml")
    assert says in str(error.value) and str(error.value).startswith("s.toml:")


def test_a_scenario_with_rules_is_written_as_it_was_read() -> None:
    for name in ("remediation/bad_debt_gate", STORY):
        story = load(find(name))
        again = loads(dump(story))
        assert again.remediation == story.remediation
