"""cf_prod: entitlements, what an account may use. Written by the facade (accounts) and by entitlements."""

from __future__ import annotations

from billsim.stores.base import Row, Schema

FREE, NONE = "free", "none"


class EntitlementRow(Row, frozen=True, gc=False):
    """What plan of a product (`key`) the account may use; `free` is the free plan, `none` is no access at all."""

    key: str
    plan: str = FREE


SCHEMA = Schema("cf_prod", EntitlementRow, frozenset({"facade", "entitlements"}), many=True)
