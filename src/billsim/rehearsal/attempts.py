"""What the audit has of attempts to mend, as far as it can be read: a team's own remediation may enter theirs in other words."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from billsim.remediation import auto_resync_www
from billsim.remediation.audit import Result, result_of
from billsim.stores.base import Shard
from billsim.stores.cfbill_migrations_audit import SCHEMA, AuditRow

_IN_OTHER_WORDS = Result("")


class Attempt(NamedTuple):
    """An attempt of one account, or of one of its zones (`is_of_www`). `result` is without an outcome where it is told in other words."""

    at_ms: int
    failed: bool
    is_of_www: bool
    result: Result


def attempts_of(shard: Shard) -> list[Attempt]:
    """The attempts of an account, in the order in which they were entered."""
    rows = shard.all(SCHEMA.name).values()
    return [Attempt(row.at_ms, row.failed, f"/{auto_resync_www.NAME}/" in row.key, _read(row)) for row in rows]


def _read(row: AuditRow) -> Result:
    try:
        return result_of(row)
    except (msgspec.DecodeError, TypeError):
        return _IN_OTHER_WORDS
