"""cfbill_migrations_audit: one row for each attempt to mend an account, refused ones too; the first place to look when remediation did not fire."""

from __future__ import annotations

from billsim.stores.base import Row, Schema


class AuditRow(Row, frozen=True, gc=False):
    """An attempt. `key` is the night and the job, and for a zone its name: what a night has attempted, it does not attempt again.

    `params` and `result` are JSON. `failed`: it was attempted and did not come to its end; a refusal has not failed.
    """

    key: str
    at_ms: int
    params: str
    result: str
    failed: bool


SCHEMA = Schema("cfbill_migrations_audit", AuditRow, frozenset({"engine", "auto_resync_www"}), many=True, append_only=True)
