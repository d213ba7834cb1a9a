"""Import: real events in, a scenario out, the same one every time, with nobody's name in it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from billsim.replay.importer import import_events
from billsim.scenario.errors import InputError
from billsim.scenario.incident import emit, read_events, seed_objects
from billsim.scenario.toml_file import load

DAY = 86_400
T = 1_700_000_000  # 2023-11-14T22:13:20Z


def event(n: int, type: str, payload: dict[str, Any], created: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"evt_1Real{n}",
        "object": "event",
        "api_version": "2020-08-27",
        "created": created,
        "data": {"object": payload},
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
        **more,
    }


def invoice(status: str, attempts: int) -> dict[str, Any]:
    paid = status == "paid"
    return {
        "id": "in_1RealInvoice",
        "object": "invoice",
        "customer": "cus_RealOne",
        "customer_email": "jane.roe@corp.test",
        "customer_name": "Jane Q. Roe",
        "subscription": "sub_1RealSub",
        "status": status,
        "amount_due": 2000,
        "amount_paid": 2000 if paid else 0,
        "amount_remaining": 0 if paid else 2000,
        "attempt_count": attempts,
        "attempted": attempts > 0,
        "billing_reason": "subscription_cycle",
        "created": T,
        "currency": "usd",
        "payment_intent": "pi_1RealIntent",
        "charge": "ch_1RealCharge",
        "metadata": {"sales_rep": "Bob Smith-Jones"},
    }


def customer() -> dict[str, Any]:
    return {
        "id": "cus_RealOne",
        "object": "customer",
        "created": T - 90 * DAY,
        "email": "jane.roe@corp.test",
        "name": "Jane Q. Roe",
        "phone": "+1 415 555 0123",
        "address": {"line1": "510 Townsend St", "city": "San Francisco", "postal_code": "94103", "country": "US"},
        "metadata": {"account_type": "self_serve", "bad_debt": "true"},
    }


def story() -> list[dict[str, Any]]:
    """A failure, the payment, and the failure's event delivered last."""
    return [
        event(1, "customer.updated", customer(), T),
        event(2, "invoice.paid", invoice("paid", 8), T + 14 * DAY + 60),
        event(3, "invoice.payment_failed", invoice("open", 8), T + 14 * DAY),
    ]


def given_file(folder: Path, content: Any, name: str = "events.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_story_becomes_a_scenario_that_loads(tmp_path: Path) -> None:
    report = import_events([given_file(tmp_path, story())], tmp_path / "out")
    assert (report.scenario, report.accounts, report.events) == (tmp_path / "out" / "out.toml", 1, 3)
    scenario = load(report.scenario)
    assert scenario.id == "incident/out"
    assert scenario.events == "out.events.jsonl"
    assert scenario.start == (T // DAY * DAY) * 1000
    account = scenario.given[0]
    assert account.account.startswith("acct_") and account.account_type == "self_serve" and account.instrument == "card"
    assert scenario.until == (T + 14 * DAY + 60 + DAY) * 1000 + 1


def test_the_files_agree_on_who_is_who(tmp_path: Path) -> None:
    report = import_events([given_file(tmp_path, story())], tmp_path / "out")
    account = load(report.scenario).given[0].account
    events = read_events(tmp_path / "out" / "out.events.jsonl")
    assert {emitted.customer for emitted in emit(events)} == {f"cus_{account}"}
    assert {getattr(o, "subscription", None) for o in seed_objects(events)} >= {f"sub_{account}"}


def test_nothing_real_is_left_in_what_is_written(tmp_path: Path) -> None:
    report = import_events([given_file(tmp_path, story(), "jane.json")], tmp_path / "out")
    text = "".join(path.read_text(encoding="utf-8") for path in report.scenario.parent.iterdir())
    for real in ("Real", "jane", "Jane", "Roe", "corp.test", "Bob", "415", "Townsend", "San Francisco", "94103", str(tmp_path)):
        assert real not in text, real
    assert '"bad_debt":"true"' in text


def test_file_order_is_the_order_of_delivery_and_created_is_the_order_of_making(tmp_path: Path) -> None:
    path = given_file(tmp_path, story())
    types = {}
    for order in ("file", "created"):
        import_events([path], tmp_path / order, order=order)
        types[order] = [e.type for e in read_events(tmp_path / order / f"{order}.events.jsonl")]
    assert types["file"] == ["customer.updated", "invoice.paid", "invoice.payment_failed"]
    assert types["created"] == ["customer.updated", "invoice.payment_failed", "invoice.paid"]


def test_events_are_delivered_when_created_but_never_before_the_one_above(tmp_path: Path) -> None:
    import_events([given_file(tmp_path, story())], tmp_path / "out")
    paid = (T + 14 * DAY + 60) * 1000
    assert [e.at_ms for e in read_events(tmp_path / "out" / "out.events.jsonl")] == [T * 1000, paid, paid + 1]


def test_the_same_seed_makes_the_same_files_and_another_seed_other_names(tmp_path: Path) -> None:
    path = given_file(tmp_path, story())
    one, again, other = (import_events([path], tmp_path / name / "inc", seed=seed).scenario for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()
    assert one.with_name("inc.events.jsonl").read_bytes() == again.with_name("inc.events.jsonl").read_bytes()


def test_one_customer_is_one_account_in_every_import(tmp_path: Path) -> None:
    whole = import_events([given_file(tmp_path, story())], tmp_path / "whole")
    part = import_events([given_file(tmp_path, story()[1], "one.json")], tmp_path / "part")
    assert load(whole.scenario).given[0].account == load(part.scenario).given[0].account


@pytest.mark.parametrize("form", ["object", "list", "lines", "page", "pretty", "documents", "gzip", "bom"])
def test_every_form_that_people_have_events_in(tmp_path: Path, form: str) -> None:
    events = story()
    path = tmp_path / "events"
    text = {
        "object": json.dumps(events[0]),
        "list": json.dumps(events),
        "lines": "\n".join(json.dumps(e) for e in events) + "\n\n",
        "page": json.dumps({"object": "list", "data": events, "has_more": False, "url": "/v1/events"}, indent=1),
        "pretty": json.dumps(events, indent=2),
        "documents": "\n".join(json.dumps(e, indent=2) for e in events),
        "gzip": json.dumps(events),
        "bom": "\ufeff" + json.dumps(events),
    }[form]
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    assert import_events([path], tmp_path / "out").events == (1 if form == "object" else 3)


def test_several_files_are_delivered_one_after_the_other(tmp_path: Path) -> None:
    files = [given_file(tmp_path, e, f"{n}.json") for n, e in enumerate(story())]
    import_events(files[::-1], tmp_path / "out")
    assert [e.type for e in read_events(tmp_path / "out" / "out.events.jsonl")] == ["invoice.payment_failed", "invoice.paid", "customer.updated"]


def test_an_event_delivered_twice_keeps_its_id_and_another_with_its_id_does_not(tmp_path: Path) -> None:
    failed, paid = event(1, "invoice.payment_failed", invoice("open", 1), T), event(1, "invoice.paid", invoice("paid", 1), T + 1)
    report = import_events([given_file(tmp_path, [failed, {**failed, "pending_webhooks": 0}, paid])], tmp_path / "out")
    first, copy, other = read_events(tmp_path / "out" / "out.events.jsonl")
    assert first.envelope["id"] == copy.envelope["id"] != other.envelope["id"]
    assert (first.copy, copy.copy, other.copy) == (0, 1, 0)
    assert [n.message for n in report.notes if "two different" in n.message] == [
        "evt_1Real1 is the id of two different events: the later one gets an id of its own"
    ]


def test_an_id_of_zeros_is_told_by_created_and_by_the_request(tmp_path: Path) -> None:
    zero = "0" * 24
    one = {
        "id": f"in_{zero}",
        "object": "invoice",
        "customer": f"cus_{zero[:14]}",
        "created": T,
        "status": "open",
        "amount_due": 5,
        "charge": f"ch_{zero}",
    }
    charge = {"id": f"ch_{zero}", "object": "charge", "amount": 5, "created": T + 7, "customer": None, "status": "failed", "paid": False}
    same = {"id": None, "idempotency_key": "k1"}
    events = [
        event(1, "invoice.payment_failed", one, T, request=same),
        event(2, "charge.failed", charge, T, request=same),
        event(3, "invoice.updated", one, T + 5),
        event(4, "invoice.created", {**one, "created": T + 9}, T + 9),
    ]
    import_events([given_file(tmp_path, events)], tmp_path / "out")
    failed, charged, updated, created = (e.payload for e in read_events(tmp_path / "out" / "out.events.jsonl"))
    assert failed["id"] == updated["id"] != created["id"]
    assert failed["charge"] == charged["id"] != created["charge"]
    assert failed["customer"] == created["customer"]


def test_what_is_odd_is_noted_in_one_line_with_its_place(tmp_path: Path) -> None:
    path = given_file(
        tmp_path,
        "\n".join(
            json.dumps(e)
            for e in (
                event(1, "radar.early_fraud_warning.created", {"id": "issfr_1", "object": "radar.early_fraud_warning"}, T),
                {"id": "in_1", "object": "invoice"},
                event(
                    2, "charge.failed", {"id": "ch_1a", "object": "charge", "amount": 5, "customer": None, "status": "failed"}, T, api_version=None
                ),
                event(3, "invoice.paid", {**invoice("paid", 1), "amount_due": "2000"}, T, livemode=False),
            )
        ),
        "odd.jsonl",
    )
    report = import_events([path], tmp_path / "out")
    places = {(Path(n.file).name, n.line): n.message for n in report.notes if n.line}
    messages = "\n".join(n.message for n in report.notes)
    assert "'radar.early_fraud_warning.created' is no type" in messages
    assert places["odd.jsonl", 2] == "left out an object 'invoice': it is no event"
    assert "has no API version" in messages and "charge.failed names no customer" in messages
    assert "2 live events and 1 of test mode" in messages
    assert "cannot be read (amount_due: a whole number is required)" in messages
    assert all("\n" not in n.message for n in report.notes)
    assert report.events == 3


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = given_file(tmp_path, story())
    report = import_events([path], tmp_path / "out")
    before = report.scenario.read_bytes()
    with pytest.raises(InputError, match="is already there and is not overwritten"):
        import_events([path], tmp_path / "out", seed=9)
    assert report.scenario.read_bytes() == before


def test_out_may_name_the_scenario_file_itself(tmp_path: Path) -> None:
    report = import_events([given_file(tmp_path, story())], tmp_path / "deep" / "late.toml")
    assert report.scenario == tmp_path / "deep" / "late.toml"
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["late.events.jsonl", "late.toml"]


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("billsim.replay.importer.dump", full)
    path = given_file(tmp_path, story())
    with pytest.raises(InputError, match="out: cannot be written: No space left on device"):
        import_events([path], tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["events.json"]


def test_of_two_imports_at_once_one_is_refused_and_the_other_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real_load = given_file(tmp_path, story()), load

    def other_is_quicker(written: Path) -> Any:
        monkeypatch.setattr("billsim.replay.importer.load", real_load)
        import_events([path], tmp_path / "out", seed=1)
        return real_load(written)

    monkeypatch.setattr("billsim.replay.importer.load", other_is_quicker)
    with pytest.raises(InputError, match="already there"):
        import_events([path], tmp_path / "out", seed=2)
    alone = import_events([path], tmp_path / "alone" / "out", seed=1)
    for name in ("out.toml", "out.events.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (alone.scenario.parent / name).read_bytes()
