"""What cannot be imported is refused in one line, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from billsim.replay import documents
from billsim.replay.importer import import_events
from billsim.scenario.errors import InputError

GOOD: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "charge.failed",
    "created": 1,
    "data": {"object": {"id": "ch_1", "object": "charge"}},
}
LINE = json.dumps(GOOD)


def without(key: str) -> str:
    return json.dumps({k: v for k, v in GOOD.items() if k != key})


def having(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields})


DEEP = '{"a":' * 200 + "1" + "}" * 200
BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "F: is empty"),
    "blank": (" \n\n", "F: is empty"),
    "no json": ("hello", "F:1: is not JSON: expecting value"),
    "no json on line 2": ('{\n"id": evt\n}', "F:2: is not JSON: expecting value"),
    "not utf-8": (b'{"id":\n"\xff"}', "F:2: is not UTF-8 (byte 8)"),
    "scalar": ("42", "F:1: holds 42, which is no event"),
    "text": ('"evt_1"', 'F:1: holds "evt_1", which is no event'),
    "null in a list": ("[null]", "F:1: holds null, which is no event"),
    "empty list": ("[]", "F:1: there is an empty list, so no event in it"),
    "no event": ('{"id": "in_1", "object": "invoice"}', "F:1: there is no event in it, but an object 'invoice'"),
    "foreign object": ('{"a": 1}', "F:1: there is no event in it, but an object that is not Stripe's"),
    "no type": (without("type"), "F:1: type: this key is missing"),
    "no id": (without("id"), "F:1: id: this key is missing"),
    "empty id": (having(id=""), "F:1: id: a text is required here"),
    "no data": (without("data"), "F:1: data.object: the event's object is missing, or is not an object"),
    "no data.object": (having(data={}), "F:1: data.object: the event's object is missing, or is not an object"),
    "no created": (without("created"), "F:1: created: this key is missing"),
    "created as text": (having(created="2024-01-01"), "F:1: created: a time in unix seconds (a whole number from 0) is required here"),
    "created below zero": (having(created=-1), "F:1: created: a time in unix seconds (a whole number from 0) is required here"),
    "created as bool": (having(created=True), "F:1: created: a time in unix seconds (a whole number from 0) is required here"),
    "created in milliseconds": (having(created=1_700_000_000_000), "F:1: created: a time in unix seconds (a whole number from 0) is required here"),
    "livemode as text": (having(livemode="yes"), "F:1: livemode: true or false is required here"),
    "previous attributes": (
        having(data={"object": {}, "previous_attributes": []}),
        "F:1: data.previous_attributes: an object is required here",
    ),
    "broken line": (f"{LINE}\n{LINE[:40]}\n{LINE}\n", "F:2: is not JSON: "),
    "broken first line": (f"{LINE[:40]}\n{LINE}\n", "F:1: is not JSON: "),
    "bad event on line 3": (f"{LINE}\n\n{having(type=7)}", "F:3: type: a text is required here"),
    "bad element": (f"[\n{LINE},\n{without('type')}\n]", "F:3: type: this key is missing"),
    "list not closed": (f"[{LINE},\n{LINE}", "F:2: is not JSON: the list is not closed"),
    "list with a trailing comma": (f"[{LINE},\n]", "F:1: is not JSON: expected one more element, or the end of the list"),
    "key twice": ('{"object": "event", "id": "evt_1", "id": "evt_2"}', "F:1: is not JSON: the key 'id' stands twice in one object"),
    "nan": (having(created=0).replace("0", "NaN"), "F:1: is not JSON: NaN is no number"),
    "infinite": (having(created=0).replace(": 0", ": 1e999"), "F:1: is not JSON: a number is too large"),
    "endless number": (having(created=0).replace(": 0", ": " + "9" * 5000), "F:1: is not JSON: a number is too long"),
    "page without data": ('{"object": "list", "data": {}}', "F:1: data: a list is required here"),
    "deep": (having(data={"object": json.loads(DEEP)}), "F:1: data.object: is nested too deeply to be an event"),
    "deeper": ("[" * 100_000, "F: is nested too deeply to be an event"),
    "cut gzip": (gzip.compress(LINE.encode())[:-12], "F: is a gzip file that is cut off or broken"),
    "broken gzip": (b"\x1f\x8bnonsense", "F: is a gzip file that is cut off or broken"),
}


def refusal(files: list[Path], out: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        import_events(files, out, **options)
    return str(caught.value)


@pytest.mark.parametrize("case", BAD)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    path = tmp_path / "F"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refusal([path], tmp_path / "out").replace(str(path), "F")
    assert said.startswith(message) if message.endswith(": ") else said == message
    assert "\n" not in said and len(said) < 200
    assert [p.name for p in tmp_path.iterdir()] == ["F"]


def test_a_missing_file_a_folder_and_no_file_at_all(tmp_path: Path) -> None:
    assert refusal([tmp_path / "nowhere.json"], tmp_path / "out") == f"{tmp_path}/nowhere.json: there is no such file"
    assert refusal([tmp_path], tmp_path / "out") == f"{tmp_path}: is a folder: name the files in it"
    assert refusal([], tmp_path / "out") == "no file is named: name at least one with Stripe events"


def test_a_huge_file_is_refused_unread_and_a_small_one_that_unpacks_to_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 2 * 1024 * 1024)
    plain, packed = tmp_path / "plain.json", tmp_path / "packed.json.gz"
    with plain.open("wb") as file:
        file.truncate(2 * 1024 * 1024 + 1)
    packed.write_bytes(gzip.compress(b" " * 3_000_000))
    for path in (plain, packed):
        assert refusal([path], tmp_path / "out") == f"{path}: is larger than 2 MB: split it, or leave out what the incident does not need"


def test_out_must_be_a_place_and_a_name(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(LINE)
    assert refusal([path], path).endswith("events.json: cannot be written: File exists")
    assert refusal([path], path / "deeper").startswith(f"{path}/deeper: cannot be written: ")
    assert "cannot name a scenario" in refusal([path], tmp_path / "my incident")


def test_a_bad_seed_or_order_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(LINE)
    assert refusal([path], tmp_path / "out", seed=-1) == "--seed: is outside 0..9223372036854775807"
    assert refusal([path], tmp_path / "out", order="size") == "--order: 'size' is no order: file or created"
