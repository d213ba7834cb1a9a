"""www: the plan level of each zone, after the account's plan of one product."""

from __future__ import annotations

from billsim.stores.base import Row, Schema

# The product (a key of cf_prod) whose plan is the plan level of the account's zones.
LEVEL_OF = "zone_plan"


class ZoneRow(Row, frozen=True, gc=False):
    """A zone (`key`) and its plan level."""

    key: str
    plan: str = "free"


SCHEMA = Schema("www", ZoneRow, frozenset({"www_sync", "auto_resync_www"}), many=True)
