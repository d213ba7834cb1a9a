"""`billsim run --stripe sdk` and `billsim doctor --stripe`: what they print, their exit codes, and what they say where something is lacking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim import cli, oracle
from billsim.oracle import Mock, Seen, record
from billsim.rundir import read_run
from billsim.scenario.toml_file import find, load
from billsim.stripe.wire.message import Response

STORY = "dunning/late_failed_after_paid"
Answered = tuple[int, str, str]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    def answer(*arguments: object) -> Answered:
        code = cli.answer([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return answer


def test_a_run_says_that_the_engine_asked_through_the_sdk(answer: Callable[..., Answered], tmp_path: Path) -> None:
    (code, direct, _), (same_code, through, _) = answer("run", STORY, "--json"), answer("run", STORY, "--stripe", "sdk", "--json")
    first, second = json.loads(direct), json.loads(through)
    assert code == same_code == 0 and second["stripe"] == "sdk" and "stripe" not in first
    assert {name: first[name] for name in ("digest", "drift", "findings", "records")} == {
        name: second[name] for name in ("digest", "drift", "findings", "records")
    }
    assert answer("run", STORY, "--stripe", "sdk")[1].splitlines()[-1] == f"Again: billsim run {STORY} --engine recompute --seed 0 --stripe sdk"
    assert answer("run", STORY, "--stripe", "sdk", "--out", tmp_path / "kept")[0] == 0
    assert read_run(tmp_path / "kept")["stripe"] == "sdk"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--stripe", "http"), "--stripe: must be direct or sdk, not 'http'"),
        (("--stripe", "sdk", "--every-order"), "--stripe: is for one run, and --every-order makes many: leave one of them out"),
    ],
)
def test_a_way_that_there_is_not_is_told_of(answer: Callable[..., Answered], more: tuple[str, ...], said: str) -> None:
    assert answer("run", STORY, *more) == (2, "", f"billsim: {said}\n")


@pytest.mark.parametrize("command", [("run", STORY, "--stripe", "sdk"), ("doctor", "--stripe")])
def test_without_its_extra_it_names_it_in_one_line(command: tuple[str, ...]) -> None:
    without = f"import sys; sys.modules['stripe'] = None; from billsim import cli; sys.exit(cli.answer({list(command)!r}))"
    there = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, env=there)
    assert ended.returncode == 2 and ended.stdout == "" and len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("billsim: --stripe: ") and "pip install 'billsim[stripe]'" in ended.stderr


@pytest.fixture(scope="module")
def few() -> list[Seen]:
    return record([load(find(STORY))])


def test_doctor_prints_a_line_for_each_kind(answer: Callable[..., Answered], few: list[Seen], mock: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "shipped", lambda _progress: few)
    code, out, _ = answer("doctor", "--stripe", "--stripe-mock", mock.url)
    assert code == 0 and out.splitlines()[-1] == "ok: what engines ask of Stripe and are answered, beside stripe-mock (given)"
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if not line.startswith(" ")}
    assert rows["kind"] == ["requests", "fields", "exceptions", "verdict"]
    assert rows["customer"][-1] == rows["invoice"][-1] == "ok" and int(rows["invoice"][1]) > 100
    code, out, _ = answer("doctor", "--stripe-mock", mock.url, "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0 and told["ok"] and told["stripe_mock"] == "given"
    assert {row["kind"] for row in told["kinds"]} >= {"customer", "invoice", "subscription"}


def test_doctor_fails_where_something_differs(
    answer: Callable[..., Answered], few: list[Seen], mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(each for each in few if each.exchange.name == "customers.retrieve")
    broken = first.exchange.response.body.replace(b'"balance":', b'"ballance":')
    wrong = replace(first, exchange=first.exchange._replace(response=Response(200, {}, broken)))
    monkeypatch.setattr(oracle, "shipped", lambda _progress: [wrong])
    code, out, _ = answer("doctor", "--stripe-mock", mock.url)
    assert code == 1 and out.splitlines()[-1].startswith("WRONG: ")
    assert f"  WRONG: customer.balance is not there (first in {STORY} under recompute: customers.retrieve)" in out.splitlines()
    code, out, _ = answer("doctor", "--stripe-mock", mock.url, "--json")
    assert code == 1 and json.loads(out)["kinds"][0]["wrong"][0]["what"] == "customer.balance is not there"


def test_doctor_says_that_nothing_answers(answer: Callable[..., Answered]) -> None:
    code, out, err = answer("doctor", "--stripe-mock", "http://127.0.0.1:9")
    assert (code, out) == (2, "") and err.startswith("billsim: --stripe-mock: http://127.0.0.1:9 does not answer as stripe-mock does")
