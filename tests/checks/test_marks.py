"""Each mark, reached and not reached."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from billsim.checks import marks
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.ports import Message
from billsim.remediation.audit import REFUSED
from billsim.stores.cfbill_migrations_audit import AuditRow
from billsim.stores.subs_account import AccountRow
from billsim.stripe.objects import Event, EventData
from tests.checks.scene import Scene


def test_of_messages() -> None:
    whats = ("duplicate", "retried", "dead_letter", "finished")
    said = {what: marks.OF_MESSAGE.get(what) for what in whats}
    assert said == {"duplicate": "duplicate_delivered", "retried": "redelivered", "dead_letter": "dead_letter_used", "finished": None}


def test_of_actions() -> None:
    def mark(kind: str, step: str, executed: bool) -> str | None:
        return marks.of_action(ActionRecord("actions", 0, kind, "ada", "in_ada_1", step, "k", "c", "t", executed))

    assert mark("notify", "recovered", True) == "recovered_sent"
    assert mark("notify", "recovered", False) == "consequence_refused"
    assert mark("notify", "retrying", True) is None


def test_of_writes() -> None:
    def mark(read_version: int) -> str | None:
        old, new = AccountRow("ada", version=3), AccountRow("ada", flags=1, version=4)
        return marks.of_write(WriteRecord("writes", 0, "c", "t", "", "subs_account", "ada", "ada", read_version, old, new))

    assert [mark(version) for version in (2, 3, -1)] == ["lost_update_happened", None, None]


def test_of_tasks() -> None:
    book = Scene("retrying/first_attempt_failed").shard.stripe
    held = book.invoices["in_ada_1"]

    def mark(kind: str, snapshot: object, wrote: bool) -> str | None:
        event = Event(id="evt_1", created=0, data=EventData(snapshot), type="invoice.paid")
        return marks.of_task(Message("w/e", "w", kind, "ada", 0, event), book, wrote)

    older = msgspec.structs.replace(held, attempt_count=0)
    assert mark("stripe.invoice.paid", older, False) == "stale_event_ignored"
    assert mark("stripe.invoice.paid", older, True) is None
    assert mark("stripe.invoice.paid", held, False) is None
    assert mark("boundary", None, True) == "boundary_fired"
    assert set(marks.MARKS) >= {"stale_event_ignored", "boundary_fired", "compare_and_set_lost"}


def test_of_attempts() -> None:
    def found(result: Any) -> list[str]:
        return marks.of_attempt(AuditRow("ada", key="k", at_ms=0, params="{}", result=result, failed=False))

    assert found('{"outcome": "refused", "refused": [{"why": "MergedAccount"}, {"why": "MergedAccount", "step": "x"}]}') == found(
        '{"outcome": "refused", "refused": [{"why": "MergedAccount"}]}'
    )
    assert len(found('{"outcome": "refused", "refused": [{"why": "MergedAccount"}]}')) == 1 + (REFUSED in marks.OF_OUTCOME)
    assert found('{"refused": [{"why": "because"}, {"step": "x"}]}') == []


@pytest.mark.parametrize(
    "result",
    [
        *('{"refused": "MergedAccount"}', '{"refused": 5}', '{"refused": [["why"]]}', '{"refused": [{"why": ["x"]}]}', '{"outcome": ["x"]}'),
        *("7", "so?", "", None, {}),
    ],
)
def test_of_attempts_in_other_words(result: Any) -> None:
    assert marks.of_attempt(AuditRow("ada", key="k", at_ms=0, params="{}", result=result, failed=False)) == []
