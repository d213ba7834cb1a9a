"""facade_cache: the facade's Redis. Copies that it shows again for a while, and its answers to requests; nothing is decided by it."""

from __future__ import annotations

from typing import Any

from billsim.stores.base import Row, Schema


class CacheRow(Row, frozen=True, gc=False):
    """What is kept under `key` until `until_ms`. `emptied_ms` is when it was last thrown away, so that a fill that had begun before then loses its
    compare-and-set.
    """

    key: str
    value: Any = None
    until_ms: int = 0
    emptied_ms: int = 0


SCHEMA = Schema("facade_cache", CacheRow, frozenset({"facade"}), many=True)
