"""driftcontrol: whom it attempts, in which order, what its valves leave in the audit, and what a crash does to a night."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from billsim.core.remediation import RemediationPolicy
from billsim.ports import Component, Message, Steps
from billsim.remediation.driftcontrol import by_account
from billsim.run import run_scenario
from billsim.scenario.toml_file import loads
from tests.remediation.night import NIGHT, Night

STUCK = 'rows = { subs_dunning = { status = "bad_debt", escalation_level = 3 }, subs_account = { flags = 32768 } }'
TWO = ", ".join(f'{{ account = "{name}", {STUCK} }}' for name in ("ada", "bob"))


def test_candidates_are_gathered_by_account_in_the_order_in_which_they_came() -> None:
    handed = [("bob", "b", "x"), ("ada", "a", ""), ("bob", "c", "x"), ("bob", "b", "y")]
    assert by_account(handed) == {"bob": (("b", "c"), ("x", "y")), "ada": (("a",), ())}
    assert list(by_account(handed)) == ["bob", "ada"]


def test_the_audit_tells_what_an_account_was_a_candidate_by() -> None:
    night = Night(TWO)
    night.run([("ada", "bad_debt_stuck", ""), ("ada", "debt_flags_inconsistent", "cus_ada")])
    row = night.shard().all("cfbill_migrations_audit")["2026-03-15/applystripe"]
    assert row.params == '{"codes":["bad_debt_stuck","debt_flags_inconsistent"],"entities":["cus_ada"],"dry_run":false}'
    assert not night.shard("bob").all("cfbill_migrations_audit")


def test_whom_a_valve_leaves_over_has_a_row_that_says_which() -> None:
    night = Night(TWO, RemediationPolicy(most_accounts=1))
    night.run([("bob", "bad_debt_stuck", ""), ("ada", "bad_debt_stuck", "")])
    assert night.result("bob")["outcome"] == "healed"
    assert night.result("ada")["refused"] == [{"why": "valve:most_accounts", "step": ""}] and not night.result("ada")["failed"]
    assert night.writers("ada") == []


class Breaks:
    """An applystripe that fails for everybody: it enters nothing."""

    def handle(self, message: Message) -> Steps:
        yield from ()


def test_failures_end_a_night() -> None:
    """Who leaves no row has failed. Two of four may be attempted before a share of failures counts."""
    names = ("ada", "bob", "cem", "dan")
    night = Night(", ".join(f'{{ account = "{name}" }}' for name in names), RemediationPolicy(floor=1, most_share_ppm=1_000_000))
    components = {**night.world.components, "applystripe": Component("applystripe", "engine", Breaks().handle)}
    night.world.components = components
    night.run([(name, "ledger_drift", "") for name in names])
    assert not night.shard("ada").all("cfbill_migrations_audit") and not night.shard("bob").all("cfbill_migrations_audit")
    assert [night.result(name)["refused"][0]["why"] for name in ("cem", "dan")] == ["valve:failures"] * 2


def test_a_night_that_crashes_is_taken_up_where_it_broke_off() -> None:
    """The process dies before any of its writes; the scheduler starts the job again, and nobody is attempted twice or left out."""
    text = f"""
id = "x"
start = 2026-03-15T00:00:00Z
given = [ {TWO} ]
timeline = [ {{ at = 2026-03-15T03:00:00Z, by = "cron", do = "driftcontrol", stripe = "ada bad_debt_stuck, bob bad_debt_stuck" }} ]
[faults]
crash = {{ ppm = 150000 }}
[remediation]
mode = "on"
"""
    crashed = 0
    for seed in range(40):
        result = run_scenario(loads(text), seed=seed, keep_records=True)
        attempts = [(record.account, record.failed) for record in _attempts(result.records)]
        again = result.data["marks"].get("request_sent_again", 0)
        crashed += again > 0
        assert len(attempts) == len(dict.fromkeys(attempts)), seed
        if again < 2:
            assert sorted(attempts) == [("ada", False), ("bob", False)] and result.verdict == "holds", seed
    assert crashed > 5


def _attempts(records: list[Any]) -> Iterator[Any]:
    return (record for record in records if record[0] == "remediation")


def test_who_stripe_does_not_tell_of_has_a_row_and_does_not_end_the_night() -> None:
    given = ", ".join(f'{{ account = "{name}", rows = {{ subs_account = {{ flags = 32768 }} }} }}' for name in ("ada", "bob"))
    night = Night(given, more='[faults]\nstripe_error = { ppm = 1000000, accounts = ["ada"] }')
    night.run([("ada", "bad_debt_stuck", ""), ("bob", "bad_debt_stuck", "")], [("ada", "www_drift", "ada.example")])
    told = night.result()
    assert (told["outcome"], told["failed"], list(told["wrong"])) == ("failed", True, [""])
    assert night.result(key=f"{NIGHT}/auto_resync_www/ada.example")["wrong"] == told["wrong"]
    assert night.result("bob")["outcome"] == "healed"
