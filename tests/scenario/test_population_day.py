"""The days that ship, made smaller: the rate, the mix and the rhythm that their files claim, and that the same people make the same day."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from billsim.core.time import HOUR_MS
from billsim.core.trace import MessageRecord
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load

DIGEST = """
import sys
from msgspec.structs import replace
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load
day = load(find("load/day_50k"))
day = replace(day, population=replace(day.population, accounts=600))
print(run_scenario(day).data["digest"])
"""


def smaller(name: str, accounts: int) -> Scenario:
    day = load(find(name))
    assert day.population is not None and day.population.accounts == 50_000
    return replace(day, population=replace(day.population, accounts=accounts))


@pytest.fixture(scope="module")
def first_of_month() -> RunResult:
    return run_scenario(smaller("load/day_100k", 3_000), keep_records=True)


def emitted(result: RunResult) -> list[MessageRecord]:
    return [record for record in result.records if isinstance(record, MessageRecord) and record.what == "emitted"]


def renewals(result: RunResult) -> set[tuple[int, str]]:
    """The drafts that Stripe has drawn up by itself, by when and as what; what somebody has bought is billed under the name of who asked for it."""
    return {(m.at_ms, m.name) for m in emitted(result) if m.kind == "invoice.created" and m.name.rpartition(".")[2].isdigit()}


@pytest.mark.parametrize(("name", "an_account"), [("load/day_50k", 1.0), ("load/day_100k", 2.0)])
def test_the_day_has_its_rate(name: str, an_account: float) -> None:
    """Events an account, within what 2,000 accounts can tell: 50,000 of them make the day's 50,000 or 100,000."""
    data = run_scenario(smaller(name, 2_000), seed=5).data
    assert data["verdict"] == "holds" and data["drift"]["opened"] == 0
    assert data["events"]["stripe"] / data["accounts"] == pytest.approx(an_account, rel=0.12)
    assert data["pipe_latency_ms"]["p50"] < 1_000


def test_no_event_is_padding(first_of_month: RunResult) -> None:
    """A paid renewal makes nine events, and whoever was sent any has been renewed, was tried again, or was written to by the engine."""
    by_customer: dict[str, list[str]] = {}
    for message in emitted(first_of_month):
        by_customer.setdefault(message.account, []).append(message.kind)
    reasons = {"invoice.created", "invoice.payment_failed", "invoice.paid", "customer.updated", "customer.subscription.deleted", "invoice.updated"}
    assert all(reasons & set(kinds) for kinds in by_customer.values())
    whole = Counter(tuple(sorted(kinds)) for kinds in by_customer.values()).most_common(1)[0][0]
    assert len(whole) == 9 and {"invoice.created", "invoice.finalized", "charge.succeeded", "invoice.paid"} < set(whole)


def test_the_mix_holds_failures_retries_cards_and_echoes(first_of_month: RunResult) -> None:
    kinds = Counter(message.kind for message in emitted(first_of_month))
    failed_first_tries = sum(m.kind == "invoice.payment_failed" and m.name.endswith(".1") for m in emitted(first_of_month))
    assert 0.10 < failed_first_tries / kinds["invoice.finalized"] < 0.16, "13 % of the renewals decline"
    assert kinds["invoice.payment_failed"] > failed_first_tries, "the schedule tries again what failed before the day"
    assert kinds["payment_method.attached"] > 0 and kinds["customer.updated"] > kinds["payment_method.attached"]


def test_the_day_has_its_rhythm(first_of_month: RunResult) -> None:
    """Drafts: of an afternoon hour more than twice as many as of an hour of the early morning, and many in the first hour after midnight."""
    start = load(find("load/day_100k")).start
    hours = Counter((m.at_ms - start) // HOUR_MS for m in emitted(first_of_month) if m.kind == "invoice.created")
    assert sum(hours[hour] for hour in (14, 15, 16, 17)) > 2 * sum(hours[hour] for hour in (2, 3, 4, 5)) and hours[0] > 2 * hours[3]


def test_an_engine_changes_nobody(first_of_month: RunResult) -> None:
    """Under legacy the same subscriptions renew: the same drafts at the same instants."""
    legacy = run_scenario(smaller("load/day_100k", 3_000), engine="legacy", keep_records=True)
    assert renewals(legacy) == renewals(first_of_month) != set()


def test_one_digest_in_fresh_processes_under_different_hash_seeds() -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": source},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "4242")
    ]
    digests = {run.communicate()[0] for run in runs}
    assert len(digests) == 1 and all(len(digest.strip()) == 32 for digest in digests)
