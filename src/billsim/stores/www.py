"""www: the plan level of each zone."""

from __future__ import annotations

from billsim.stores.base import Row, Schema


class ZoneRow(Row, frozen=True, gc=False):
    """A zone (`key`) and its plan level."""

    key: str
    plan: str = "free"


SCHEMA = Schema("www", ZoneRow, frozenset({"www_sync", "auto_resync_www"}), many=True)
