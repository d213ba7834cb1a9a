"""A rows file: read with care, and one line for whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.rows import Attempt, instant_of, read_rows
from billsim.scenario.toml_file import dump, load, loads

GOOD = {"store": "subs_dunning", "account": "ada", "status": "healthy", "retry_count": 0}
BAD = {
    "{": "F:1: this line is not JSON",
    "[]": "F:1: store: this line is no row of a store",
    json.dumps({**GOOD, "store": "subs_duning"}): "F:1: store: this line is no row of a store",
    json.dumps({**GOOD, "account": 5}): "F:1: account: a text is required here",
    json.dumps({"store": "subs_dunning", "account": "ada"}): "F:1: status: this key is missing",
    json.dumps({**GOOD, "retry_cuont": 1}): "F:1: retry_cuont: subs_dunning has no such field (did you mean 'retry_count'?)",
    json.dumps({**GOOD, "retry_count": True}): "F:1: retry_count: must be a whole number",
    "\n" + json.dumps({"store": "cfbill_migrations_audit", "account": "ada", "at": 1, "failed": "no"}): "F:2: failed: must be true or false",
}


@pytest.mark.parametrize("text", BAD)
def test_a_broken_line_is_told_in_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert str(caught.value).replace(str(path), "F") == BAD[text]


def test_rows_are_kept_by_account_and_store_and_the_audit_by_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    audit = [{"store": "cfbill_migrations_audit", "account": "ada", "at": at, "failed": at > 1} for at in (2, 1)]
    path.write_text("\n".join(json.dumps(row) for row in (GOOD, *audit)))
    rows = read_rows(path)
    assert rows.of("ada", "subs_dunning") == [{"status": "healthy", "retry_count": 0}]
    assert rows.tells("ada", "subs_dunning") and not rows.tells("ada", "www") and not rows.tells("bob", "subs_dunning")
    assert rows.audit == (Attempt(1, "ada", "", "", False), Attempt(2, "ada", "", "", True))


STORY = """
id = "rows"
rows = "rows.jsonl"
reconstructed = ["www"]
start = 2026-03-10T00:00:00Z
given = [ { account = "ada" } ]
"""


def test_a_scenario_names_its_rows_and_what_was_reconstructed() -> None:
    scenario = loads(STORY)
    assert (scenario.rows, scenario.reconstructed) == ("rows.jsonl", ("www",))
    assert loads(dump(scenario)) == scenario
    for old, new, message in (
        ('"www"', '"wwww"', "reconstructed[0]: unknown store 'wwww' (did you mean 'www'?)"),
        ('rows = "rows.jsonl"', "", "reconstructed: says what 'rows' leave open, and there are none"),
    ):
        with pytest.raises(InputError) as caught:
            loads(STORY.replace(old, new))
        assert str(caught.value).endswith(message)


def test_rows_that_are_not_there_or_of_nobody_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "story.toml"
    path.write_text(STORY)
    with pytest.raises(InputError, match=r"rows\.jsonl: cannot be read: No such file"):
        run_scenario(load(path))
    (tmp_path / "rows.jsonl").write_text(json.dumps({**GOOD, "account": "adda"}))
    with pytest.raises(InputError, match=r"rows\.jsonl: holds rows of 'adda', an account that the scenario does not give \(did you mean 'ada'\?\)"):
        run_scenario(load(path))


def test_without_events_stripe_goes_on_by_itself(tmp_path: Path) -> None:
    """The plain account renews within the month; only rows were given."""
    path = tmp_path / "story.toml"
    path.write_text(STORY + "until = 2026-04-20T00:00:00Z\n".replace("\n", "") + "\n")
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD))
    result = run_scenario(load(path))
    assert result.verdict == "holds" and result.data["events"]["stripe"] > 5


def test_instants_of_many_writings_are_one() -> None:
    same = {instant_of(text) for text in ("2026-03-10T06:00:00Z", "2026-03-10 06:00:00 UTC", "2026-03-10 06:00:00", "2026-03-10T07:00:00+01:00")}
    assert same == {1_773_122_400_000}
    with pytest.raises(ValueError, match="must be a time"):
        instant_of("noon")
