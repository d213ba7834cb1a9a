"""What an attempt leaves in cfbill_migrations_audit, whatever became of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from billsim.core.time import iso
from billsim.ports import CompareAndSet, Effect, Message, Now, Read, Steps
from billsim.stores.cfbill_migrations_audit import SCHEMA, AuditRow

STORE = SCHEMA.name
# What becomes of an attempt.
HEALED, PARTLY, NOTHING, REFUSED, FAILED, WOULD = "healed", "partly_healed", "nothing_to_do", "refused", "failed", "would_heal"


class Refusal(msgspec.Struct, frozen=True):
    """What was not done, and the restriction, gate or valve that forbids it. `step` is '' for all of it."""

    why: str
    step: str = ""


class Result(msgspec.Struct, frozen=True):
    """What came of an attempt: the steps that were taken, or in a dry run would be; what was refused; what was left alone, and why; and what went
    wrong, by step.
    """

    outcome: str
    steps: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    left: tuple[Refusal, ...] = ()
    wrong: dict[str, str] = {}


def outcome_of(steps: tuple[str, ...], refused: tuple[Refusal, ...], wrong: dict[str, str], *, dry: bool) -> str:
    """One word for what came of an attempt."""
    if wrong:
        return FAILED
    if dry and steps:
        return WOULD
    if refused:
        return PARTLY if steps else REFUSED
    return HEALED if steps else NOTHING


def refusal(why: str) -> Result:
    """Everything is refused."""
    return Result(REFUSED, refused=(Refusal(why),))


def night_of(message: Message) -> str:
    """The night that a job was started for: its date."""
    return str(message.body.get("date") or iso(message.at_ms)[:10])


def attempted(account: str, key: str) -> Generator[Effect, Any, AuditRow | None]:
    """The row of an attempt, if it was made."""
    row: AuditRow | None = yield Read(STORE, account, key)
    return row


def enter(account: str, key: str, params: dict[str, Any], result: Result) -> Steps:
    """Enter an attempt. Whoever was there first with the same attempt has entered it."""
    now_ms: int = yield Now()
    fields = {
        "at_ms": now_ms,
        "params": msgspec.json.encode(params).decode(),
        "result": msgspec.json.encode(result).decode(),
        "failed": result.outcome == FAILED,
    }
    yield CompareAndSet(STORE, account, 0, fields, key)


def result_of(row: AuditRow) -> Result:
    """What a row says came of its attempt."""
    return msgspec.json.decode(row.result, type=Result)
