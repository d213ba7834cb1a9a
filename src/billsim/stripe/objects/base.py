"""What every Stripe object is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

API_VERSION = "2026-10-28.endive"


class StripeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every Stripe object has. `kept` holds, under the API's names and with the API's values, the fields that few objects set: what is only told
    back (`description`, `shipping`), and what is told of few. It is never changed in place, and not there at all where nothing is kept.
    """

    id: str
    created: int
    livemode: bool = True
    metadata: dict[str, str] = {}
    kept: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def says(self, name: str, otherwise: Any = None) -> Any:
        """What is kept under a name, or `otherwise`."""
        return otherwise if self.kept is msgspec.UNSET else self.kept.get(name, otherwise)


def with_kept(old: dict[str, Any] | msgspec.UnsetType, given: Mapping[str, Any]) -> dict[str, Any] | msgspec.UnsetType:
    """What is kept, once `given` is set in it; `old` itself where that makes no difference."""
    if not given:
        return old
    if old is msgspec.UNSET:
        return dict(given)
    return old if all([name in old and old[name] == value for name, value in given.items()]) else {**old, **given}


class Deleted(msgspec.Struct, frozen=True, gc=False):
    """What the deletion of an object answers, and what is answered of a deleted customer."""

    id: str
    object: str
    deleted: bool = True


class Period(msgspec.Struct, frozen=True, gc=False):
    """From when to when something is paid for, in unix seconds."""

    start: int
    end: int
