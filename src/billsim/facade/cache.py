"""The facade's cache in front of its reads. What it shows may be a minute old; what it writes is never made from it.

Whoever changes something throws its copy away. A reader who had asked before the change, and fills the cache after it, is refused by the version.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from billsim.core.time import MINUTE_MS
from billsim.ports import CompareAndSet, Effect, Now, Read
from billsim.stores.facade_cache import SCHEMA, CacheRow

STORE = SCHEMA.name
# How long a copy is shown: assumed.
TTL_MS = MINUTE_MS

Loading = Generator[Effect, Any, Any]


def cached(account: str, key: str, load: Callable[[], Loading]) -> Loading:
    """What is kept under `key`, however the world has moved since; loaded and kept for the time to live where nothing is."""
    row: CacheRow | None = yield Read(STORE, account, key)
    began_ms: int = yield Now()
    if row is not None and began_ms < row.until_ms:
        return row.value
    value = yield from load()
    yield CompareAndSet(STORE, account, row.version if row is not None else 0, {"value": value, "until_ms": began_ms + TTL_MS}, key)
    return value


def forget(account: str, key: str) -> Loading:
    """Throw away what is kept under `key`, and what is being fetched for it. Who loses the race for the row lost it to one who is through."""
    while True:
        row: CacheRow | None = yield Read(STORE, account, key)
        now_ms: int = yield Now()
        fields = {"value": None, "until_ms": 0, "emptied_ms": now_ms}
        if (yield CompareAndSet(STORE, account, row.version if row is not None else 0, fields, key)) is not None:
            return
