"""Published sample events of 86 types and of API versions back to 2017 go through, every one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from billsim.replay.importer import import_events
from billsim.scenario.incident import emit, read_events, seed_objects
from billsim.scenario.toml_file import load
from billsim.stripe.objects import StripeObject

_DATA = Path(os.environ.get("BILLSIM_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
FILES = sorted((_DATA / "stripe-events").glob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"no sample events in {_DATA}/stripe-events; BILLSIM_DATA names another folder")

PERSONAL = (
    "Jenny Rosen",
    "Jane Austen",
    "Testy Tester",
    "amitree",
    "example@example.com",
    "stripe@example.com",
    "test@stripe.com",
    "157.131.133.10",
    "Townsend",
    "94103",
    "STRIPE TEST BANK",
    "ZoVSX2dK5igWt2SB",
    "Example Company",
    "(created by Stripe CLI)",
    "00000000000000",
    "_secret_",
    "stripe.com",
    "Veteran",
    "6735",
)


def test_all_samples_make_one_scenario(tmp_path: Path) -> None:
    report = import_events(FILES, tmp_path / "all", order="created")
    assert report.events == len(FILES) == 88
    assert len(load(report.scenario).given) == report.accounts == 2
    text = "".join(path.read_text(encoding="utf-8") for path in report.scenario.parent.iterdir())
    assert [real for real in PERSONAL if real in text] == []
    assert not [note for note in report.notes if "cannot be read" in note.message]


def test_all_samples_are_delivered_under_names_of_their_own(tmp_path: Path) -> None:
    import_events(FILES, tmp_path / "all")
    events = read_events(tmp_path / "all" / "all.events.jsonl")
    emitted = list(emit(events))
    assert len({e.name for e in emitted}) == len({e.event.id for e in emitted}) == 88
    assert len({o.id for o in seed_objects(events)}) == len(seed_objects(events))
    modelled = [e for e in emitted if isinstance(e.event.data.object, StripeObject)]
    assert len(modelled) == sum(
        json.loads(f.read_text())["data"]["object"].get("object")
        in ("customer", "payment_method", "price", "subscription", "payment_intent", "charge")
        or f.name.startswith("invoice.")
        and "upcoming" not in f.name
        for f in FILES
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_sample_goes_through_by_itself(tmp_path: Path, path: Path) -> None:
    report = import_events([path], tmp_path / "one")
    assert report.events == 1
    (emitted,) = emit(read_events(tmp_path / "one" / "one.events.jsonl"))
    assert emitted.event.type == json.loads(path.read_text())["type"]
    assert load(report.scenario).until > load(report.scenario).start
