"""Policy files: what they change in a world, what a run directory keeps of them, and one line for each thing wrong with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billsim import cli
from billsim.core.platform import Names, Platform, ProgramLimits
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS
from billsim.external.words import heard, speaking, told
from billsim.ports import AccountState, CompareAndSet, Decision, Message, Read, Scan, Steps, StripeState, Transact, Write
from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.policy_file import load_policy, loads_policy
from billsim.scenario.toml_file import find, load
from billsim.stores.base import Change
from billsim.stores.subs_account import EMAIL_VERIFIED
from billsim.stores.subs_dunning import DunningRow

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "own_engine" / "policy.toml"
GRACE = "dunning/grace_runs_out"
THEIRS = {"healthy": "current", "bad_debt": "written_off"}
OURS = {"current": "healthy", "written_off": "bad_debt"}


def test_the_example_says_what_it_says() -> None:
    platform = load_policy(EXAMPLE)
    policy = platform.dunning(8)
    assert policy.grace_of("card") == 5 * DAY_MS and policy.grace_of("paypal") == 10 * DAY_MS
    assert (policy.ban_after_ms, policy.max_attempts, policy.contract_types) == (45 * DAY_MS, 8, ("enterprise", "reseller"))
    assert (policy.bad_debt_flag, policy.no_success_flag) == (1 << 20, 1 << 21)
    assert (policy.bad_debt_key, policy.bad_debt_since_key, policy.account_type_key) == ("written_off", "written_off_at", "account_type")
    assert platform.names.statuses == {**THEIRS, "retrying": "past_due", "delinquent": "in_collections"}
    assert platform.names.tables == {"subs_dunning": "collections_state"}
    assert platform.names.columns == {"subs_dunning": {"status": "state", "retry_count": "tries"}}


def test_what_is_left_out_is_as_it_ships() -> None:
    platform = loads_policy("# nothing differs\nmax_attempts = 4\n")
    assert platform.dunning(8) == DunningPolicy(max_attempts=4) and platform.names == Names() and platform.program == ProgramLimits()
    assert loads_policy("grace = { paypal = '36h' }").dunning(8).grace_ms == {"default": 7 * DAY_MS, "paypal": 36 * HOUR_MS}
    limits = loads_policy("[program]\nanswer = '500ms'\nstart = '2min'\nrestarts = 0\nline_bytes = 1000").program
    assert limits == ProgramLimits(start_ms=120_000, answer_ms=500, line_bytes=1000, restarts=0)


WRONG = [
    ("grase = { default = '7d' }", "p.toml:1: grase: unknown key (did you mean 'grace'?)"),
    ("grace = { default = 7 }", "p.toml:1: grace.default: must be text, not a whole number"),
    ("\ngrace = { default = '7 days' }", "p.toml:2: grace.default: must be a whole number with a unit (d, h, min, s, ms), as in 7d, not '7 days'"),
    ("grace = '7d'", "p.toml:1: grace: must be a table, not text"),
    ("max_attempts = 0", "p.toml:1: max_attempts: must be 1 or more"),
    ("max_attempts = true", "p.toml:1: max_attempts: must be a whole number, not true or false"),
    ("[flags]\nbad_debts = 3", "p.toml:2: flags.bad_debts: unknown flag 'bad_debts': bad_debt, has_no_successful_payment (did you mean 'bad_debt'?)"),
    ("[flags]\nbad_debt = 3", "p.toml:2: flags.bad_debt: bit 3 is the facade's marketing_opt_in"),
    ("[flags]\nbad_debt = 14", "p.toml:2: flags.bad_debt: two flags are the same bit"),
    ("[flags]\nbad_debt = 53", "p.toml:2: flags.bad_debt: is the number of a bit, 0 to 52, not 53"),
    ("[metadata]\nbad_debt = 'account_type'", "p.toml:2: metadata.bad_debt: 'account_type' is the name of 'account_type' already"),
    ("[metadata]\nbad_debt = 'a[b]'", "p.toml:2: metadata.bad_debt: must be 1 to 40 characters without square brackets, as Stripe's keys are"),
    ("[statuses]\nhealty = 'ok'", "p.toml:2: statuses.healty: unknown name of billsim's 'healty': healthy, retrying, delinquent, bad_debt (did you mean 'healthy'?)"),  # noqa: E501
    ("[statuses]\nhealthy = 'bad_debt'", "p.toml:2: statuses.healthy: 'bad_debt' is the name of 'bad_debt' already"),
    ("[statuses]\nhealthy = ''", "p.toml:2: statuses.healthy: must not be empty"),
    ("[columns.subs_duning]\nstatus = 'x'", "p.toml:1: columns.subs_duning: unknown store 'subs_duning': subs_dunning, subs_account, subs_customer, billing_prod, cf_prod, ope, www, facade_cache, cfbill_migrations_audit (did you mean 'subs_dunning'?)"),  # noqa: E501
    ("[program]\nrestarts = 1000", "p.toml:2: program.restarts: must be at most 100"),
    ("[program]\nanswer = '0s'", "p.toml:2: program.answer: must be more than nothing"),
    ("", "p.toml: the file is empty"),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line[8:50] for _, line in WRONG])
def test_what_is_wrong_is_said_in_one_line(text: str, line: str) -> None:
    with pytest.raises(InputError) as raised:
        loads_policy(text, "p.toml")
    assert str(raised.value) == line


def test_another_grace_moves_the_instant_at_which_a_debt_turns_bad() -> None:
    """Exhausted on the 14th at 10:00: bad after 7 days as it ships, after 2 under this policy; recompute meets either within seconds."""
    written_ms = {}
    for days in (7, 2):
        platform = loads_policy(f"grace = {{ default = '{days}d' }}")
        result = run_scenario(load(find(GRACE)), platform=platform, keep_records=True)
        assert result.verdict == "holds"
        turned = [r for r in result.records if r[0] == "writes" and r.store == "subs_dunning" and r.new.status == "bad_debt"]
        written_ms[days] = turned[0].at_ms
    assert abs(written_ms[7] - written_ms[2] - 5 * DAY_MS) < 10_000, "but for the latencies of the message that wakes it"


def test_other_bits_and_keys_are_those_that_are_written() -> None:
    platform = loads_policy("[flags]\nbad_debt = 20\n[metadata]\nbad_debt = 'written_off'")
    result = run_scenario(load(find(GRACE)), platform=platform, keep_records=True)
    flags = {r.new.flags for r in result.records if r[0] == "writes" and r.store == "subs_account"}
    keys = {key for r in result.records if r[0] == "writes" and r.store == "stripe.customer" for key in r.new.metadata}
    assert result.verdict == "holds" and flags == {1 << 20 | EMAIL_VERIFIED} and "written_off" in keys and "bad_debt" not in keys


@pytest.mark.parametrize("engine", ["noop", "all_healthy"])
def test_the_checks_judge_by_the_same_policy(engine: str) -> None:
    assert run_scenario(load(find(GRACE)), engine=engine, platform=loads_policy("grace = { default = '2d' }")).verdict == "falls"


# -- words -----------------------------------------------------------------------------------------------------------------------------


def test_a_brain_is_told_its_words_and_heard_in_ours() -> None:
    class Echo:
        def decide(self, state: Any, now_ms: int, policy: DunningPolicy) -> Decision:
            return Decision(state.dunning.status)


    row = DunningRow("ada", status="bad_debt")
    state = AccountState("ada", row, None, None, {}, {}, {}, {}, StripeState())
    assert told(state, THEIRS).dunning.status == "written_off" and state.dunning is row
    brain = speaking(Echo(), THEIRS)
    assert brain.decide(state, 0, DunningPolicy()) == Decision("bad_debt")  # type: ignore[union-attr]
    assert speaking(brain, {}) is brain


def test_what_a_handler_asks_for_and_is_answered_is_put_into_words() -> None:
    class Hands:
        def handle(self, message: Message) -> Steps:
            row = yield Read("subs_dunning", "ada")
            assert row.status == "written_off"
            with pytest.raises(LookupError):
                yield Write("subs_dunning", "ada", {"status": "current"})

    steps = speaking(Hands(), THEIRS).handle(Message("m", "w", "boundary", "ada", 0))  # type: ignore[union-attr]
    assert next(steps) == Read("subs_dunning", "ada")
    assert steps.send(DunningRow("ada", status="bad_debt")) == Write("subs_dunning", "ada", {"status": "healthy"})
    with pytest.raises(StopIteration):
        steps.throw(LookupError())


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (CompareAndSet("subs_dunning", "ada", 1, {"status": "current"}), CompareAndSet("subs_dunning", "ada", 1, {"status": "healthy"})),
        (Write("subs_dunning", "ada", {"retry_count": 1}), Write("subs_dunning", "ada", {"retry_count": 1})),
        (Write("billing_prod", "ada", {"status": "current"}), Write("billing_prod", "ada", {"status": "current"})),
        (Transact("subs_dunning", "a", (Change("a", {"status": "current"}),)), Transact("subs_dunning", "a", (Change("a", {"status": "healthy"}),))),
        (Scan("subs_dunning", {"status": ("current", "new")}), Scan("subs_dunning", {"status": ("healthy", "new")})),
    ],
)
def test_every_effect_that_holds_a_status(asked: Any, meant: Any) -> None:
    assert heard(asked, OURS) == meant


# -- the commands ----------------------------------------------------------------------------------------------------------------------


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.answer([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text("grace = { default = '2d' }\n", encoding="utf-8")
    return path


def test_run_compare_and_every_order_take_a_policy_and_repeat_it(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answered(capsys, "run", GRACE, "--policy", policy)
    assert (code, err) == (0, "") and out.splitlines()[-1] == f"Again: billsim run {GRACE} --engine recompute --seed 0 --policy {policy}"
    code, out, err = answered(capsys, "run", GRACE, "--policy", policy, "--every-order")
    assert (code, err) == (0, "") and out.splitlines()[-1].endswith(f"--policy {policy} --every-order")
    code, out, err = answered(capsys, "compare", GRACE, "--policy", policy, "--json")
    data = json.loads(out)
    assert (code, err) == (0, "") and {run["policy"] for run in data["engines"].values()} == {str(policy)}


def test_a_replay_is_on_the_platform_that_was_recorded_or_on_another(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "run"
    assert answered(capsys, "run", GRACE, "--policy", policy, "--out", run_dir, "--json")[0] == 0
    policy.rename(tmp_path / "moved.toml")
    code, out, _ = answered(capsys, "replay", run_dir, "--strict", "--json")
    assert code == 0 and json.loads(out)["same_digest"] is True
    policy.write_text("grace = { default = '3d' }\n", encoding="utf-8")
    code, out, _ = answered(capsys, "replay", run_dir, "--policy", policy, "--json")
    assert code == 0 and json.loads(out)["same_digest"] is False


def test_doctor_tries_the_world_of_the_policy(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answered(capsys, "run", GRACE, "--policy", policy, "--json")
    digest = json.loads(out)["digest"]
    _, out, _ = answered(capsys, "doctor", GRACE, "--policy", policy, "--json")
    assert json.loads(out)["determinism"]["seeds"][0]["digests"] == [digest, digest]
    _, out, _ = answered(capsys, "doctor", GRACE, "--json")
    assert digest not in json.loads(out)["determinism"]["seeds"][0]["digests"], "the policy makes another world"


def test_bench_measures_under_the_policy_and_only_against_the_same(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("bench", GRACE, "--scale-to", "0", "--worlds", "1")
    _, out, _ = answered(capsys, "run", GRACE, "--policy", policy, "--json")
    digest = json.loads(out)["digest"]
    code, out, _ = answered(capsys, *short, "--policy", policy, "--json")
    data = json.loads(out)
    assert (code, data["digest"], data["policy"]) == (0, digest, str(policy))
    before = tmp_path / "before.json"
    before.write_text(out, encoding="utf-8")
    assert answered(capsys, *short, "--policy", policy, "--baseline", before, "--fail-over", "100000")[1].startswith(
        f"# dunning/grace_runs_out under recompute, seed 0, policy {policy}\n"
    )
    code, _, err = answered(capsys, *short, "--baseline", before)
    assert (code, err) == (2, f"billsim: --baseline: measured the policy {policy}, and this is none\n")


def test_the_process_of_its_own_of_bench_is_under_the_policy_too(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = tmp_path / "day.toml"
    day.write_text("id = 'mine/day'\nstart = 2026-03-01T00:00:00Z\npopulation = { accounts = 300, days = 1, people = 'saas' }\n", encoding="utf-8")
    code, out, _ = answered(capsys, "bench", day, "--scale-to", "12000", "--worlds", "0", "--policy", policy, "--json")
    assert code == 0 and json.loads(out)["scale"][-1]["events"] >= 12_000
    main = "import sys; from billsim.bench import main; main(*sys.argv[1:])"
    source = str(Path(__file__).resolve().parents[1] / "src")
    command = [sys.executable, "-c", main, str(day), "recompute", "0", "2000", str(tmp_path / "none.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": source})
    assert done.returncode != 0 and "none.toml: there is no such file" in done.stderr


def test_a_bad_policy_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = tmp_path / "none.toml"
    assert answered(capsys, "run", GRACE, "--policy", none) == (2, "", f"billsim: {none}: there is no such file\n")
    (tmp_path / "bad.toml").write_text("graze = 3\n", encoding="utf-8")
    for command in ("compare", "doctor", "bench"):
        code, out, _ = answered(capsys, command, GRACE, "--policy", tmp_path / "bad.toml", "--json")
        assert code == 2 and json.loads(out)["error"]["hint"] == "grace"


def test_platform_is_a_value() -> None:
    assert Platform() == Platform() != Platform(policy={"max_attempts": 3})
