"""Tables that cannot be imported are refused in one line, and leave nothing behind; a mapping says what they call things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from billsim.cli import answer
from billsim.replay import tables as reading
from billsim.replay.columns import FIELDS, parse_mapping, read_mapping
from billsim.replay.documents import Found
from billsim.replay.importer import import_events
from billsim.replay.row_files import named_stores
from billsim.scenario.errors import InputError
from tests.replay.row_tables import DUNNING, tables

HEAD = "account,status,retry_count\n"
BAD: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("subs_dunning.csv", "", "F: is empty"),
    "only names": ("subs_dunning.csv", HEAD, "F: holds no row"),
    "empty json lines": ("subs_dunning.jsonl", "", "F: is empty"),
    "no parquet": ("subs_dunning.parquet", "hello", "F: is no Parquet file that can be read: too small to be a Parquet file"),
    "csv under the name of parquet": (
        "subs_dunning.parquet", HEAD * 3, "F: is no Parquet file that can be read: No magic bytes found at end"
    ),
    "not utf-8": ("subs_dunning.csv", b"account,status\nx,\xff\n", "F:2: is not UTF-8"),
    "not utf-8 head": ("subs_dunning.csv", b"acc\xffount,status\nx,y\n", "F:1: is not UTF-8"),
    "ragged": (
        "subs_dunning.csv", HEAD + "1,healthy,0,9\n",
        "F:2: is not CSV as its first line has it: Expected Number of Columns: 3 Found: 4",
    ),
    "column twice": ("subs_dunning.csv", "account,status,account\n", "F:1: the column 'account' stands twice"),
    "column without a name": ("subs_dunning.csv", "account,,status\n", "F:1: a column has no name: the first line must name them all"),
    "unknown column": (
        "subs_dunning.csv", "account,statuss\n1,healthy\n",
        "F:2: statuss: subs_dunning has no such column; a mapping (--columns) can rename or ignore it (did you mean 'status'?)",
    ),
    "missing column": ("subs_dunning.csv", "account\n1\n", "F:2: status: subs_dunning needs it in every row"),
    "missing value": ("subs_dunning.csv", HEAD + "1,healthy,0\n,healthy,0\n", "F:3: account: subs_dunning needs it in every row"),
    "unknown status": (
        "subs_dunning.csv", HEAD + "1,delinquint,0\n",
        "F:2: status: 'delinquint' is not one of healthy, retrying, delinquent, bad_debt; a mapping (--columns) can say which it is"
        " (did you mean 'delinquent'?)",
    ),
    "no number": ("subs_dunning.csv", HEAD + "1,healthy,two\n", "F:2: retry_count: must be a whole number, not 'two'"),
    "negative": ("subs_dunning.csv", HEAD + "1,healthy,-1\n", "F:2: retry_count: must be a number from 0 to 9007199254740992, not -1"),
    "fraction": (
        "subs_dunning.jsonl", '{"account": "1", "status": "healthy", "retry_count": 1.5}', "F:1: retry_count: must be a whole number, not '1.5'"
    ),
    "no text": ("subs_dunning.jsonl", '{"account": ["1"], "status": "healthy"}', "F:1: account: must be text, not ['1']"),
    "no row": ("subs_dunning.jsonl", "[[1]]", "F:1: a row is required here, an object"),
    "a number": ("subs_dunning.jsonl", "1", "F:1: holds 1, which is no row"),
    "no time": (
        "subs_dunning.csv", "account,status,at\n1,healthy,yesterday\n", "F:2: at: must be a time such as 2026-03-14T01:00:00Z, not 'yesterday'",
    ),
    "time before time": (
        "subs_dunning.csv", "account,status,at\n1,healthy,1900-01-01\n", "F:2: at: lies outside the years 2000 to 2199: '1900-01-01'"
    ),
    "key twice": (
        "subs_dunning.csv", HEAD + "1,healthy,0\n2,healthy,0\n1,retrying,1\n",
        "F:4: account: a second row of account '1' in subs_dunning: the first stands in line 2 of F",
    ),
    "no boolean": (
        "cfbill_migrations_audit.csv", "account,at,failed\n1,2026-03-01,perhaps\n", "F:2: failed: must be true or false, not 'perhaps'",
    ),
    "status of another kind": (
        "billing_prod.csv", "account,object_id,status,amount_due\n1,in_1,succeeded,5\n",
        "F:2: status: 'succeeded' is no status of invoices: draft, open, paid, void, uncollectible",
    ),
    "no currency": (
        "billing_prod.csv", "account,object_id,status,amount_due,currency\n1,in_1,open,5,euro\n",
        "F:2: currency: 'euro' is no currency: three letters, as in usd",
    ),
    "no country": ("subs_account.csv", "account,country\n1,Germany\n", "F:2: country: 'Germany' is no country: two capital letters, as in US"),
    "no store": (
        "subs_duning.csv", DUNNING, "F: its name tells no store: call it <store>.csv, or say --store STORE=FILE (did you mean 'subs_dunning'?)",
    ),
    "broken line": ("www.jsonl", '{"account": "1", "zone": "z", "plan": "p"}\n{"account"\n', "F:2: is not JSON: expecting ':' delimiter"),
}  # fmt: skip


def refusal(files: list[Path], out: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        import_events(files, out, **{"at": "2026-03-10T06:00:00Z", **options})
    return str(caught.value)


@pytest.mark.parametrize("case", BAD)
def test_a_broken_table_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    name, content, message = BAD[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal([path], tmp_path / "out").replace(str(path), "F") == message
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_file_a_folder_a_huge_one_and_an_unknown_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, path = tmp_path / "out", tmp_path / "subs_dunning.csv"
    assert refusal([path], out) == f"{path}: there is no such file"
    path.mkdir()
    assert refusal([path], out) == f"{path}: is a folder: name the files in it"
    path.rmdir()
    path.write_text(DUNNING)
    assert refusal([], out, stores={"subs_duning": path}) == "--store: there is no store 'subs_duning' (did you mean 'subs_dunning'?)"
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    assert "is larger than 0 MB" in refusal([path], out)


def test_the_moment_must_be_told_or_be_in_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "www.csv"
    path.write_text("account,zone,plan\n1,z.test,pro\n")
    assert refusal([path], tmp_path / "out", at="") == f"{path}: no row says when it was written: say --at TIME, the moment that the rows are of"
    assert refusal([path], tmp_path / "out", at="noon") == "--at: must be a time such as 2026-03-14T01:00:00Z, not 'noon'"


def test_options_about_rows_need_rows(tmp_path: Path) -> None:
    events = tmp_path / "events.json"
    events.write_text('{"object": "event", "id": "evt_1", "type": "x", "created": 1, "data": {"object": {}}}')
    assert refusal([events], tmp_path / "out") == "--at: is about store rows, and no file with such is named"


def test_a_table_may_open_no_other_file(tmp_path: Path) -> None:
    """A name that is a pattern is one file's name and no more."""
    (tmp_path / "subs_dunning.csv").write_text(DUNNING)
    odd = tmp_path / "subs_dunning*.csv"
    assert refusal([odd], tmp_path / "out") == f"{odd}: there is no such file"


def test_store_options_are_store_and_file() -> None:
    assert named_stores(["ope=a=b.csv"]) == {"ope": Path("a=b.csv")}
    for options, message in ((["ope"], "must be STORE=FILE"), (["ope=a", "ope=b"], "names 'ope' twice")):
        with pytest.raises(InputError, match=message):
            named_stores(options)


def test_the_command_takes_rows_and_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in tables(tmp_path)]
    assert answer(["import", *files, "--out", str(tmp_path / "it"), "--at", "2026-03-10T06:00:00Z"]) == 0
    assert "0 events and 18 store rows of 2 accounts" in capsys.readouterr().out
    assert answer(["import", "--store", f"nope={files[0]}", "--out", str(tmp_path / "it2")]) == 2
    assert "--store: there is no store 'nope'" in capsys.readouterr().err


MAPPING = """
[subs_dunning]
file = "dunning_state"
account = "acct_id"
status = { column = "state", values = { OK = "healthy", PAST_DUE = "retrying", COLLECTIONS = "bad_debt" } }
since_ms = { column = "since", unit = "s" }
ignore = ["etl_loaded"]

[subs_account]
account = "acct_id"
flags = { column = "flags", bits = { in_bad_debt = 15 } }
account_type = { constant = "self_serve" }
"""


def mapped(tmp_path: Path, store: str, row: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / "columns.toml"
    path.write_text(MAPPING)
    return read_mapping(path).row(store, Found("F", 2, row)).fields


def test_a_mapping_renames_translates_and_passes_over(tmp_path: Path) -> None:
    row = {"acct_id": 7, "state": "PAST_DUE", "retry_count": "2", "since": 1_773_122_400, "etl_loaded": "x"}
    assert mapped(tmp_path, "subs_dunning", row) == {"account": "7", "status": "retrying", "retry_count": 2, "since_ms": 1_773_122_400_000}
    assert mapped(tmp_path, "subs_account", {"acct_id": "7", "flags": 1, "in_bad_debt": "t"})["flags"] == 32769
    assert mapped(tmp_path, "subs_account", {"acct_id": "7", "in_bad_debt": False}) == {"account": "7", "account_type": "self_serve", "flags": 0}
    with pytest.raises(InputError, match="F:2: acct: subs_dunning has no such column"):
        mapped(tmp_path, "subs_dunning", {"acct": 7, "state": "OK"})
    with pytest.raises(InputError, match="F:2: state: 'WEIRD' is not one of healthy"):
        mapped(tmp_path, "subs_dunning", {"acct_id": 7, "state": "WEIRD"})


def test_a_mapping_tells_the_store_of_a_file(tmp_path: Path) -> None:
    columns, path = tmp_path / "columns.toml", tmp_path / "dunning_state.csv"
    columns.write_text(MAPPING)
    path.write_text("acct_id,state\n7,COLLECTIONS\n")
    report = import_events([path], tmp_path / "out", columns=columns, at="2026-03-10T06:00:00Z")
    assert '"status":"bad_debt"' in (report.scenario.parent / "out.rows.jsonl").read_text()


BAD_MAPPINGS = {
    "[subs_duning]\n": "F:1: subs_duning: there is no store 'subs_duning' (did you mean 'subs_dunning'?)",
    "[www]\nzon = 'x'\n": "F:2: www.zon: www has no field 'zon' (did you mean 'zone'?)",
    "[www]\nzone = 5\n": "F:2: www.zone: must be a table, not a whole number",
    "[www]\nzone = { colum = 'x' }\n": "F:2: www.zone.colum: unknown key (did you mean 'column'?)",
    "[subs_account]\nflags = { bits = { a = 70 } }\n": "F:2: subs_account.flags.bits: a bit is a number from 0 to 62",
    "[www]\nat = { unit = 'm' }\n": "F:2: www.at.unit: 'm' is no unit of time: s or ms",
    "[www\n": "F:1: is not TOML: Expected ']' at the end of a table declaration",
    "www = 5\n": "F:1: www: must be a table, not a whole number",
}


@pytest.mark.parametrize("text", BAD_MAPPINGS)
def test_a_broken_mapping_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "columns.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_mapping(path)
    assert str(caught.value).replace(str(path), "F") == BAD_MAPPINGS[text]


def test_every_field_of_a_single_store_is_one_of_its_rows() -> None:
    """What people may tell of a store exists in its rows."""
    from billsim.stores import SCHEMAS

    for store in ("subs_dunning", "subs_account", "subs_customer", "billing_prod"):
        known = {name for name in SCHEMAS[store].row.__struct_fields__}
        assert set(FIELDS[store]) <= known


def test_the_documented_mapping_is_read_and_the_documented_columns_are_all_there_are() -> None:
    text = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text(encoding="utf-8")
    mapping = text.split("```toml\n")[1].split("```")[0]
    assert parse_mapping(mapping).file_of("subs_dunning") == "dunning_state"
    for store, fields in FIELDS.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{store}`"))
        for name, field in fields.items():
            assert (f"**{name}**" in line) == field.required and name in line, (store, name)
